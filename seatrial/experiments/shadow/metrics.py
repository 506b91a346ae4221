"""Metrics of answers of both versions on the same labelled pairs, with the difference for one look.

A mean over pairs has Student's interval of its paired differences, an area under the ROC curve DeLong's, and what has
no formula (precision, recall, F1, the root of a mean) the bootstrap over pairs, each of which is of another unit.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.labels import plain_label
from seatrial.experiments.model_measures import KINDS, numbers_of
from seatrial.experiments.shadow.comparison import PairedMetric
from seatrial.experiments.shadow.pairs import Answered, Label, Pairs, floats
from seatrial.spec.deployment import Deployment, MetricSpec
from seatrial.stats.interval import TestResult
from seatrial.stats.moments import Moments
from seatrial.stats.paired import paired_bootstrap, paired_difference
from seatrial.stats.quality import (
    Rows,
    absolute_error,
    auc,
    brier,
    f1,
    log_loss,
    paired_auc,
    precision,
    recall,
    squared_error,
)

SEED = 1
"""Of the resamples: any would do, and always the same."""

MACRO_F1 = "macro F1"

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Value = Callable[[Codes], float]
"""From positions of pairs (with repeats) to a version's metric on them; NaN where it is not defined."""


class _Versions(NamedTuple):
    """One thing of each version: what its pairs add, or its metric."""

    champion: Rows
    challenger: Rows


def paired_metrics(
    found: Pairs, answer: Answered, deployment: Deployment, label: Label | None, alpha: float
) -> tuple[PairedMetric, ...]:
    """The declared metrics of answers to this label, and without any of them what everybody asks for.

    Args:
        found: The pairs, with their scores.
        answer: Numbers: MAE and RMSE; labels: macro F1 and what is declared; lists: none.
        deployment: Its metrics.
        label: Where the truth is.
        alpha: Of the intervals.
    """
    found = found._replace(labelled=found.labelled.filter(found.labelled["stands"]))
    if answer.lists or label is None or found.labelled.num_rows < 2:
        return ()
    declared = {
        name: spec
        for name, spec in deployment.metrics.items()
        if spec.kind in KINDS and (spec.outcome, spec.value) == (label.outcome, label.field)
    }
    if answer.numbers:
        return _of_numbers(found, alpha)
    told = _Told(_plain(found, "truth"), _plain(found, "answer"), _plain(found, "other"))
    rated = (_declared(name, spec, found, told, alpha) for name, spec in declared.items())
    return (_macro_f1(told, alpha), *(one for one in rated if one is not None))


def _declared(name: str, spec: MetricSpec, found: Pairs, told: "_Told", alpha: float) -> PairedMetric | None:
    """None for accuracy, which has a verdict, for calibration, which has no paired form here, and without scores."""
    if spec.kind in _OF_CLASSES:
        return _of_classes(name, spec, told, alpha)
    return _of_scores(name, spec, found, told.truth, alpha) if spec.kind in _OF_SCORES else None


def _of_numbers(found: Pairs, alpha: float) -> tuple[PairedMetric, ...]:
    numbers = floats(found.labelled, ("answer", "other", "label"))
    if numbers["label"].size < 2:
        return ()
    absolute, squared = (
        _Versions(of(numbers["label"], numbers["answer"]), of(numbers["label"], numbers["other"]))
        for of in (absolute_error, squared_error)
    )
    return (_mean("mae", "mae", absolute, alpha), _resampled("rmse", "rmse", squared, alpha, root=True))


class _Told(NamedTuple):
    """Labels in one spelling [n]."""

    truth: NDArray[np.str_]
    champion: NDArray[np.str_]
    challenger: NDArray[np.str_]


_OF_CLASSES = {"precision": precision, "recall": recall, "f1": f1}


def _of_classes(name: str, spec: MetricSpec, told: _Told, alpha: float) -> PairedMetric:
    of, positive = _OF_CLASSES[spec.kind], plain_label(spec.positive)
    rows = _Versions(of(told.truth, told.champion, positive), of(told.truth, told.challenger, positive))
    return _resampled(name, spec.kind, rows, alpha)


