"""Ends conditions that nothing can end any more: what they are about is not there.

A condition is one monitor of one version in one variant. When another version stands in the variant, the variant has
none, or the monitor is taken out of the file, no window will say that it is over; it has *left*, which is no recovery.
"""

from collections.abc import Iterable, Mapping

import msgspec

from seatrial.releases.records import Alert
from seatrial.spec.deployment import Deployment
from seatrial.watch.alerts import Condition, event_alert, event_of, standing_conditions


def leaving(deployment: Deployment, versions: Mapping[str, str], told: Iterable[Alert], now: int) -> tuple[Alert, ...]:
    """An alert for each open condition whose version, variant or monitor is not there any more.

    Args:
        deployment: Which monitors it has, and which variant is the default.
        versions: ``name:version`` in each variant that has one.
        told: Alerts of the deployment so far, the oldest first.
        now: Microseconds since 1970 UTC.
    """
    return tuple(
        _left(deployment.deployment, condition, why, now)
        for condition in standing_conditions(told).values()
        if (why := _why(deployment, versions, condition))
    )


def _why(deployment: Deployment, versions: Mapping[str, str], condition: Condition) -> str:
    """Why nothing can end a condition any more; "" when something can."""
    kind, variant = condition.kind, condition.variant
    if kind == "breaker":
        return "" if variant == deployment.default else f"{variant} is not the default variant any more"
    if not _is_watched(deployment, kind):
        return f"the file asks for no monitor of {kind} any more"
    if variant not in versions:
        return f"{condition.version or variant} is not in {variant} any more"
    if condition.version and condition.version != versions[variant]:
        return f"{versions[variant]} has taken the place of {condition.version}"
    return ""


def _is_watched(deployment: Deployment, kind: str) -> bool:
    monitors = deployment.monitors
    performance = monitors.performance
    watched = {
        "data": monitors.data,
        "prediction": monitors.data,
        "quality": monitors.data,
        "quality of labels": performance,
        "performance": performance,
        "outcomes": performance,
        "calibration": performance if performance is not None and performance.calibration else None,
        "concept": monitors.concept,
        "fairness": monitors.fairness,
        "multivariate": monitors.multivariate,
        "shadow_gap": monitors.shadow_gap,
        "skew": monitors.skew,
    }
    return watched.get(kind, watched.get(kind.split()[0])) is not None


def _left(deployment: str, condition: Condition, why: str, now: int) -> Alert:
    details = msgspec.structs.replace(condition, edge="left", severity="none", unusual=None)
    return event_alert(
        deployment,
        event_of(condition.kind, condition.severity),
        f"{condition.condition}/left/{now}",
        f"Not watched any more: {condition.kind} of {condition.variant}, because {why}.",
        now,
        severity="info",
        details=msgspec.json.encode(details).decode(),
    )
