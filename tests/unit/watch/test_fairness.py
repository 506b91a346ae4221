"""Rates by declared groups: what is counted, how sure it is, and when a gap is told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seatrial.spec.deployment import FairnessMonitor, Monitors
from seatrial.watch.alerts import alerts_of
from seatrial.watch.groups import gaps_between, groups_of, left_out, shares, surest_gap
from seatrial.watch.interval import share_by_unit
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND


def found(world: Any, deployment: Callable[..., Any], **monitor: Any) -> Window:
    fairness = FairnessMonitor(**{"by": ("context.region",), "window": 10, "minimum_rows": 50, **monitor})
    spec = deployment(monitors=Monitors(data=None, performance=None, fairness=fairness))
    (window,) = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    return window


def serve(world: Any, region: str, n: int, chosen: int) -> list[dict[str, Any]]:
    """Answers of one region, the first ``chosen`` of them positive."""
    rows = world.fill(0, 10, n, **{"context.region": region})
    for i, row in enumerate(rows):
        row["prediction.label"] = "b" if i < chosen else "a"
    return list(rows)


def labelled(world: Any, rows: list[dict[str, Any]], positive: set[int]) -> None:
    for i, row in enumerate(rows):
        world.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_text="b" if i in positive else "a")


def rate(window: Window, name: str, group: str) -> Any:
    return next(r for r in window.rates if (r.rate, r.group) == (name, group))


def test_the_share_of_positive_answers_by_group(world: Any, deployment: Callable[..., Any]) -> None:
    serve(world, "north", 400, 240)
    serve(world, "south", 400, 80)
    window = found(world, deployment)
    assert (rate(window, "chosen", "north").value, rate(window, "chosen", "south").value) == (0.6, 0.2)
    (gap,) = window.gaps
    assert (gap.high, gap.low, gap.value) == ("north", "south", pytest.approx(0.4))
    assert 0.2 < gap.lower < 0.4 < gap.upper < 0.6
    assert (window.severity, window.drift.alarm, window.drift.calm) == ("major", "major", False)
    assert "context.region north and south are 40.0 points apart" in window.sentence
    assert [alert.event for alert in alerts_of([window], [], LATER)] == ["fairness.major"]


def test_groups_that_are_treated_alike_are_at_rest(world: Any, deployment: Callable[..., Any]) -> None:
    serve(world, "north", 400, 200)
    serve(world, "south", 400, 210)
    window = found(world, deployment)
    assert (window.severity, window.drift.calm) == ("none", True)


def test_a_gap_that_chance_could_make_is_not_told(world: Any, deployment: Callable[..., Any]) -> None:
    serve(world, "north", 60, 36)
    serve(world, "south", 60, 24)
    window = found(world, deployment)
    assert window.gaps[0].value == pytest.approx(0.2)
    assert (window.severity, window.drift.calm) == ("none", False)


def test_rates_of_labels_are_of_those_labels(world: Any, deployment: Callable[..., Any]) -> None:
    """Of 200 answers the first 100 are positive; labels 0 to 49 and 100 to 149 are: found 1/2, false alarms 1/2."""
    labelled(world, serve(world, "north", 200, 100), {*range(50), *range(100, 150)})
    labelled(world, serve(world, "south", 200, 100), set(range(80)))
    window = found(world, deployment, outcome="truth", within=5, grace=5)
    assert [rate(window, name, "north").value for name in ("right", "found", "false alarms")] == [0.5, 0.5, 0.5]
    assert rate(window, "found", "south").value == 1.0
    assert rate(window, "false alarms", "south").value == pytest.approx(20 / 120)
    assert rate(window, "right", "south").value == pytest.approx(180 / 200)
    assert rate(window, "found", "south").rows == 80


def test_rows_without_a_label_count_for_answers_only(world: Any, deployment: Callable[..., Any]) -> None:
    for region in ("north", "south"):
        labelled(world, serve(world, region, 200, 100)[:120], set(range(60)))
    window = found(world, deployment, outcome="truth", within=5, grace=5)
    assert rate(window, "chosen", "north").rows == 200
    assert rate(window, "right", "north").rows == 120


def test_small_groups_and_rows_of_none_are_left_out(world: Any, deployment: Callable[..., Any]) -> None:
    serve(world, "north", 200, 100)
    serve(world, "tiny", 20, 20)
    for row in serve(world, "x", 100, 100):
        row["context.region"] = None
    window = found(world, deployment)
    assert (window.severity, window.gaps) == ("no-data", ())
    assert "no two groups of context.region have 50 rows each" in window.sentence


def test_a_key_that_is_not_logged_is_no_data(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 10, 200)
    assert "context.region is not logged" in found(world, deployment).sentence


def test_features_tell_groups_too(world: Any, deployment: Callable[..., Any]) -> None:
    world.fill(0, 10, 400)
    window = found(world, deployment, by=("features.plan",))
    assert {r.group for r in window.rates} == {"free", "paid"}


def test_rows_of_one_unit_count_for_less(world: Any, deployment: Callable[..., Any]) -> None:
    for region, chosen in (("north", 240), ("south", 80)):
        for i, row in enumerate(serve(world, region, 400, chosen)):
            row["unit"] = f"{region}{i // 80}"
    assert found(world, deployment).severity == "none"


def test_intervals_are_those_of_the_share_by_unit_at_the_shared_level() -> None:
    rng = np.random.default_rng(0)
    values = np.array(["a"] * 100 + ["b"] * 100, dtype=object)
    units = np.array([f"u{i // 2}" for i in range(200)], dtype=object)
    hits, everyone = rng.random(200) < 0.3, np.ones(200, dtype=np.bool_)
    first, _ = shares(("a", "b"), values, units, hits, everyone, 0.01, 10)
    by_unit = hits[:100].reshape(50, 2).sum(axis=1).astype(float)
    assert first.measured == share_by_unit(by_unit, np.full(50, 2.0), 0.01)
    assert surest_gap(gaps_between([first])) is None


def test_the_largest_groups_come_first() -> None:
    assert groups_of(["b"] * 3 + ["a"] * 3 + ["c"] * 5 + [None] * 9 + ["d"], 2) == ("c", "a", "b")
    assert groups_of([None], 1) == ()
    assert left_out(["b"] * 3 + ["a"] * 3 + ["c"] * 5 + [None] * 9 + ["d"], 4) == (("a", 3), ("b", 3), ("d", 1))
    many = [f"g{i:02d}" for i in range(22) for _ in range(30 - i)]
    assert left_out(many, 1) == (("g20", 10), ("g21", 9))


def test_a_small_group_hides_no_gap_between_large_ones(world: Any, deployment: Callable[..., Any]) -> None:
    """North and south are 30 points apart for certain; east lies lower still, by chance."""
    serve(world, "north", 3000, 1800)
    serve(world, "south", 3000, 900)
    serve(world, "east", 60, 15)
    window = found(world, deployment)
    (gap,) = window.gaps
    assert (gap.high, gap.low, window.severity) == ("north", "south", "major")
    assert gap.lower > 0.2


def test_a_gap_that_is_wide_by_its_value_alone_keeps_a_condition_open(
    world: Any, deployment: Callable[..., Any]
) -> None:
    """What is shown is the surest pair; east is 35 points off, and nobody knows."""
    serve(world, "north", 3000, 1800)
    serve(world, "south", 3000, 1560)
    serve(world, "east", 60, 15)
    window = found(world, deployment, at_most=0.3)
    assert (window.severity, window.drift.calm) == ("none", False)


def test_groups_that_are_left_out_are_named(world: Any, deployment: Callable[..., Any]) -> None:
    serve(world, "north", 200, 100)
    serve(world, "south", 200, 100)
    serve(world, "tiny", 20, 20)
    assert found(world, deployment).sentence.endswith("Not compared: context.region tiny (20) with too few rows.")


def test_pairs_together_are_told_no_more_often_than_one_may() -> None:
    """Six groups, fifteen pairs, half of the groups exactly as far apart as may be: the level is divided over them."""
    rng, apart = np.random.default_rng(0), 0.1
    names = list("abcdef")
    values = np.repeat(np.array(names, dtype=object), 150)
    units = np.array([f"u{i}" for i in range(values.size)], dtype=object)
    rates = np.where(np.isin(values, ["a", "b", "c"]), 0.4, 0.4 + apart)
    told = 0
    for _ in range(400):
        by_group = shares(
            names, values, units, rng.random(values.size) < rates, np.ones(values.size, bool), 0.05 / 15, 1
        )
        gap = surest_gap(gaps_between(by_group))
        assert gap is not None
        told += gap.measured.lower > apart
    assert told <= 34, "at 0.05 there are 20 of 400, and 34 at most in 999 of 1 000 tries"
