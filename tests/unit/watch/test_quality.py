"""Data quality against written rules: named before drift, and silencing that column's drift."""

from collections.abc import Callable
from typing import Any

import pytest

from seatrial.releases.records import Alert
from seatrial.spec.deployment import ArrivalBounds, Constraint, DataMonitor, LogSpec, Monitors
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
WEEK = 7 * 86_400
LATER = T0 + 1000 * SECOND


def found(world: Any, deployment: Callable[..., Any], now: int = LATER, since: int = 0, **monitor: Any) -> list[Window]:
    log = monitor.pop("log", LogSpec())
    spec = deployment(log=log, monitors=Monitors(data=DataMonitor(**{"window": 10, **monitor}), performance=None))
    windows = watch(spec, {"champion": world.profile}, world.source, since, now)
    return [window for window in windows if window.monitor == "data"]


def broken(window: Window) -> dict[str, str]:
    return {drift.feature: drift.quality for drift in window.features if drift.quality != "none"}


@pytest.mark.parametrize(
    ("constraint", "column", "value"),
    [
        ({"age": Constraint(most=150)}, "feature.age", 200.0),
        ({"age": Constraint(least=-50)}, "feature.age", -80.0),
        ({"age": Constraint(missing=0.0)}, "feature.age", None),
        ({"plan": Constraint(values=("free", "paid"))}, "feature.plan", "gold"),
        ({"code": Constraint(missing=0.0)}, "feature.code", None),
    ],
)
def test_rows_that_break_a_rule_are_a_quality_incident(
    world: Any, deployment: Callable[..., Any], constraint: dict[str, Constraint], column: str, value: Any
) -> None:
    rows = world.fill(0, 10, 300)
    (at_rest,) = found(world, deployment, constraints=constraint)
    assert broken(at_rest) == {}
    for row in rows[:5]:
        row[column] = value
    (window,) = found(world, deployment, constraints=constraint)
    assert broken(window) == {column.removeprefix("feature."): "moderate"}
    assert window.quality.alarm == "moderate"


def test_in_windows_too_small_for_drift_a_broken_rule_is_told_and_ends_and_is_told_again(
    world: Any, deployment: Callable[..., Any]
) -> None:
    for start, ages in ((0, 999.0), (10, 40.0), (20, 40.0), (30, 999.0)):
        world.fill(start, start + 10, 50, **{"feature.age": ages})
    rules = {"age": Constraint(least=0, most=120)}
    told: list[Alert] = []
    for k in range(4):
        now = T0 + (k * 10 + 15) * SECOND
        (window,) = found(world, deployment, constraints=rules, since=T0 + k * 10 * SECOND, now=now)
        told += alerts_of([window], told, T0)
    edges = [condition.edge for alert in told if (condition := condition_of(alert)) is not None]
    assert edges == ["begins", "ends", "begins"]


def test_a_window_too_small_to_see_whether_values_are_missing_does_not_say_that_they_are_there(
    world: Any, deployment: Callable[..., Any]
) -> None:
    world.fill(0, 10, 300, **{"feature.plan": None})
    world.fill(10, 20, 50)
    rules = {"age": Constraint(least=-500, most=500)}
    first, second = found(world, deployment, constraints=rules)
    assert (second.state, second.checked) == ("no-data", ("age",))
    told = alerts_of([first], (), T0)
    assert [alert.event for alert in told] == ["quality"]
    assert alerts_of([second], told, T0) == ()


def test_too_few_rows_that_arrive_are_told_and_over_when_enough_do(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 10, 5)
    world.fill(10, 20, 50)
    windows = found(world, deployment, arrival=ArrivalBounds(at_least=20))
    edges = [condition.edge for alert in alerts_of(windows, (), T0) if (condition := condition_of(alert)) is not None]
    assert edges[:2] == ["begins", "ends"]


def test_what_may_break_a_rule_is_no_incident(world: Any, deployment: Callable[..., Any]) -> None:
    for row in world.fill(0, 10, 300)[:3]:
        row["feature.age"] = 120.0
    assert broken(found(world, deployment, constraints={"age": Constraint(most=110, allow=0.02)})[0]) == {}
    assert broken(found(world, deployment, constraints={"age": Constraint(most=110)})[0]) == {"age": "moderate"}


