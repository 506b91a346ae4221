"""What windows are compared with: the training data, the variant's own past, or its first live day."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from seatrial.drift import FeatureProfile
from seatrial.spec.deployment import DataMonitor, Monitors
from seatrial.spec.signature import Feature
from seatrial.watch import reading
from seatrial.watch.monitor import watch
from seatrial.watch.panes import DAY, Panes
from seatrial.watch.reading import Span
from seatrial.watch.signals import alarming
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
HOUR = 3600
MIDNIGHT = (T0 // DAY + 1) * DAY
"""The first midnight after the world's beginning."""

BEGIN = (MIDNIGHT - T0) / SECOND


def spec(deployment: Callable[..., Any], against: str, window: float = 12 * HOUR) -> Any:
    data = DataMonitor(window=window, against=against, minimum_rows=50)  # type: ignore[arg-type]
    return deployment(monitors=Monitors(data=data, performance=None))


def windows(
    world: Any,
    deployment: Any,
    day: float,
    shelf: dict[str, bytes],
    days: float = 1,
    opened: frozenset[str] = frozenset(),
) -> list[Window]:
    """The data windows of whole days since the first midnight."""
    since = MIDNIGHT + round(day * DAY)
    now = since + round(days * DAY) + 10 * SECOND
    found = watch(deployment, {"champion": world.profile}, world.source, since, now, shelf=shelf, opened=opened)
    return [window for window in found if window.monitor == "data"]


def days_and_nights(world: Any, days: int, n: int = 120, night: float = 60.0) -> None:
    """Ages of 40 by day and of 60 by night."""
    for half in range(2 * days):
        age = 40.0 if half % 2 else night
        start = BEGIN + half * 12 * HOUR
        world.fill(start, start + 12 * HOUR, n, **{"feature.age": lambda age=age: float(world.rng.normal(age, 10))})


def test_nights_drift_from_the_training_data_and_not_from_other_nights(world: Any, deployment: Any) -> None:
    days_and_nights(world, 5)
    shelf: dict[str, bytes] = {}
    against_training = windows(world, spec(deployment, "training"), 4, shelf)
    assert [window.severity for window in against_training] == ["major", "none"]
    against_hours = windows(world, spec(deployment, "same hours"), 4, shelf)
    assert [window.severity for window in against_hours] == ["none", "none"]


def test_a_night_that_is_unlike_other_nights_is_drift(world: Any, deployment: Any) -> None:
    days_and_nights(world, 4)
    start = BEGIN + 4 * 24 * HOUR
    world.fill(start, start + 12 * HOUR, 120, **{"feature.age": lambda: float(world.rng.normal(40, 10))})
    (night,) = windows(world, spec(deployment, "same hours"), 4, {}, days=0.5)
    assert night.severity == "major"
    assert [drift.feature for drift in night.features if drift.severity != "none"] == ["age"]


def test_the_same_weekday_is_that_of_the_weeks_before(world: Any, deployment: Any) -> None:
    for week in range(3):
        start = BEGIN + week * 7 * 24 * HOUR
        world.fill(start, start + 12 * HOUR, 200, **{"feature.age": lambda: float(world.rng.normal(60, 10))})
        world.fill(start + 24 * HOUR, start + 36 * HOUR, 100)
    first, *_ = windows(world, spec(deployment, "same weekday"), 14, {})
    assert first.severity == "none"
    assert windows(world, spec(deployment, "training"), 14, {})[0].severity == "major"


def test_a_past_that_is_too_short_says_so(world: Any, deployment: Any) -> None:
    days_and_nights(world, 1)
    first, *_ = windows(world, spec(deployment, "same hours"), 0, {})
    assert (first.state, first.severity) == ("no-data", "no-data")
    assert "same hours: 0 rows, and 50 are needed" in first.sentence


@pytest.mark.parametrize("against", ["last 4 weeks", "same hours"])
def test_panes_on_the_shelf_are_what_the_ledger_says(world: Any, deployment: Any, against: str) -> None:
    days_and_nights(world, 4)
    kept: dict[str, bytes] = {}
    one_by_one: list[Window] = []
    for day in range(4):
        opened = alarming(one_by_one)
        one_by_one += windows(world, spec(deployment, against), day, kept, opened=opened)
    at_once = windows(world, spec(deployment, against), 0, {}, days=4)
    assert one_by_one == at_once
    assert alarming(at_once) if against == "last 4 weeks" else not alarming(at_once)


