"""The performance monitor before there are labels: what they will say, and, once they are there, how far it was off.

An estimate is shown with its severity and never alerts by itself: it sees other inputs coming, not the same inputs
coming to mean something else.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seatrial.drift import Profile, Severity
from seatrial.drift.estimates import BLIND, Estimate
from seatrial.drift.estimates.lesson import (
    LEAST_ROWS,
    Lesson,
    as_accuracy,
    estimate_by_scores,
    estimate_by_tree,
)
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment, Margin, PerformanceMonitor
from seatrial.watch import reading
from seatrial.watch.labels import read_labelled
from seatrial.watch.reading import Span
from seatrial.watch.window import Between, Estimated, Signal, Window

SHARE_MARGIN = Margin(absolute=0.05)
ERROR_MARGIN = Margin(relative=0.1)
"""By how much an estimate may be worse than the holdout before it is told, where the file has no ``worse_by``."""

NEEDS_HOLDOUT = "needs a holdout"


class Thought(NamedTuple):
    """An estimate, or why there is none."""

    estimated: Estimated | None
    why_not: str = ""


def estimate_window(deployment: Deployment, span: Span, source: Source, profile: Profile, rows: int) -> Window:
    """What the labels of one window will say; ``rows``: answers in it."""
    monitor = _monitor(deployment)
    thought = think(deployment, span, source, profile, rows)
    found = thought.estimated
    severity = "none" if found is None else severity_of(found, monitor)
    return Window(
        deployment=deployment.deployment,
        monitor="estimate",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=rows,
        state="no-data" if found is None else "measured",
        drift=Signal(severity, "none", calm=severity == "none"),
        estimated=found,
        sentence=f"No estimate for {span.variant}: {thought.why_not}." if found is None else _sentence(span, found),
    )


def think(deployment: Deployment, span: Span, source: Source, profile: Profile, rows: int) -> Thought:
    """Estimate one window of one variant.

    Args:
        deployment: Its performance monitor, and what of a row is logged.
        span: Which window.
        source: Rows.
        profile: Of the variant's version.
        rows: Answers that are there.
    """
    minimum = _monitor(deployment).minimum_labels
    lesson = profile.lesson
    if lesson is None:
        held = profile.holdout_rows
        more = f" of at least {LEAST_ROWS} rows, and its version has one of {held}" if held else ""
        return Thought(None, f"no-data: {NEEDS_HOLDOUT}{more}; register the version with one")
    if rows < minimum:
        return Thought(None, f"{rows} answer{'s' * (rows != 1)}, and {minimum} are needed")
    hidden = [feature.name for feature in lesson.features if feature.name in deployment.log.redact]
    if hidden and lesson.calibrator is None:
        return Thought(None, f"the feature {hidden[0]} is redacted, and errors are told by it")
    return _by_lesson(source, profile, lesson, lambda wanted: reading.answers(source, span, wanted))


def realised(
    deployment: Deployment,
    span: Span,
    source: Source,
    profile: Profile,
    found: Estimated,
    accuracy: tuple[float, int] | None,
) -> Estimated:
    """The estimate beside what labels said: the accuracy with its labels, or the mean absolute error read here."""
    monitor = _monitor(deployment)
    if found.metric == "accuracy":
        value, labels = accuracy or (None, 0)
    else:
        errors = absolute_errors(span, source, deployment)
        value, labels = (float(errors.mean()) if errors.size else None), errors.size
    if value is None or labels < monitor.minimum_labels:
        return found
    beside = _of_labelled(deployment, span, source, profile) if labels < found.n else None
    return msgspec.structs.replace(found, realised=value, labels=labels, of_labelled=beside)


def _of_labelled(deployment: Deployment, span: Span, source: Source, profile: Profile) -> Between | None:
    """The estimate over the answers that have a label: who gets one may be decided by the answer."""
    metric = deployment.metrics[_monitor(deployment).metric]
    assert profile.lesson is not None

    def read(wanted: Mapping[str, str]) -> pa.Table:
        logged = any(name.startswith("feature.") for name in wanted) and "sampled" in reading.column_names(source)
        more = {f"asked.{name}": sql for name, sql in wanted.items()} | ({"asked.sampled": "sampled"} if logged else {})
        table = read_labelled(source, span, metric, wanted["answer"], more)
        there = pc.is_valid(table["text"])
        table = table.filter(pc.and_(there, table["asked.sampled"]) if logged else there)
        return table.select([f"asked.{name}" for name in wanted]).rename_columns(list(wanted))

    found = _by_lesson(source, profile, profile.lesson, read).estimated
    return None if found is None else Between(found.value, found.lower, found.upper)


def absolute_errors(span: Span, source: Source, deployment: Deployment) -> NDArray[np.float64]:
    """|answer − label| of a regression's labelled answers, in order of prediction time."""
    answer = reading.answered_value(reading.column_names(source))
    if answer is None:
        return np.empty(0)
    table = read_labelled(source, span, deployment.metrics[_monitor(deployment).metric], answer, {"value": answer})
    errors = np.abs(_floats(table["value"]) - _floats(table["number"]))
    finite: NDArray[np.float64] = errors[np.isfinite(errors)]
    return finite


