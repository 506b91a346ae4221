"""Calibration drift: are scores still worth what they were on the holdout?

The labelled answers of a window, against the chances that the holdout's calibration gives to their scores. What is
judged is the mean of "happened less expected", by unit, with what a holdout of its size could not know; the expected
calibration error is shown beside.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from seatrial.drift import Profile, Severity
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment, PerformanceMonitor
from seatrial.stats.quality.calibration import calibration_error
from seatrial.watch import reading
from seatrial.watch.budget import per_window
from seatrial.watch.interval import Measured, difference, ratio_by_unit
from seatrial.watch.labels import read_labelled
from seatrial.watch.performance import LEAST_UNITS, MOST_ALPHA
from seatrial.watch.reading import Span
from seatrial.watch.window import Calibrated, Signal, Window

MODERATE, MAJOR = 0.05, 0.1
"""How far what happens lies from what scores say, for certain, before it is told."""


def calibration_window(deployment: Deployment, span: Span, source: Source, profile: Profile, variants: int) -> Window:
    """Judge one matured window of one variant."""
    monitor = deployment.monitors.performance
    assert monitor is not None
    found = _measure(deployment, monitor, span, source, profile, variants)
    if isinstance(found, str):
        return _window(deployment, span, 0, f"No data on the calibration of {span.variant}: {found}.")
    severity = severity_of(found)
    calm = abs(found.off) < MODERATE
    return _window(
        deployment, span, found.labels, _sentence(span.variant, found), found, Signal(severity, severity, calm)
    )


def severity_of(found: Calibrated) -> Severity:
    """By the end of the interval that is nearer to nothing."""
    surely = max(found.lower, -found.upper, 0.0)
    return "major" if surely > MAJOR else "moderate" if surely > MODERATE else "none"


def _measure(
    deployment: Deployment, monitor: PerformanceMonitor, span: Span, source: Source, profile: Profile, variants: int
) -> Calibrated | str:
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
    table = read_labelled(source, span, metric, answer, {"score": score}, positive=positive)
    scores, happened = _floats(table["score"]), _floats(table["positive" if two else "correct"])
    known = np.isfinite(scores) & np.isfinite(happened)
    labels, units = int(known.sum()), np.array(table["unit"].to_pylist(), dtype=object)[known]
    _, place = np.unique(units.astype(str), return_inverse=True) if labels else (None, np.empty(0, np.intp))
    if labels < monitor.minimum_labels or place.max(initial=-1) + 1 < LEAST_UNITS:
        return f"{labels} labels with a score, and at least {monitor.minimum_labels} of {LEAST_UNITS} units are needed"
    clipped = np.clip(scores[known], 0.0, 1.0)
    expected = lesson.calibrator.apply(clipped)
    rows = np.bincount(place).astype(np.float64)
    gaps = np.bincount(place, weights=happened[known] - expected).astype(np.float64)
    alpha = per_window(monitor.window, variants, MOST_ALPHA)
    learnt = -float(ndtri(alpha)) * lesson.calibrator.variance(clipped, np.full(labels, 1 / labels)) ** 0.5
    off = difference(ratio_by_unit(gaps, rows, alpha), Measured(0.0, -learnt, learnt))
    error = calibration_error(happened[known], expected, place, seed=span.start % 2**32, draws=999)
    return Calibrated(
        expected=float(expected.mean()),
        happened=float(happened[known].mean()),
        off=off.value,
        lower=off.lower,
        upper=off.upper,
        error=error.value,
        labels=labels,
    )


def _sentence(variant: str, found: Calibrated) -> str:
    interval = f"{100 * found.off:+.1f} points, {100 * found.lower:+.1f} to {100 * found.upper:+.1f}"
    said = (
        f"The scores of {variant} say {found.expected:.1%}, and {found.happened:.1%} came in {found.labels} labelled "
        f"answers ({interval}; expected calibration error {100 * found.error:.1f} points)"
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
