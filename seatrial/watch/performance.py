"""The performance monitor: a metric on matured labels in one window, against what the version promised.

It alerts when the whole interval of "worse than the baseline by" lies beyond the margin (``moderate``), or beyond twice
the margin (``major``). The baseline is the version's own on its holdout; where there is none (no holdout, or a metric
of outcomes that a holdout does not have) it is the version's first matured window with enough labels.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from seatrial.drift import Profile, Severity
from seatrial.drift.label_share import Labelled
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment, Margin, MetricSpec, PerformanceMonitor
from seatrial.spec.errors import BadInput
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.interval import (
    Measured,
    difference,
    mean_by_unit,
    quantile_by_unit,
    ratio_by_unit,
    share_by_unit,
    share_interval,
)
from seatrial.watch.labelling import with_label_share
from seatrial.watch.labels import Matured, read_matured
from seatrial.watch.lists import LISTS, read_lists
from seatrial.watch.rated import RATED, measure_rated, read_rated
from seatrial.watch.reading import Span
from seatrial.watch.shelf import Shelf
from seatrial.watch.window import Performance, Signal, Window

MOST_ALPHA = 0.025
LEAST_UNITS = 10
"""An interval by unit means nothing with fewer."""

SHARES = frozenset({"accuracy", "proportion", "precision", "recall", "f1", "hit_rate", "precision_at", "recall_at"})
"""Kinds that are told as per cent."""
_IN_POINTS = SHARES | {"auc", "calibration_error", "ndcg", "mrr"}
"""Kinds between 0 and 1, whose margin is a difference unless the file says otherwise."""
SHARE_MARGIN = Margin(absolute=0.05)
VALUE_MARGIN = Margin(relative=0.1)


CLEARLY = 3.0
"""Standard errors away from 0 from which a part of a value is a margin."""

STALLED = Signal("moderate", "moderate", calm=False)


class Base(NamedTuple):
    """What a window is compared with, and where it came from."""

    measured: Measured
    source: str


class Look(NamedTuple):
    """What one window's labels say.

    Attributes:
        labels: What the minimum counts: labelled rows of a metric of answers, units of the others.
        units: Behind it.
        wanted: Rows or units that could have had a label.
        measured: None where that is too little to say.
    """

    labels: int
    units: int
    wanted: int
    measured: Measured | None


def look(deployment: Deployment, span: Span, source: Source, alpha: float) -> Look:
    """Read and measure one matured window of one variant; ``alpha``: one side of the interval."""
    monitor = _monitor(deployment)
    metric = deployment.metrics[monitor.metric]
    if metric.kind in RATED:
        rated = read_rated(source, span, metric)
        labels, units = len(rated.x), rated.units
        enough = labels >= monitor.minimum_labels and units >= LEAST_UNITS
        return Look(labels, units, rated.wanted, measure_rated(rated, metric.kind, alpha) if enough else None)
    if metric.kind in LISTS:
        matured = read_lists(source, span, metric)
    else:
        matured = read_matured(source, span, metric, label=is_label(deployment, metric))
    return Look(labels_of(matured, metric), len(matured.x), matured.wanted, measure(matured, metric, monitor, alpha))


def performance_window(
    deployment: Deployment, span: Span, source: Source, base: Base | None, variants: int, shelf: Shelf
) -> Window:
    """Judge one matured window of one variant; without ``base`` it is shown, and compared with nothing."""
    monitor = _monitor(deployment)
    metric = deployment.metrics[monitor.metric]
    label = is_label(deployment, metric)
    alpha = alpha_of(monitor, variants, span)
    seen = look(deployment, span, source, alpha)
    performance = _compare(monitor, metric, seen, seen.measured, base, alpha) if seen.measured else None
    drift = _signal(performance) if performance else Signal()
    window = Window(
        deployment=deployment.deployment,
        monitor="performance",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=seen.wanted,
        state="measured" if performance and performance.baseline is not None else "no-data",
        drift=drift,
        outcomes=STALLED if label and _is_stalled(seen, monitor) else Signal(),
        performance=performance,
        sentence=_sentence(span.variant, monitor, metric, seen, performance, drift, alpha=alpha, is_label=label),
    )
    if not label:
        return window

    def count(earlier: Span) -> Labelled:
        found = look(deployment, earlier, source, alpha)
        return Labelled(found.labels, found.wanted)

    now = Labelled(seen.labels, seen.wanted)
    return with_label_share(deployment, span, source, window, now, count, variants=variants, shelf=shelf)


def _is_stalled(seen: Look, monitor: PerformanceMonitor) -> bool:
    """Enough answers, and not one label in time: nobody is sending them."""
    return seen.wanted >= monitor.minimum_labels and seen.labels == 0


def holdout_base(profile: Profile, metric: MetricSpec, alpha: float) -> Base | None:
    """The baseline of the version's holdout, if it has one for this metric."""
    found = profile.performance.get(metric.kind)
    if found is None or found.n < 1 or metric.kind != "accuracy":
        return None
    return Base(share_interval(found.value, found.n, alpha), "holdout")


