"""What nothing can end any more has left: another version stands there, no version does, or nobody asks for it."""

from typing import Any

import msgspec
import pytest

from seatrial.releases.records import Alert
from seatrial.spec.deployment import DataMonitor, Monitors, PerformanceMonitor, VariantSpec
from seatrial.watch.alerts import Condition, alerts_of, condition_of, event_alert, open_conditions
from seatrial.watch.leaving import leaving
from seatrial.watch.window import Monitor, Signal, Window

DAY = 86_400_000_000
MAJOR = Signal("major", "major", calm=False)
PERFORMANCE = PerformanceMonitor(metric="accuracy")
BOTH = Monitors(data=DataMonitor(), performance=PERFORMANCE)


def window(
    version: str, day: int, drift: Signal, monitor: Monitor = "performance", variant: str = "challenger"
) -> Window:
    return Window(
        deployment="mail",
        monitor=monitor,
        variant=variant,
        version=version,
        start=day * DAY,
        end=(day + 1) * DAY,
        rows=500,
        drift=drift,
        sentence=f"{version} on day {day}",
    )


def fallen(version: str = "m:2", variant: str = "challenger") -> list[Alert]:
    return list(alerts_of([window(version, 0, MAJOR, variant=variant)], (), DAY))


def edges(alerts: Any) -> list[str]:
    return [f"{c.condition} {c.version} {c.edge}" for alert in alerts if (c := condition_of(alert)) is not None]


def test_the_next_version_in_a_slot_is_told_of_its_own_falls_and_never_of_the_end_of_another_s() -> None:
    told = fallen("m:2")
    assert alerts_of([window("m:3", 7, Signal())], told, 9 * DAY) == ()
    found = alerts_of([window("m:3", 7, MAJOR), window("m:3", 8, MAJOR)], told, 9 * DAY)
    assert edges(found) == ["performance/challenger m:3 begins"]


@pytest.mark.parametrize(
    ("monitors", "versions", "why"),
    [
        (BOTH, {"champion": "m:1", "challenger": "m:3"}, "m:3 has taken the place of m:2"),
        (BOTH, {"champion": "m:1"}, "m:2 is not in challenger any more"),
        (Monitors(), {"champion": "m:1", "challenger": "m:2"}, "no monitor of performance any more"),
    ],
)
def test_a_condition_leaves_with_its_version_its_variant_or_its_monitor(
    deployment: Any, monitors: Monitors, versions: dict[str, str], why: str
) -> None:
    told = fallen("m:2")
    (left,) = leaving(deployment(monitors=monitors), versions, told, 2 * DAY)
    assert edges([left]) == ["performance/challenger m:2 left"]
    assert (left.event, left.severity) == ("performance.major", "info")
    assert why in left.sentence
    assert open_conditions([*told, left]) == {}
    assert leaving(deployment(monitors=monitors), versions, [*told, left], 3 * DAY) == ()


def test_what_can_still_end_by_itself_stays(deployment: Any) -> None:
    told = [*fallen("m:2"), *fallen("", "champion")]
    versions = {"champion": "m:1", "challenger": "m:2"}
    assert leaving(deployment(monitors=BOTH), versions, told, 2 * DAY) == ()


def test_the_breaker_of_a_variant_that_is_not_the_default_any_more_has_left(deployment: Any) -> None:
    begun = Condition(
        condition="breaker/challenger", edge="begins", severity="major", variant="challenger", start=1, end=1
    )
    told = [event_alert("mail", "breaker", "b", "Alone.", 1, details=msgspec.json.encode(begun).decode())]
    versions = {"champion": "m:1", "challenger": "m:2"}
    (left,) = leaving(deployment(), versions, told, 2)
    assert left.event == "breaker"
    variants = {"champion": VariantSpec(model="models:/m/1"), "challenger": VariantSpec(model="models:/m/2")}
    assert leaving(deployment(variants=variants, default="challenger"), versions, told, 2) == ()
