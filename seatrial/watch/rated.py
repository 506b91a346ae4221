"""Metrics of answers against labels in one window, row by row: what an experiment calls precision or AUC, by unit.

    precision, recall, f1             a positive label and an answer that says it
    log_loss, brier                   a label and the chance that the answer gave it
    auc, calibration_error            positive labels beside scores
    mae, rmse                         a number beside a number

A row counts once its label has come in time and its answer has what the metric rates. Intervals are by unit, because a
unit's rows are alike.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.labels import says_positive
from seatrial.experiments.model_measures import KINDS, LEAST, numbers_of
from seatrial.experiments.row_columns import number_column
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import MetricSpec
from seatrial.stats.interval import Interval
from seatrial.stats.moments import PairMoments
from seatrial.stats.quality import calibration_error, f1_score, rmse_interval
from seatrial.stats.quality.auc import auc
from seatrial.watch import reading
from seatrial.watch.groups import column_of
from seatrial.watch.interval import Measured, ratio_by_unit, share_by_unit
from seatrial.watch.labels import read_labelled
from seatrial.watch.reading import Span

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RATED = frozenset(KINDS) - {"accuracy"}
"""Kinds that are measured here."""

SEED = 1
"""Of the noise that a calibration error is compared with: any would do, and always the same."""


class Rated(NamedTuple):
    """The answers of a window that have a label and can be rated, shapes [rows].

    Attributes:
        x, y: What a row adds above and below the line; of AUC and calibration its label (0, 1) and its score.
        unit: The number of its unit.
        groups: Its value of each thing that segments are told by; None: it has none.
        wanted: Answers that could have had a label.
    """

    x: Floats
    y: Floats
    unit: NDArray[np.intp]
    groups: dict[str, NDArray[Any]]
    wanted: int

    def of(self, rows: Flags) -> "Rated":
        """Some of them."""
        groups = {by: values[rows] for by, values in self.groups.items()}
        return Rated(self.x[rows], self.y[rows], self.unit[rows], groups, self.wanted)

    @property
    def units(self) -> int:
        return int(np.unique(self.unit).size)


def read_rated(source: Source, span: Span, metric: MetricSpec, by: Sequence[str] = ()) -> Rated:
    """Read one window of one variant.

    Args:
        source: Rows and outcomes.
        span: Which window; the variant is the one that answered.
        metric: Of a kind in ``RATED``.
        by: What segments are told by, as the file says it; what no row carries is left out.
    """
    names = reading.column_names(source)
    answer = reading.answered_label(names) or reading.answered_value(names) or "NULL::VARCHAR"
    there = {each: column_of(each) for each in by if column_of(each) in names}
    more = {f"by {each}": f"CAST({quoted(column)} AS VARCHAR)" for each, column in there.items()}
    more["number_answered"] = number_column(numbers_of(metric), sorted(names))
    more["said"] = says_positive(answer, "$positive")
    table = read_labelled(source, span, metric, answer, more, positive=metric.positive)
    positive, said = _floats(table["positive"]), _floats(table["said"])
    x, y = _terms(metric.kind, positive, said, _floats(table["number_answered"]), _floats(table["number"]))
    known = np.isfinite(x) & np.isfinite(y)
    units = np.array(table["unit"].to_pylist(), dtype=object)[known]
    _, place = np.unique(units.astype(str), return_inverse=True)
    groups = {each: np.array(table[f"by {each}"].to_pylist(), dtype=object)[known] for each in there}
    return Rated(x[known], y[known], place.astype(np.intp), groups, table.num_rows)


def measure_rated(rated: Rated, kind: str, alpha: float) -> Measured | None:
    """The metric with its interval, ``alpha`` on each side; None where nothing can be said (no positives, say).

    Args:
        rated: What ``read_rated`` gave, or a part of it.
        kind: The metric's.
        alpha: One side.
    """
    if kind == "auc":
        area = auc(rated.x, rated.y, rated.unit, alpha=2 * alpha)
        return None if area.value is None else _measured(area.value, area.interval)
    if kind == "calibration_error":
        if not rated.x.size:
            return None
        error = calibration_error(rated.x, rated.y, rated.unit, seed=SEED, draws=999, alpha=2 * alpha)
        return _measured(error.value, error.interval)
    x, y = _by_unit(rated)
    if not y.sum() > 0:
        return None
    if kind in ("precision", "recall"):
        return share_by_unit(x[y > 0], y[y > 0], alpha)
    if kind in ("f1", "rmse"):
        score = (f1_score if kind == "f1" else rmse_interval)(PairMoments.from_values(x, y), 2 * alpha)
        return None if score.value is None else _measured(score.value, score.interval)
    return ratio_by_unit(x, y, alpha)


def _terms(kind: str, positive: Floats, said: Floats, answered: Floats, label: Floats) -> tuple[Floats, Floats]:
    """What rows add above and below the line; NaN where a row cannot be rated."""
    chance = np.where((answered >= 0) & (answered <= 1), answered, np.nan)
    given = np.where(positive == 1, chance, 1 - chance)
    one = np.ones_like(positive)
    match kind:
        case "precision":
            return positive * said, np.where(np.isfinite(positive), said, np.nan)
        case "recall":
            return positive * said, positive
        case "f1":
            return 2 * positive * said, positive + said
        case "log_loss":
            return np.where(np.isfinite(positive), -np.log(np.maximum(given, LEAST)), np.nan), one
        case "brier":
            return (chance - positive) ** 2, one
        case "mae":
            return np.abs(answered - label), one
        case "rmse":
            return (answered - label) ** 2, one
        case _:
            return positive, chance


def _by_unit(rated: Rated) -> tuple[Floats, Floats]:
    _, place = np.unique(rated.unit, return_inverse=True)
    sums = [np.bincount(place, weights=v).astype(np.float64) for v in (rated.x, rated.y)]
    return sums[0], sums[1]


def _measured(value: float, interval: Interval | None) -> Measured | None:
    return None if interval is None else Measured(value, interval.lower, interval.upper)


def _floats(column: Any) -> Floats:
    values: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values
