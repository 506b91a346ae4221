"""Which windows are complete: cut at whole multiples of their length, read once, when nothing more can come."""

import msgspec

from seatrial.spec.deployment import Deployment, MetricSpec

WRITTEN = 0.5
"""Seconds after its answer at which a row is in the ledger for certain; it is flushed within a tenth of a second."""


class Watermark(msgspec.Struct, frozen=True):
    """Up to where each monitor has read: the end of its last window, microseconds since 1970 UTC."""

    data: int = 0
    performance: int = 0


def watermark(deployment: Deployment, now: int) -> Watermark:
    """Up to where monitors can read at ``now``; what lies before the last mark was read, and is not read again."""
    monitors, late = deployment.monitors, _micros(lateness(deployment))
    data = performance = 0
    if monitors.data is not None:
        data = floor(now - late, monitors.data.window)
    if monitors.performance is not None:
        metric = deployment.metrics[monitors.performance.metric]
        performance = floor(now - late - maturity(metric), monitors.performance.window)
    return Watermark(max(data, 0), max(performance, 0))


def lateness(deployment: Deployment) -> float:
    """Seconds from a decision until its row is there: an answer takes at most its timeout."""
    return max(variant.timeout for variant in deployment.variants.values()) + WRITTEN


def maturity(metric: MetricSpec) -> int:
    """Microseconds from an answer until its outcome counts as missing."""
    return _micros((metric.within or 0.0) + metric.grace)


def floor(at: int, window: float) -> int:
    """The last multiple of ``window`` seconds, as microseconds, that is not after ``at``."""
    length = _micros(window)
    return at // length * length


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