def _macro_f1(told: _Told, alpha: float) -> PairedMetric:
    """The mean of F1 over the labels that were true at least once; of one that a resample lacks, over the others."""
    labels, truth = np.unique(told.truth, return_inverse=True)
    champion, challenger = (_coded(said, labels) for said in (told.champion, told.challenger))
    size = labels.size

    def of(said: Codes) -> Value:
        def value(at: Codes) -> float:
            y, a = truth[at], said[at]
            hits = np.bincount(y[y == a], minlength=size)
            both = np.bincount(y, minlength=size) + np.bincount(a[a >= 0], minlength=size)
            return float((2 * hits[both > 0] / both[both > 0]).mean())

        return value

    return _bootstrapped(MACRO_F1, MACRO_F1, of(champion), of(challenger), truth.size, alpha)


def _coded(said: NDArray[np.str_], labels: NDArray[np.str_]) -> Codes:
    """Positions among sorted labels; -1 of none of them."""
    at = np.minimum(np.searchsorted(labels, said), labels.size - 1)
    found: Codes = np.where(labels[at] == said, at, -1)
    return found


_OF_SCORES: dict[str, Callable[[Codes, Floats], Rows] | None] = {"log_loss": log_loss, "brier": brier, "auc": None}


def _of_scores(name: str, spec: MetricSpec, found: Pairs, truth: NDArray[np.str_], alpha: float) -> PairedMetric | None:
    """Of the pairs that both gave a score; None where none is logged."""
    column = next((one for one in numbers_of(spec) if one in found.scores), None)
    if column is None:
        return None
    j = found.scores.index(column)
    champion, challenger = (np.asarray(found.labelled[f"{who}{j}"].to_pylist(), dtype=np.float64) for who in "ab")
    here = (champion >= 0) & (champion <= 1) & (challenger >= 0) & (challenger <= 1)
    y, a, b = (truth[here] == plain_label(spec.positive)).astype(np.int64), champion[here], challenger[here]
    if y.size < 2:
        return None
    of = _OF_SCORES[spec.kind]
    if of is not None:
        return _mean(name, spec.kind, _Versions(of(y, a), of(y, b)), alpha)
    return PairedMetric(
        name=name,
        kind=spec.kind,
        pairs=y.size,
        champion=auc(y, a).value,
        challenger=auc(y, b).value,
        difference=_fixed(paired_auc(y, b, a, alpha=alpha)),
    )


def _mean(name: str, kind: str, rows: _Versions, alpha: float) -> PairedMetric:
    """Whose denominators are all 1."""
    difference = paired_difference(Moments.from_values(rows.challenger.numerator - rows.champion.numerator), alpha)
    return PairedMetric(
        name=name,
        kind=kind,
        pairs=rows.champion.numerator.size,
        champion=float(rows.champion.numerator.mean()),
        challenger=float(rows.challenger.numerator.mean()),
        difference=_fixed(difference),
    )


def _resampled(name: str, kind: str, rows: _Versions, alpha: float, *, root: bool = False) -> PairedMetric:
    def of(version: Rows) -> Value:
        def value(at: Codes) -> float:
            below = float(version.denominator[at].sum())
            ratio = float(version.numerator[at].sum()) / below if below else float("nan")
            return float(np.sqrt(ratio)) if root else ratio

        return value

    return _bootstrapped(name, kind, of(rows.champion), of(rows.challenger), rows.champion.numerator.size, alpha)


def _bootstrapped(name: str, kind: str, champion: Value, challenger: Value, pairs: int, alpha: float) -> PairedMetric:
    everybody = np.arange(pairs)
    return PairedMetric(
        name=name,
        kind=kind,
        pairs=pairs,
        champion=_known(champion(everybody)),
        challenger=_known(challenger(everybody)),
        difference=_fixed(
            paired_bootstrap(everybody, lambda at: challenger(at) - champion(at), seed=SEED, alpha=alpha)
        ),
    )


def _fixed(result: TestResult) -> TestResult:
    return msgspec.structs.replace(result, method=f"{result.method} (fixed)")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


_NOBODY = " "
"""No label is spelt so."""


def _plain(found: Pairs, column: str) -> NDArray[np.str_]:
    """A column's labels in one spelling."""
    given = found.labelled[column].to_pylist()
    return np.array([_NOBODY if one is None else plain_label(str(one)) for one in given])
