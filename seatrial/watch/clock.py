"""Which windows are complete: cut at whole multiples of their length, read once, when nothing more can come."""

import msgspec

from seatrial.spec.deployment import Deployment, MetricSpec, Windowed

WRITTEN = 0.5
"""Seconds after its answer at which a row is in the ledger for certain; it is flushed within a tenth of a second."""


LOOKED = 60.0
"""Seconds: how often rows are counted, where windows are by rows."""


class Watermark(msgspec.Struct, frozen=True):
    """Up to where each monitor has read: the end of its last window, microseconds since 1970 UTC."""

    data: int = 0
    performance: int = 0
    estimate: int = 0
    concept: int = 0
    fairness: int = 0
    calibration: int = 0
    multivariate: int = 0
    shadow_gap: int = 0
    skew: int = 0

    @classmethod
    def everywhere(cls, at: int) -> "Watermark":
        """The same for every monitor."""
        return cls(*([at] * len(cls.__struct_fields__)))

    def after(self, other: "Watermark") -> "Watermark":
        """The later mark of each monitor."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Watermark(*(max(pair) for pair in pairs))


def watermark(deployment: Deployment, now: int) -> Watermark:
    """Up to where monitors can read at ``now``; what lies before the last mark was read, and is not read again."""
    monitors, late = deployment.monitors, _micros(lateness(deployment))
    marks: dict[str, int] = {}
    if monitors.data is not None:
        marks["data"] = _ends(now - late, monitors.data)
    if (performance := monitors.performance) is not None:
        marks["performance"] = _ends(now - late - maturity(deployment.metrics[performance.metric]), performance)
        if performance.estimate:
            marks["estimate"] = _ends(now - late, performance)
        if performance.calibration:
            marks["calibration"] = marks["performance"]
    if (concept := monitors.concept) is not None:
        marks["concept"] = floor(now - late - _micros(concept.within + concept.grace), concept.window)
    if (fairness := monitors.fairness) is not None:
        marks["fairness"] = _ends(now - late - _micros(fairness.within + fairness.grace), fairness)
    if monitors.multivariate is not None:
        marks["multivariate"] = _ends(now - late, monitors.multivariate)
    if monitors.shadow_gap is not None:
        marks["shadow_gap"] = _ends(now - late, monitors.shadow_gap)
    if (skew := monitors.skew) is not None:
        marks["skew"] = _ends(now - late - _micros(skew.within + skew.grace), skew)
    return Watermark(**{name: max(mark, 0) for name, mark in marks.items()})


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


def _ends(at: int, monitor: Windowed) -> int:
    """The last moment at which windows end, until ``at``; windows by rows are looked for once a minute."""
    return floor(at, monitor.step if monitor.rows is None else LOOKED)


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
