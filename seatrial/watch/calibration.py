"""Calibration drift: are scores still worth what they were on the holdout?

The labelled answers of a window, against the chances that the holdout's calibration gives to their scores. What is
judged is the mean of "happened less expected", by unit, with what a holdout of its size could not know. Scores that
are too sure of both classes leave that mean alone; so with two classes the same is judged of the likelier one, each at
half of the level. The expected calibration error is shown beside, and declared segments, whose intervals hold for all
of them together.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from seatrial.drift import Profile, Severity
from seatrial.drift.estimates import Calibrator
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import Deployment, PerformanceMonitor
from seatrial.stats.quality.calibration import calibration_error
from seatrial.watch import reading
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.groups import column_of, groups_of
from seatrial.watch.interval import Measured, difference, ratio_by_unit
from seatrial.watch.labels import read_labelled
from seatrial.watch.performance import LEAST_UNITS, MOST_ALPHA
from seatrial.watch.reading import Span
from seatrial.watch.window import Calibrated, GroupRate, Signal, Sureness, Window

MODERATE, MAJOR = 0.05, 0.1
"""How far what happens lies from what scores say, for certain, before it is told."""


class _Rows(NamedTuple):
    """Labelled answers with a score, shapes [rows]: the score, whether it happened, the number of the unit."""

    scores: NDArray[np.float64]
    happened: NDArray[np.float64]
    unit: NDArray[np.intp]

    def of(self, mine: NDArray[np.bool_]) -> "_Rows":
        return _Rows(self.scores[mine], self.happened[mine], self.unit[mine])


def calibration_window(deployment: Deployment, span: Span, source: Source, profile: Profile, variants: int) -> Window:
    """Judge one matured window of one variant."""
    monitor = deployment.monitors.performance
    assert monitor is not None
    found = _measure(deployment, monitor, span, source, profile, variants)
    if isinstance(found, str):
        return _window(deployment, span, 0, f"No data on the calibration of {span.variant}: {found}.")
    whole, rates = found
    severity = severity_of(whole)
    window = _window(
        deployment,
        span,
        whole.labels,
        _sentence(span.variant, whole) + _of_segments(rates),
        whole,
        Signal(severity, severity, _is_calm(whole)),
    )
    return msgspec.structs.replace(window, rates=rates)


def severity_of(found: Calibrated | GroupRate) -> Severity:
    """By the end of the interval that is nearer to nothing; of the whole and of how sure scores are, the worse."""
    ends = [found.lower, -found.upper]
    if isinstance(found, Calibrated) and found.sure is not None:
        ends += [found.sure.lower, -found.sure.upper]
    surely = max(*ends, 0.0)
    return "major" if surely > MAJOR else "moderate" if surely > MODERATE else "none"


def _is_calm(found: Calibrated) -> bool:
    return abs(found.off) < MODERATE and (found.sure is None or abs(found.sure.value) < MODERATE)


def _measure(
    deployment: Deployment, monitor: PerformanceMonitor, span: Span, source: Source, profile: Profile, variants: int
) -> tuple[Calibrated, tuple[GroupRate, ...]] | str:
    lesson = profile.lesson
    if lesson is None or lesson.calibrator is None:
        return "needs a holdout, and a model that gives scores"
    names = reading.column_names(source)
    two = any(answer.name == "score" for answer in profile.prediction)
    score = reading.answered_score(names) if two else reading.answered_confidence(names)
    answer = reading.answered_label(names)
    if score is None or answer is None:
        return "no score is in the ledger"
    positive = profile.prediction[0].categories[1] if two else None
    metric = deployment.metrics[monitor.metric]
    columns = {by: column_of(by) for by in monitor.segments if column_of(by) in names}
    more = {f"by {by}": f"CAST({quoted(column)} AS VARCHAR)" for by, column in columns.items()}
    table = read_labelled(source, span, metric, answer, {"score": score, **more}, positive=positive)
    scores, happened = _floats(table["score"]), _floats(table["positive" if two else "correct"])
    known = np.isfinite(scores) & np.isfinite(happened)
    labels, units = int(known.sum()), np.array(table["unit"].to_pylist(), dtype=object)[known]
    _, place = np.unique(units.astype(str), return_inverse=True) if labels else (None, np.empty(0, np.intp))
    if labels < monitor.minimum_labels or place.max(initial=-1) + 1 < LEAST_UNITS:
        return f"{labels} labels with a score, and at least {monitor.minimum_labels} of {LEAST_UNITS} units are needed"
    rows = _Rows(np.clip(scores[known], 0.0, 1.0), happened[known], place)
    alpha = per_window(lasting(monitor, span), variants, MOST_ALPHA) / (2 if two else 1)
    expected = lesson.calibrator.apply(rows.scores)
    off = _off(lesson.calibrator, rows, alpha)
    groups = {by: np.array(table[f"by {by}"].to_pylist(), dtype=object)[known] for by in columns}
    rates = _by_segment(lesson.calibrator, rows, groups, alpha, monitor.minimum_labels)
    error = calibration_error(happened[known], expected, place, seed=span.start % 2**32, draws=999)
    whole = Calibrated(
        expected=float(expected.mean()),
        happened=float(rows.happened.mean()),
        off=off.value,
        lower=off.lower,
        upper=off.upper,
        error=error.value,
        labels=labels,
        sure=_sureness(lesson.calibrator, rows, alpha) if two else None,
    )
    return whole, rates


def _by_segment(
    calibrator: Calibrator, rows: _Rows, by: Mapping[str, NDArray[Any]], alpha: float, minimum: int
) -> tuple[GroupRate, ...]:
    found: list[GroupRate] = []
    for name, values in by.items():
        groups = groups_of(values.tolist(), minimum)
        for group in groups:
            mine = rows.of(values == group)
            if np.unique(mine.unit).size >= LEAST_UNITS:
                off = _off(calibrator, mine, alpha / len(by) / len(groups))
                found.append(GroupRate(by=name, group=group, rate="off", rows=len(mine.unit), **off._asdict()))
    return tuple(found)


def _off(calibrator: Calibrator, rows: _Rows, alpha: float) -> Measured:
    """Happened less expected, by unit, with what a holdout of its size could not know."""
    return _mean_gap(calibrator, rows, alpha, np.ones(len(rows.scores)))


def _sureness(calibrator: Calibrator, rows: _Rows, alpha: float) -> Sureness:
    """Expected less happened of the likelier class, likewise."""
    towards = np.where(calibrator.apply(rows.scores) >= 0.5, -1.0, 1.0)
    return Sureness(*_mean_gap(calibrator, rows, alpha, towards))


def _mean_gap(calibrator: Calibrator, rows: _Rows, alpha: float, sign: NDArray[np.float64]) -> Measured:
    """Mean of ``sign`` [rows] times (happened less expected)."""
    _, place = np.unique(rows.unit, return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    gaps = np.bincount(place, weights=sign * (rows.happened - calibrator.apply(rows.scores))).astype(np.float64)
    learnt = -float(ndtri(alpha)) * calibrator.variance(rows.scores, sign / len(sign)) ** 0.5
    return difference(ratio_by_unit(gaps, counts, alpha), Measured(0.0, -learnt, learnt))


def _of_segments(rates: tuple[GroupRate, ...]) -> str:
    """The segment that is furthest off for certain; "" where none is."""
    loud = [rate for rate in rates if severity_of(rate) != "none"]
    if not loud:
        return ""
    first = max(loud, key=lambda rate: max(rate.lower, -rate.upper))
    more = f", and {len(loud) - 1} more" if len(loud) > 1 else ""
    return (
        f" In {first.by} {first.group} it is {100 * first.value:+.1f} points ({100 * first.lower:+.1f} to "
        f"{100 * first.upper:+.1f}, {first.rows} labels){more}."
    )


def _sentence(variant: str, found: Calibrated) -> str:
    interval = f"{100 * found.off:+.1f} points, {100 * found.lower:+.1f} to {100 * found.upper:+.1f}"
    said = (
        f"The scores of {variant} say {found.expected:.1%}, and {found.happened:.1%} came in {found.labels} labelled "
        f"answers ({interval}; expected calibration error {100 * found.error:.1f} points)"
    )
    sure = found.sure
    if sure is not None and max(sure.lower, -sure.upper) > MODERATE:
        above = sure.value > 0
        least, most = (sure.lower, sure.upper) if above else (-sure.upper, -sure.lower)
        said += (
            f"; they are {100 * abs(sure.value):.1f} points {'too sure' if above else 'not sure enough'} of the "
            f"likelier label ({100 * least:.1f} to {100 * most:.1f})"
        )
    return f"{said}." if severity_of(found) != "none" else f"{said}: as on the holdout, as far as is certain."


def _window(
    deployment: Deployment,
    span: Span,
    rows: int,
    sentence: str,
    found: Calibrated | None = None,
    drift: Signal = Signal(),
) -> Window:
    return Window(
        deployment=deployment.deployment,
        monitor="calibration",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=rows,
        state="no-data" if found is None else "measured",
        drift=drift,
        calibrated=found,
        sentence=sentence,
    )


def _floats(column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values