def off_sentence(found: Estimated) -> str:
    """How far an estimate was from what came; "" before it came."""
    if found.off is None:
        return ""
    inside = "inside" if found.lower <= (found.realised or 0.0) <= found.upper else "outside"
    way = "too high" if found.off > 0 else "too low"
    amount = f"{100 * abs(found.off):.2g} points" if found.metric == "accuracy" else f"{abs(found.off):.3g}"
    said = (
        f" Before labels, {_named(found)} was estimated at {_shown(found.value, found)}: {amount} {way}, what came is "
        f"{inside} its interval."
    )
    if found.of_labelled is None or not found.is_of_others:
        return said
    mine = found.of_labelled
    return (
        f"{said} Labels are of other answers than all: {found.labels} of {found.n} have one, and over these it is "
        f"estimated at {_shown(mine.value, found)} ({_shown(mine.lower, found)} to {_shown(mine.upper, found)}), which "
        "is what came. A fall may be in whose labels come, and not in the answers."
    )


def severity_of(found: Estimated, monitor: PerformanceMonitor) -> Severity:
    """How bad it would be: the whole interval beyond the margin, or beyond twice the margin."""
    margin = monitor.worse_by or (SHARE_MARGIN if found.metric == "accuracy" else ERROR_MARGIN)
    amount = margin.absolute if margin.absolute is not None else abs(found.baseline) * (margin.relative or 0.0)
    surely = found.baseline - found.upper if found.metric == "accuracy" else found.lower - found.baseline
    return "major" if surely > 2 * amount else "moderate" if surely > amount else "none"


Read = Callable[[Mapping[str, str]], pa.Table]
"""Reads columns of answers, by the SQL of each."""


def _by_lesson(source: Source, profile: Profile, lesson: Lesson, read: Read) -> Thought:
    return (_by_scores if lesson.calibrator is not None else _by_tree)(source, profile, lesson, read)


def _by_scores(source: Source, profile: Profile, lesson: Lesson, read: Read) -> Thought:
    names = reading.column_names(source)
    two = any(answer.name == "score" for answer in profile.prediction)
    score = reading.answered_score(names) if two else reading.answered_confidence(names)
    answer = reading.answered_label(names)
    if score is None or answer is None:
        return Thought(None, "no score is in the ledger, and what scores are worth is all that the holdout taught")
    table = read({"score": score, "answer": answer})
    positive = None
    if two:
        label = profile.prediction[0].categories[1]
        positive = [value == label for value in table["answer"].to_pylist()]
    assert lesson.calibrator is not None
    found = estimate_by_scores(lesson.calibrator, _floats(table["score"]), positive)
    if found is None:
        return Thought(None, "no answer has a score")
    return Thought(_estimated("accuracy", found, profile))


def _by_tree(source: Source, profile: Profile, lesson: Lesson, read: Read) -> Thought:
    names = reading.column_names(source)
    wanted: dict[str, str] = {}
    for feature in lesson.features:
        columns = reading.written(names, f"feature.{feature.name}")
        if not columns:
            return Thought(None, f"the feature {feature.name} is not logged, and errors are told by it")
        wanted[f"feature.{feature.name}"] = reading.expression(feature.kind, columns)
    is_label = lesson.answer is not None and lesson.answer.form == "category"
    answer = reading.answered_label(names) if is_label else reading.answered_value(names)
    if answer is None:
        return Thought(None, "no answer is in the ledger")
    table = read({**wanted, "answer": answer})
    if not table.num_rows:
        return Thought(None, "no answer has its features logged")
    values = {feature.name: _values(table[f"feature.{feature.name}"]) for feature in lesson.features}
    found = estimate_by_tree(lesson, values, _values(table["answer"]))
    if is_label:
        return Thought(_estimated("accuracy", as_accuracy(found), profile))
    return Thought(_estimated("mae", found, profile))


def _estimated(metric: Literal["accuracy", "mae"], found: Estimate, profile: Profile) -> Estimated:
    baseline = profile.performance[metric].value
    worse = baseline - found.value if metric == "accuracy" else found.value - baseline
    return Estimated(
        metric=metric,
        value=found.value,
        lower=found.lower,
        upper=found.upper,
        level=found.level,
        n=found.n,
        baseline=baseline,
        worse_by=worse,
    )


def _sentence(span: Span, found: Estimated) -> str:
    return (
        f"Without labels, {_named(found)} of {span.variant} is estimated at {_shown(found.value, found)} "
        f"({_shown(found.lower, found)} to {_shown(found.upper, found)}) from {found.n} answers, "
        f"{_shown(found.baseline, found)} on the holdout. {BLIND}"
    )


def _named(found: Estimated) -> str:
    return "the accuracy" if found.metric == "accuracy" else "the mean absolute error"


def _shown(value: float, found: Estimated) -> str:
    return f"{value:.1%}" if found.metric == "accuracy" else f"{value:.4g}"


def _monitor(deployment: Deployment) -> PerformanceMonitor:
    assert deployment.monitors.performance is not None
    return deployment.monitors.performance


def _values(column: Any) -> Any:
    """A column as the pure rooms take it: numbers with NaN, texts with None."""
    return column.to_numpy(zero_copy_only=False)


def _floats(column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values
