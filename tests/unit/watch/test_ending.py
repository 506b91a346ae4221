"""A condition ends when windows that could have seen it see nothing, and is not kept open for what nobody can tell."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from seatrial.drift import FeatureDrift, Finding
from seatrial.drift.rules import Count
from seatrial.releases.records import Alert
from seatrial.spec.deployment import ArrivalBounds, Constraint, DataMonitor, Monitors
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.ending import Nothing
from seatrial.watch.monitor import watch
from seatrial.watch.quality import ARRIVAL
from seatrial.watch.telling import told_recovery
from seatrial.watch.window import Signal, Window
from tests.unit.watch.conftest import SECOND, T0

DAY = 86_400_000_000
MAJOR = Signal("major", "major", False)


def edges(told: Sequence[Alert]) -> list[tuple[str, int]]:
    return [(c.edge, (c.start - T0) // SECOND) for alert in told if (c := condition_of(alert)) is not None]


def read(world: Any, deployment: Callable[..., Any], **more: Any) -> list[Window]:
    spec = deployment(monitors=Monitors(data=DataMonitor(window=10, **more), performance=None))
    return [w for w in watch(spec, {"champion": world.profile}, world.source, 0, T0 + 10_000 * SECOND) if w.rows]


def of_data(windows: Sequence[Window]) -> list[Window]:
    return [window for window in windows if window.monitor == "data"]


def test_a_night_with_few_rows_does_not_end_drift_that_stays(world: Any, deployment: Callable[..., Any]) -> None:
    older = {"feature.age": lambda: float(world.rng.normal(44, 10))}
    for k in range(12):
        world.fill(10 * k, 10 * k + 10, 100 if k % 2 else 1500, **older)
    windows = of_data(read(world, deployment))
    at_rest = [w for w in windows if w.drift.calm]
    assert len(at_rest) >= 3, "nights in which nothing is significant"
    assert edges(alerts_of(windows, (), 7)) == [("begins", 20)]


def test_drift_that_went_is_over_with_the_first_window_that_could_have_seen_it(
    world: Any, deployment: Callable[..., Any]
) -> None:
    world.fill(0, 20, 3000, **{"feature.age": lambda: float(world.rng.normal(47, 10))})
    world.fill(20, 30, 3000)
    assert edges(alerts_of(of_data(read(world, deployment)), (), 7)) == [("begins", 10), ("ends", 20)]


def test_where_rows_are_few_all_the_time_windows_add_up(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 30, 360, **{"feature.age": lambda: float(world.rng.normal(55, 10))})
    world.fill(30, 330, 3600)
    windows = of_data(read(world, deployment))
    (_, begun), (edge, at) = edges(alerts_of(windows, (), 7))
    assert (begun, edge) == (10, "ends")
    assert 40 <= at <= 230, "not with the first window of 120 rows, and not never"
    later = [w for w in windows if w.start > T0 + 20 * SECOND]
    told = alerts_of([w for w in windows if w not in later], (), 7)

    class Kept(Nothing):
        def windows(self, window: Window) -> Sequence[Window]:
            return [w for w in windows if w.start < window.start]

    one_by_one = [alert for w in later for alert in alerts_of([w], told, 7, earlier=Kept())]
    assert edges(one_by_one)[0] == ("ends", at), "what was read before counts as what is read now"


def test_more_missing_values_than_may_are_over_when_fewer_are_shown(world: Any, deployment: Callable[..., Any]) -> None:
    def age(share: float) -> Callable[[], float | None]:
        return lambda: None if world.rng.random() < share else float(world.rng.normal(40, 10))

    world.fill(0, 10, 1000, **{"feature.age": age(0.3)})
    world.fill(10, 20, 100, **{"feature.age": age(0.1)})
    world.fill(20, 40, 4000, **{"feature.age": age(0.02)})
    rules = {"age": Constraint(missing=0.05)}
    windows = of_data(read(world, deployment, constraints=rules, minimum_rows=10_000))
    found = edges(alerts_of(windows, (), 7))
    assert found == [("begins", 0), ("ends", 20)], "10 % of 100 rows is not shown to be more than 5 %, and is"


def test_what_broke_while_another_column_is_broken_is_told(world: Any, deployment: Callable[..., Any]) -> None:
    gone = {"feature.age": None}
    world.fill(0, 20, 600, **gone)
    world.fill(20, 40, 600, **gone, **{"feature.plan": None})
    first, second = alerts_of(of_data(read(world, deployment)), (), 7)
    assert edges([first, second]) == [("begins", 0), ("worsens", 20)]
    assert second.event == "quality"
    assert second.sentence.startswith("Broken as well: plan. Quality of champion's features: ")


def test_rows_that_stop_to_arrive_while_a_column_is_broken_are_told(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 20, 600, **{"feature.age": None})
    world.fill(20, 30, 3, **{"feature.age": None})
    world.fill(30, 40, 600, **{"feature.age": None})
    found = alerts_of(of_data(read(world, deployment, arrival=ArrivalBounds(at_least=200))), (), 7)
    assert edges(found) == [("begins", 0), ("worsens", 20)], "rows arrive again, and the column is broken still"
    assert found[1].sentence.startswith(f"Broken as well: {ARRIVAL}. ")


def broken(number: int, *columns: str, length: int = 3600 * SECOND) -> Window:
    features = tuple(
        FeatureDrift(
            feature=name,
            state="measured",
            rows=5000,
            quality="major" if name in columns else "none",
            findings=(Finding("missing", float(name in columns), float(name in columns), float(name in columns), 0.0,
                              name in columns, "major" if name in columns else "none"),),
        )
        for name in ("age", "plan")
    )  # fmt: skip
    return Window(
        deployment="mail",
        monitor="data",
        variant="champion",
        start=T0 + number * length,
        end=T0 + (number + 1) * length,
        rows=5000,
        quality=MAJOR if columns else Signal(),
        broken=columns,
        features=features,
    )


def test_a_column_that_was_whole_for_a_day_and_breaks_again_is_told_again() -> None:
    hours = [("age", "plan"), *[("age",)] * 5, ("age", "plan"), *[("age",)] * 25, ("age", "plan"), ("age", "plan"), ()]
    found = alerts_of([broken(n, *columns) for n, columns in enumerate(hours)], (), 7)
    assert [(edge, at // 3600) for edge, at in edges(found)] == [("begins", 0), ("worsens", 32), ("ends", 34)]


class Silent(Nothing):
    def is_silent(self, window: Window) -> bool:
        return window.start >= T0 + 7 * DAY


@pytest.mark.parametrize("state", ["measured", "no-data"])
def test_what_nobody_could_tell_for_a_week_is_not_told_any_longer(state: Any) -> None:
    (begun,) = alerts_of([broken(0, "age")], (), 7)
    features = (FeatureDrift(feature="plan", state="measured", rows=9),)
    after = [
        Window(
            deployment="mail", monitor="data", variant="champion", start=T0 + n * DAY, end=T0 + (n + 1) * DAY,
            rows=9, state=state, features=features,
        )
        for n in range(1, 9)
    ]  # fmt: skip
    (left,) = alerts_of(after, [begun], 7, earlier=Silent())
    assert edges([left]) == [("lapses", 7 * 86400)]
    told = told_recovery("mail", [left])
    assert told.title == "mail: cannot be told any more: quality"
    assert told.text.endswith("Look for yourself: seatrial drift mail")
    assert (left.event, left.severity) == ("quality", "info")
    assert "cannot be told any more" in left.sentence
    assert alerts_of([broken(200, "age")], [begun], 7, earlier=Silent()) == ()


def test_a_condition_of_before_ends_by_all_that_was_measured_of_its_columns() -> None:
    (begun,) = alerts_of([broken(0, "age")], (), 7)
    old = begun.details.replace(',"shown_by":{"age":["missing"]}', "")
    assert old != begun.details
    before = [Alert(**{**{name: getattr(begun, name) for name in begun.__struct_fields__}, "details": old})]
    assert edges(alerts_of([broken(1)], before, 7)) == [("ends", 3600)]
    drifting = broken(1)
    moved = Finding("mean", 0.8, 0.7, 0.9, 0.0, True, "major")
    columns = tuple(msgspec.structs.replace(d, findings=(*d.findings, moved)) for d in drifting.features)
    drifting = msgspec.structs.replace(drifting, features=columns, drift=MAJOR)
    assert [c for c in edges(alerts_of([drifting], before, 7)) if c[0] == "ends"], "whole, though it drifts"
    unsure = FeatureDrift(feature="age", state="measured", rows=50, findings=(Finding("missing", 0.0, -0.1, 0.1, 1.0),))
    window = Window(
        deployment="mail", monitor="data", variant="champion", start=T0 + DAY, end=T0 + DAY + 1, rows=50,
        features=(unsure,), counts=(Count("plan", "missing", 0, 50, 0.01),),
    )  # fmt: skip
    assert alerts_of([window], before, 7) == ()


def test_of_windows_that_slide_no_row_counts_twice() -> None:
    def seen(number: int, *, every: int) -> Window:
        column = FeatureDrift(
            feature="age", state="measured", rows=200, findings=(Finding("missing", 0.0, -0.03, 0.03, 1.0),)
        )
        start = T0 + (number + 1) * 3600 * SECOND
        return Window(
            deployment="mail", monitor="data", variant="champion", start=start, every=every, rows=200,
            end=start + (3600 if not every else 6 * 3600) * SECOND, features=(column,),
        )  # fmt: skip

    told = alerts_of([broken(0, "age")], (), 7)
    hours = [seen(n, every=0) for n in range(6)]
    assert [edge for edge, _ in edges(alerts_of(hours, told, 7))] == ["ends"], "six times 200 rows"
    sliding = [seen(n, every=3600 * SECOND) for n in range(6)]
    assert alerts_of(sliding, told, 7) == (), "six hours, in each of which the same 200 rows are"