def test_a_window_is_read_once(world: Any, deployment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    days_and_nights(world, 4)
    read: list[tuple[int, int]] = []
    plain = reading.read

    def counting(source: Any, span: Span, *rest: Any) -> Any:
        read.append((span.start, span.end))
        return plain(source, span, *rest)

    monkeypatch.setattr(reading, "read", counting)
    shelf: dict[str, bytes] = {}
    for day in range(4):
        windows(world, spec(deployment, "last 4 weeks"), day, shelf)
    features = [where for where in read if where in set(read)]
    assert max(features.count(where) for where in set(features)) <= 2  # features, and predictions
    assert len(set(features)) == 8


def test_the_past_is_the_sum_of_its_windows(world: Any) -> None:
    days_and_nights(world, 4)
    age = next(feature for feature in world.profile.features if feature.name == "age")
    sql = reading.expression("number", ("feature.age",))
    start, end = MIDNIGHT + 3 * DAY + DAY // 2, MIDNIGHT + 4 * DAY
    panes = Panes(world.source, Span("champion", "", start, end), reading.FEATURE_ROWS, {sql: age}, {}, "mail")
    past = panes.before("last 4 weeks")[sql]
    span = Span("champion", "", MIDNIGHT, start)
    oracle = reading.read(world.source, span, reading.FEATURE_ROWS, {sql: age}, 1000)[sql]
    assert (past.rows, past.counts, past.missing) == (oracle.rows, oracle.counts, oracle.missing)
    assert past.moments.mean == pytest.approx(oracle.moments.mean)
    assert past.moments.sd == pytest.approx(oracle.moments.sd)


def predictions(world: Any, deployment: Any, shelf: dict[str, bytes], day: float) -> list[Window]:
    since = MIDNIGHT + round(day * DAY)
    found = watch(
        spec(deployment, "training"),
        {"champion": world.profile},
        world.source,
        since,
        since + DAY + 10 * SECOND,
        shelf=shelf,
    )
    return [window for window in found if window.monitor == "prediction"]


def test_without_a_holdout_predictions_are_compared_with_the_first_live_day(world: Any, deployment: Any) -> None:
    world.profile = msgspec.structs.replace(world.profile, prediction=(), holdout_rows=0)
    world.fill(BEGIN, BEGIN + 48 * HOUR, 800)
    world.fill(BEGIN + 48 * HOUR, BEGIN + 72 * HOUR, 400, **{"prediction.score": lambda: 0.5 + world.rng.random() / 2})
    shelf: dict[str, bytes] = {}
    first = predictions(world, deployment, shelf, 0)
    assert [window.severity for window in first] == ["no-data", "no-data"]
    assert "registered without a holdout, and its first live day is not over" in first[0].sentence
    assert {window.severity for window in predictions(world, deployment, shelf, 1)} == {"none"}
    later = predictions(world, deployment, shelf, 2)
    assert {window.severity for window in later} == {"major"}
    assert [d.feature for d in later[0].features if d.severity != "none"] == ["score"]
    assert later == predictions(world, deployment, {}, 2)


def test_profiles_of_other_cells_do_not_share_a_shelf(world: Any) -> None:
    days_and_nights(world, 2)
    age = next(feature for feature in world.profile.features if feature.name == "age")
    other = FeatureProfile.from_values(Feature(name="age", kind="number"), [1.0, 2.0, 3.0])
    sql = reading.expression("number", ("feature.age",))
    shelf: dict[str, bytes] = {}
    span = Span("champion", "", MIDNIGHT + DAY, MIDNIGHT + DAY + DAY // 2)
    for reference in (age, other):
        panes = Panes(world.source, span, reading.FEATURE_ROWS, {sql: reference}, shelf, "mail")
        found = panes.before("last 4 weeks")[sql]
        assert found.bins == reference.bins
        assert found.rows == 240


def test_new_categories_beside_the_past_are_counted_whatever_the_training_saw_once(world: Any, deployment: Any) -> None:
    features = tuple(
        msgspec.structs.replace(feature, barely_listed=2000) if feature.name == "plan" else feature
        for feature in world.profile.features
    )
    world.profile = msgspec.structs.replace(world.profile, features=features)
    days_and_nights(world, 4, n=300, night=40.0)
    numbered = iter(range(10_000))
    start = BEGIN + 4 * 24 * HOUR
    world.fill(start, start + 24 * HOUR, 600, **{"feature.plan": lambda: "new" if next(numbered) % 10 == 0 else "free"})
    found = windows(world, spec(deployment, "last 4 weeks"), 4, {})
    for window in found:
        (plan,) = [column for column in window.features if column.feature == "plan"]
        assert plan.quality != "none"


@pytest.mark.parametrize(("length", "against"), [(2, "same hours"), (7, "same hours"), (14, "same weekday")])
def test_a_window_is_no_part_of_its_own_past(world: Any, length: int, against: Any) -> None:
    """Of a window that is longer than the step only what ended before it began is left."""
    world.fill(0, 10, 10)
    start = T0 + 40 * DAY
    panes = Panes(world.source, Span("champion", "", start, start + length * DAY), "true", {}, {}, "churn")
    step = 7 if against == "same weekday" else 1
    wanted = [start - k * step * DAY for k in range(1, 28 // step + 1) if k * step >= length]
    assert panes._parts(against) == [(at, at + length * DAY) for at in wanted]
