"""Drift from the training data beside the same hours of earlier days: what is only the hour disturbs nobody."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.drift import FeatureProfile, decide_window, profile_of_window
from seatrial.drift.severity import SEVERITIES
from seatrial.spec.deployment import DataMonitor, Monitors
from seatrial.spec.signature import Feature
from seatrial.watch.monitor import watch
from seatrial.watch.panes import DAY
from seatrial.watch.usual import usual
from seatrial.watch.window import Usual, Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
HOUR = 3600
MIDNIGHT = (T0 // DAY + 1) * DAY
BEGIN = (MIDNIGHT - T0) / SECOND


def half_days(world: Any, first: int, ages: list[float], n: int = 120, **more: Any) -> None:
    """Half a day an age, the first of them ``first`` half days after midnight."""
    for half, age in enumerate(ages, first):
        start = BEGIN + half * 12 * HOUR
        draw = {"feature.age": lambda age=age: float(world.rng.normal(age, 10))}
        world.fill(start, start + 12 * HOUR, n, **{**draw, **more})


def windows(
    world: Any, deployment: Callable[..., Any], day: float, opened: frozenset[str] = frozenset(), **more: Any
) -> list[Window]:
    data = DataMonitor(**{"window": 12 * HOUR, "minimum_rows": 50, **more})
    since = MIDNIGHT + round(day * DAY)
    spec = deployment(monitors=Monitors(data=data, performance=None))
    found = watch(
        spec,
        {"champion": world.profile},
        world.source,
        since,
        since + DAY + 10 * SECOND,
        versions={"champion": "m:1"},
        opened=opened,
    )
    return [window for window in found if window.monitor == "data"]


def test_on_the_first_day_every_alarm_counts_and_says_that_there_is_nothing_to_ask(world: Any, deployment: Any) -> None:
    half_days(world, 0, [60, 40])
    night, day = windows(world, deployment, 0)
    assert night.usual == Usual(days=0, moved={"age": "major"})
    assert "There is no earlier day at these hours to compare with." in night.sentence
    assert day.usual is None


def test_on_the_second_day_a_night_like_the_first_is_drift_and_nothing_unusual(world: Any, deployment: Any) -> None:
    half_days(world, 0, [60, 40, 60, 40])
    night, _ = windows(world, deployment, 1)
    assert night.drift.alarm == "major"
    assert night.usual == Usual(days=1, moved={}, calm=True)
    assert night.sentence.endswith("It is as at the same hours of the 1 day before.")


@pytest.mark.parametrize(("age", "unusual"), [(80.0, "major"), (20.0, "major"), (63.5, "moderate")])
def test_what_moves_on_top_of_the_hour_is_unusual_by_as_much_as_it_moves(
    world: Any, deployment: Any, age: float, unusual: str
) -> None:
    half_days(world, 0, [60, 40] * 3, n=800)
    half_days(world, 6, [age], n=800)
    (night,) = windows(world, deployment, 3)
    assert night.drift.alarm == "major"
    assert night.usual is not None
    assert (night.usual.days, night.usual.moved, night.usual.calm) == (3, {"age": unusual}, False)
    assert "It is unlike the same hours of the 3 days before, too (age)." in night.sentence


def test_a_weekday_may_be_its_own(world: Any, deployment: Any) -> None:
    week = [40.0, 40.0] * 5 + [60.0, 40.0] * 2
    half_days(world, 0, week + week, n=150)
    first, second = windows(world, deployment, 5)[0], windows(world, deployment, 12)[0]
    assert first.usual is not None
    assert first.usual.moved == {"age": "major"}
    assert second.usual is not None
    assert (second.drift.alarm, second.usual.moved) == ("major", {})


def test_inputs_before_a_release_are_the_past_of_those_after_it(world: Any, deployment: Any) -> None:
    half_days(world, 0, [60, 40], version="m:0", assigned_version="m:0")
    half_days(world, 2, [60, 40])
    night, _ = windows(world, deployment, 1)
    assert night.usual == Usual(days=1, moved={}, calm=True)


def test_an_open_condition_is_compared_though_nothing_alarms(world: Any, deployment: Any) -> None:
    half_days(world, 0, [60, 60, 60, 40])
    _, day = windows(world, deployment, 1, frozenset({"data/champion"}))
    assert day.drift.calm
    assert day.usual == Usual(days=1, moved={}, calm=False)
    _, day = windows(world, deployment, 1)
    assert day.usual is None


@pytest.mark.parametrize("more", [{"against": "same hours"}, {"window": 2 * DAY / SECOND}])
def test_where_hours_are_no_question_none_is_asked(world: Any, deployment: Any, more: dict[str, Any]) -> None:
    half_days(world, 0, [60, 60, 60, 60, 60, 60])
    assert all(window.usual is None for window in windows(world, deployment, 2, **more))


def test_words_that_every_night_has_are_usual(world: Any, deployment: Any) -> None:
    notes = {
        "feature.note": lambda: " ".join(["x" * int(world.rng.poisson(20)), *["night"] * world.rng.integers(0, 4)])
    }
    for half in range(5):
        half_days(world, half, [40], **({} if half % 2 else notes))
    (first, _), (_, day), (third,) = (windows(world, deployment, number) for number in range(3))
    assert first.usual is not None
    assert first.usual.moved["note.unseen"] == "major"
    assert day.usual is None
    assert third.usual == Usual(days=2, moved={}, calm=True)


@settings(deadline=None, max_examples=30)
@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 2**16), st.integers(120, 500))
def test_the_past_only_takes_away(moved: float, before: float, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    trained = FeatureProfile.from_values(Feature(name="x", kind="number"), rng.normal(0, 1, 2000))
    window = profile_of_window(trained, rng.normal(moved, 1, n))
    past = profile_of_window(trained, rng.normal(before, 1, n))
    sure = decide_window([(trained, window)])
    found = usual(sure, [window], [[past]], days=1, minimum_rows=100)
    assert SEVERITIES.index(found.alarm) <= SEVERITIES.index(sure[0].severity)
    assert usual(sure, [window], [[window]], days=1, minimum_rows=100).moved == {}
    alone = usual(sure, [window], [[past]], days=1, minimum_rows=1000)
    assert (alone.days, alone.alarm, alone.calm) == (0, sure[0].severity, False)
    both = usual(sure, [window], [[past], [window]], days=1, minimum_rows=100)
    assert both.moved == {}
    assert both.calm
