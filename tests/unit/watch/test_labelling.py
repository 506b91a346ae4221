"""Labels that stop coming for most answers are a quality incident of their own."""

from typing import Any

import msgspec
import pytest

from seatrial.releases.records import Alert
from seatrial.spec.deployment import MetricSpec
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.leaving import leaving
from seatrial.watch.monitor import watch
from seatrial.watch.telling import told_of
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
ACCURACY = MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)
ROWS = 200


def fill(world: Any, shares: list[float], first: int = 0) -> None:
    """Windows of ten seconds in which this part of the answers has its label, all of them right."""
    for number, share in enumerate(shares, first):
        for i, row in enumerate(world.fill(10 * number, 10 * number + 10, ROWS)):
            if i < share * ROWS:
                at = (row["at"] - T0) / SECOND + 1
                world.happen(at, value_text=row["prediction.label"], request_id=row["request_id"])


def windows(world: Any, spec: Any, since: int = 0, shelf: dict[str, bytes] | None = None) -> tuple[Window, ...]:
    return watch(spec, {"champion": world.profile}, world.source, since, LATER, shelf=shelf)


def alerts(found: tuple[Window, ...]) -> list[Alert]:
    return [msgspec.structs.replace(alert, id=i) for i, alert in enumerate(alerts_of(found, (), LATER), 1)]


def edges(found: list[Alert]) -> list[tuple[str, str, int]]:
    conditions = [(alert, condition_of(alert)) for alert in found]
    return [(alert.event, c.edge, (c.start - T0) // (10 * SECOND)) for alert, c in conditions if c is not None]


def test_labels_that_fall_by_99_per_cent_are_told_and_again_when_they_are_back(world: Any, watching: Any) -> None:
    fill(world, [1.0, 0.9, 1.0, 0.01, 0.01, 0.9])
    found = windows(world, watching(ACCURACY))
    assert [w.quality.severity for w in found] == ["none", "none", "none", "major", "major", "none"]
    told = alerts(found)
    assert edges(told) == [("quality", "begins", 3), ("quality", "ends", 5)]
    assert told[0].sentence.startswith("1.0% of the answers have their label in time, 96.7% are usual.")
    condition = condition_of(told[0])
    assert condition is not None
    assert (condition.condition, condition.features) == ("quality of labels/champion", ("labels",))
    text = told_of("mail", told[:1]).text
    assert "performance is measured on the few answers that have a label" in text
    assert "column" not in text


def test_a_fall_is_no_loss_and_no_recovery_of_performance(world: Any, watching: Any) -> None:
    fill(world, [1.0] * 3)
    for number in (3, 4):
        for i, row in enumerate(world.fill(10 * number, 10 * number + 10, 2000)):
            if number == 3 or i < 150:
                said = "zz" if number == 3 else row["prediction.label"]
                world.happen((row["at"] - T0) / SECOND + 1, value_text=said, request_id=row["request_id"])
    told = edges(alerts(windows(world, watching(ACCURACY))))
    assert told == [("performance.major", "begins", 3), ("quality", "begins", 4)]


def test_none_at_all_is_told_as_stalled_and_not_twice(world: Any, watching: Any) -> None:
    fill(world, [1.0, 1.0, 1.0, 0.0])
    assert edges(alerts(windows(world, watching(ACCURACY)))) == [("outcomes.stalled", "begins", 3)]


def test_the_windows_before_are_counted_again_where_nothing_is_kept(world: Any, watching: Any) -> None:
    fill(world, [1.0, 1.0, 1.0, 0.05])
    spec = watching(ACCURACY)
    (later,) = windows(world, spec, T0 + 30 * SECOND)
    shelf: dict[str, bytes] = {}
    windows(world, spec, 0, shelf)
    (with_shelf,) = windows(world, spec, T0 + 30 * SECOND, shelf)
    assert later == with_shelf
    assert later.quality.severity == "major"


def test_few_windows_before_and_metrics_without_labels_say_nothing(world: Any, watching: Any) -> None:
    fill(world, [1.0, 1.0, 0.01])
    assert [w.checked for w in windows(world, watching(ACCURACY))] == [()] * 3
    sales = watching(MetricSpec(kind="proportion", outcome="sale", within=5, grace=0))
    fill(world, [1.0, 1.0, 0.01], first=3)
    assert {w.checked for w in windows(world, sales)} == {()}


def test_it_leaves_with_the_monitor_of_performance(world: Any, watching: Any, deployment: Any) -> None:
    fill(world, [1.0, 1.0, 1.0, 0.01])
    told = alerts(windows(world, watching(ACCURACY)))
    assert leaving(watching(ACCURACY), {"champion": ""}, told, LATER) == ()
    (left,) = leaving(deployment(), {"champion": ""}, told, LATER)
    assert "no monitor of quality of labels" in left.sentence


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_a_smaller_fall_is_shown_only_as_it_is(world: Any, watching: Any, share: float) -> None:
    fill(world, [1.0, 1.0, 1.0, share])
    last = windows(world, watching(ACCURACY))[-1]
    assert (last.quality.severity, last.features, last.checked) == ("none", (), ("labels",))