def measure(matured: Matured, metric: MetricSpec, monitor: PerformanceMonitor, alpha: float) -> Measured | None:
    """The metric with its interval; None below the minimum of labels or units."""
    if labels_of(matured, metric) < monitor.minimum_labels or len(matured.x) < LEAST_UNITS:
        return None
    if (metric.kind in ("accuracy", "ratio") or metric.kind in LISTS) and not matured.y.sum() > 0:
        return None
    match metric.kind:
        case "accuracy" | "hit_rate":
            return share_by_unit(matured.x, matured.y, alpha)
        case "proportion":
            return share_interval(float(matured.x.mean()), float(len(matured.x)), alpha)
        case "mean" | "value":
            values = matured.x if metric.cap is None else np.minimum(matured.x, metric.cap)
            return mean_by_unit(values, alpha)
        case "ratio" | "precision_at" | "recall_at" | "ndcg" | "mrr":
            return ratio_by_unit(matured.x, matured.y, alpha)
        case "quantile":
            assert metric.quantile is not None  # the file is refused without it
            return quantile_by_unit(matured.x, metric.quantile, alpha)
        case _:
            raise BadInput(f"a performance monitor of a {metric.kind} is not built yet; name another metric.")


def labels_of(matured: Matured, metric: MetricSpec) -> int:
    """What the minimum counts: labelled rows for accuracy, lists that can say something, units for the others."""
    return int(matured.y.sum()) if metric.kind == "accuracy" or metric.kind in LISTS else len(matured.x)


def alpha_of(monitor: PerformanceMonitor, variants: int, span: Span | None = None) -> float:
    """One side of the intervals of a window; None: of one of the length that the file says."""
    return per_window(monitor.step if span is None else lasting(monitor, span), variants, MOST_ALPHA)


def is_label(deployment: Deployment, metric: MetricSpec) -> bool:
    """Whether a unit without the outcome is missing rather than zero."""
    outcome = deployment.outcomes.get(metric.outcome or "")
    return metric.kind == "accuracy" or metric.kind in RATED or (outcome is not None and outcome.label)


def margin_of(monitor: PerformanceMonitor, metric: MetricSpec, baseline: float) -> float:
    """By how much a window may be worse, in the metric's unit."""
    margin = _margin_spec(monitor, metric)
    return margin.absolute if margin.absolute is not None else abs(baseline) * (margin.relative or 0.0)


def is_baseline(measured: Measured, monitor: PerformanceMonitor, metric: MetricSpec, alpha: float) -> bool:
    """Whether a window can be compared with: a part of a value that may be 0 is no margin.

    A relative margin takes a value that is more than three standard errors away from 0; ``alpha``: one side of its
    interval.
    """
    if _margin_spec(monitor, metric).absolute is not None:
        return True
    towards = measured.lower if measured.value > 0 else measured.upper
    error = abs(measured.value - towards) / float(ndtri(1 - alpha))
    return abs(measured.value) > CLEARLY * error


def _margin_spec(monitor: PerformanceMonitor, metric: MetricSpec) -> Margin:
    return monitor.worse_by or (SHARE_MARGIN if metric.kind in _IN_POINTS else VALUE_MARGIN)


