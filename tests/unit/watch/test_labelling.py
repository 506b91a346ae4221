"""Labels that stop coming for most answers are a quality incident of their own."""

import json
from typing import Any

import msgspec
import pytest

from seatrial.releases.records import Alert
from seatrial.spec.deployment import MetricSpec
from seatrial.watch import labelling
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.clock import watermark
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


CUTS: dict[str, dict[str, Any]] = {
    "one after another": {"window": 20},
    "sliding": {"window": 20, "every": 10},
    "by rows": {"window": 86400, "rows": 400},
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "switched on as the fall begins"])
def test_a_fall_is_seen_however_windows_are_cut(world: Any, watching: Any, cut: str, kept: bool) -> None:
    """Labels fall at 120 s. Read as the loop does, a step at a time, after all or nothing was read before."""
    fill(world, [1.0] * 12 + [0.02] * 6)
    spec = watching(ACCURACY, minimum_labels=50, **CUTS[cut])
    shelf: dict[str, bytes] = {}
    before = watch(spec, {"champion": world.profile}, world.source, 0, T0 + 130 * SECOND, shelf=shelf) if kept else ()
    mark, found = T0 + 120 * SECOND, list(before)
    for now in range(140, 230, 10):
        found += watch(spec, {"champion": world.profile}, world.source, mark, T0 + now * SECOND, shelf=shelf)
        mark = max(mark, watermark(spec, T0 + now * SECOND).performance)
    fell = [w for w in found if w.start >= T0 + 120 * SECOND]
    assert len(fell) >= 2
    assert {w.checked for w in fell} == {("labels",)}
    assert {w.quality.severity for w in fell} == {"major"}


def test_a_window_by_rows_is_beside_the_28_before(world: Any, watching: Any) -> None:
    """The first ones, in which hardly any label came, are no longer among them."""
    fill(world, [0.02] * 4 + [1.0] * 30 + [0.05])
    spec = watching(ACCURACY, minimum_labels=50, window=86400, rows=ROWS)
    shelf: dict[str, bytes] = {}
    assert windows(world, spec, 0, shelf)[-1].quality.severity == "major"
    (kept,) = (json.loads(content) for content in shelf.values() if content.startswith(b"[["))
    assert len(kept) == 29


def test_an_alert_of_sliding_windows_is_held_to_the_level_of_their_step(
    world: Any, watching: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice as many windows are looked at, and each may spend half as much."""
    asked: list[float] = []
    true_level = labelling.per_window
    monkeypatch.setattr(labelling, "per_window", lambda *args: asked.append(args[0]) or true_level(*args))
    fill(world, [1.0] * 10)
    windows(world, watching(ACCURACY, minimum_labels=50, window=20, every=10))
    assert set(asked) == {10.0}