def test_it_is_named_before_drift_and_silences_it(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 10, 400, **{"feature.age": lambda: float(world.rng.normal(60, 10)), "feature.plan": "free"})
    (drifted,) = found(world, deployment)
    assert {d.feature for d in drifted.features if d.severity != "none"} >= {"age"}
    (window,) = found(world, deployment, constraints={"age": Constraint(most=50)})
    assert broken(window)["age"] == "major"
    assert {d.feature: d.severity for d in window.features}["age"] == "none"
    assert window.sentence.startswith("Quality of champion's features: ")
    events = [alert.event for alert in alerts_of([window], [], LATER)]
    assert events[0] == "quality"


def test_values_of_another_type_are_told(world: Any, deployment: Callable[..., Any]) -> None:
    for i, row in enumerate(world.fill(0, 10, 300)):
        row["feature.age#string"] = "forty" if i < 30 else None
        row["feature.age"] = None if i < 30 else row["feature.age"]
    (window,) = found(world, deployment)
    age = next(drift for drift in window.features if drift.feature == "age")
    assert age.quality == "major"
    assert "10.00% of the values are of another type than number" in age.sentence


def test_a_redacted_column_is_held_to_its_missing_values_only(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 10, 300, **{"feature.plan": "9f86d081"})
    rules = {"plan": Constraint(values=("free", "paid"), missing=0.0)}
    assert broken(found(world, deployment, log=LogSpec(redact=("plan",)), constraints=rules)[0]) == {}


def test_rows_that_repeat_others_are_told_where_asked(world: Any, deployment: Callable[..., Any]) -> None:
    rows = world.fill(0, 10, 300)
    same = {name: value for name, value in rows[0].items() if name.startswith("feature.")}
    for row in rows[200:]:
        row |= same
    assert broken(found(world, deployment)[0]).get("duplicated rows") is None
    (window,) = found(world, deployment, duplicated=0.05)
    assert broken(window)["duplicated rows"] == "major"
    assert "33.33% of the rows repeat another row of the window" in window.sentence
    assert "duplicated rows" not in broken(found(world, deployment, duplicated=0.4)[0])


def test_too_few_rows_and_none_at_all_are_told_where_asked(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 10, 300)
    world.fill(10, 20, 50)
    world.fill(30, 40, 300)
    windows = found(world, deployment, now=T0 + 45 * SECOND, arrival=ArrivalBounds(at_least=200))
    assert [(w.start - T0) // SECOND for w in windows] == [0, 10, 20, 30]
    assert [broken(w) for w in windows] == [{}, {"arrival of rows": "moderate"}, {"arrival of rows": "major"}, {}]
    assert "0 rows arrived, at least 200 must" in windows[2].sentence
    assert windows[2].quality.alarm == "major"


def test_what_is_usual_is_learnt_from_the_same_windows_of_earlier_weeks(
    world: Any, deployment: Callable[..., Any]
) -> None:
    for week in range(3):
        world.fill(week * WEEK, week * WEEK + 10, 200)
        world.fill(week * WEEK + 10, week * WEEK + 20, 2000 // (week + 19))
    world.fill(3 * WEEK, 3 * WEEK + 10, 40)
    world.fill(3 * WEEK + 10, 3 * WEEK + 20, 95)
    since = T0 + 3 * WEEK * SECOND
    windows = found(world, deployment, since=since, now=since + 25 * SECOND, arrival="usual", minimum_rows=10)
    assert [broken(window).get("arrival of rows") for window in windows] == ["moderate", None]


@pytest.mark.parametrize("each", [1, 20])
def test_rows_of_one_visitor_are_one_arrival(world: Any, deployment: Callable[..., Any], each: int) -> None:
    """A third of the usual rows: certain where each is a visitor, and chance where three came instead of nine."""
    for week in range(4):
        begin = week * WEEK
        for place in range(-3, 4):
            rows = world.fill(
                begin + 100 + 10 * place, begin + 110 + 10 * place, 60 if (week, place) == (3, 0) else 180
            )
            for number, row in enumerate(rows):
                row["unit"] = f"u{place}-{number // each}"
    since = T0 + (3 * WEEK + 100) * SECOND
    windows = found(world, deployment, since=since, now=since + 15 * SECOND, arrival="usual", minimum_rows=10)
    assert broken(windows[0]).get("arrival of rows") == ("moderate" if each == 1 else None)