def _monitor(deployment: Deployment) -> PerformanceMonitor:
    assert deployment.monitors.performance is not None
    return deployment.monitors.performance


def _compare(
    monitor: PerformanceMonitor,
    metric: MetricSpec,
    seen: Look,
    measured: Measured,
    base: Base | None,
    alpha: float,
) -> Performance:
    worse = None
    if base is not None:
        ahead, behind = (base.measured, measured) if metric.want == "higher" else (measured, base.measured)
        worse = difference(ahead, behind)
    return Performance(
        metric=monitor.metric,
        kind=metric.kind,
        want=metric.want,
        value=measured.value,
        lower=measured.lower,
        upper=measured.upper,
        baseline=base.measured.value if base else None,
        baseline_from=base.source if base else "",
        worse_by=worse.value if worse else None,
        worse_lower=worse.lower if worse else None,
        worse_upper=worse.upper if worse else None,
        margin=margin_of(monitor, metric, base.measured.value) if base else None,
        level=1 - 2 * alpha,
        labels=seen.labels,
        wanted=seen.wanted,
        units=seen.units,
    )


def _signal(performance: Performance) -> Signal:
    if performance.worse_by is None or performance.worse_lower is None or performance.margin is None:
        return Signal()
    severity: Severity = "none"
    if performance.worse_lower > 2 * performance.margin:
        severity = "major"
    elif performance.worse_lower > performance.margin:
        severity = "moderate"
    return Signal(severity, severity, calm=performance.worse_by <= performance.margin)


def _sentence(
    variant: str,
    monitor: PerformanceMonitor,
    metric: MetricSpec,
    seen: Look,
    performance: Performance | None,
    drift: Signal,
    *,
    alpha: float,
    is_label: bool,
) -> str:
    if performance is None:
        if metric.kind == "quantile" and seen.labels >= monitor.minimum_labels and seen.units >= LEAST_UNITS:
            return (
                f"No data on {monitor.metric} of {variant}: {seen.units} units are too few for the interval "
                f"of a quantile of {metric.quantile:.4g} at this level."
            )
        if is_label and _is_stalled(seen, monitor):
            return f"Not one of {seen.wanted} answers of {variant} has its {metric.outcome} in time."
        labels = f"{seen.labels} label{'s' * (seen.labels != 1)} of {seen.units} unit{'s' * (seen.units != 1)}"
        few = f"{labels}, and at least {monitor.minimum_labels} labels of {LEAST_UNITS} units are needed"
        if seen.labels >= monitor.minimum_labels and seen.units >= LEAST_UNITS:
            few = f"{seen.labels} labels, and none that it is measured by (labels of both kinds are needed)"
        return f"No data on {monitor.metric} of {variant}: {few}."
    said = f"{monitor.metric} of {variant} is {_shown(performance.value, metric)}"
    said += f" ({_shown(performance.lower, metric)} to {_shown(performance.upper, metric)})"
    if performance.baseline is None:
        if not is_baseline(Measured(performance.value, performance.lower, performance.upper), monitor, metric, alpha):
            return (
                f"{said}: not clearly away from 0, so that no part of it is a margin and nothing is compared with it; "
                "a later window will be the first, or write `worse_by: {absolute: ...}`."
            )
        return f"{said}; it is the first matured window, later ones are compared with it."
    said += f", {_shown(performance.baseline, metric)} on the {performance.baseline_from}"
    if drift.severity == "none":
        return f"{said}: not worse by more than {_margin(performance.margin or 0.0, metric)} for certain."
    times = "twice " if drift.severity == "major" else ""
    return f"{said}: worse by more than {times}{_margin(performance.margin or 0.0, metric)}."


def _margin(value: float, metric: MetricSpec) -> str:
    """A difference of shares is in points: "5 %" could be read as a share of the baseline."""
    return f"{100 * value:.3g} points" if metric.kind in SHARES else f"{value:.4g}"


def _shown(value: float, metric: MetricSpec) -> str:
    return f"{value:.1%}" if metric.kind in SHARES else f"{value:.4g}"
