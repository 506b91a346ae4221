"""Ranking and value in the performance monitor: measured by hand, by unit, and against scikit-learn."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from seatrial.spec.deployment import Margin, MetricSpec, Monitors, OutcomeSpec, PerformanceMonitor
from seatrial.watch.alerts import alerts_of
from seatrial.watch.interval import mean_by_unit, ratio_by_unit, share_by_unit
from seatrial.watch.monitor import watch
from seatrial.watch.window import Performance, Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
ALPHA = 0.5 * 10 / (30 * 86400)
"""One side of a window of ten seconds."""


def lists(world: Any, n: int, first: float = 0, last: float = 10) -> list[dict[str, Any]]:
    """Lists of five of twenty items, in random order."""
    rows = world.fill(first, last, n)
    for row in rows:
        items = world.rng.permutation(20)[:5].tolist()
        row["prediction.json"] = json.dumps([{"item": f"i{item}", "score": -place} for place, item in enumerate(items)])
    return list(rows)


def items_of(row: dict[str, Any]) -> list[str]:
    return [entry["item"] for entry in json.loads(row["prediction.json"])]


def took(world: Any, row: dict[str, Any], item: str, second: float | None = None, by: str = "request_id") -> None:
    at = (row["at"] - T0) / SECOND if second is None else second
    world.happen(at, "click", item=item, **{by: row[by]})


def windows(world: Any, deployment: Any, kind: str, window: float = 10, **metric: Any) -> tuple[Window, ...]:
    spec = MetricSpec(**{"kind": kind, "outcome": "click", "within": 5, "grace": 5, **metric})
    performance = PerformanceMonitor(metric="it", window=window, minimum_labels=20)
    made = deployment(
        task="ranking",
        outcomes={"click": OutcomeSpec(), "back": OutcomeSpec(fields={"amount": "number"})},
        metrics={"it": spec},
        monitors=Monitors(data=None, performance=performance),
    )
    return watch(made, {"champion": world.profile}, world.source, 0, LATER)


def measured(found: tuple[Window, ...]) -> Performance:
    (window,) = found
    assert window.performance is not None
    return window.performance


def clicks(world: Any, rows: list[dict[str, Any]]) -> np.ndarray:
    """Every list has each of its items taken with one chance in four, shape [lists, places]."""
    taken = world.rng.random((len(rows), 5)) < 0.25
    for row, mine in zip(rows, taken, strict=True):
        for item, took_it in zip(items_of(row), mine, strict=True):
            if took_it:
                took(world, row, item)
    return taken


def test_ndcg_is_scikit_learns_over_lists_that_have_something_relevant(world: Any, deployment: Any) -> None:
    taken = clicks(world, lists(world, 300))
    some = taken[taken.any(axis=1)]
    scores = np.tile(-np.arange(5.0), (len(some), 1))
    found = measured(windows(world, deployment, "ndcg", k=3))
    assert found.value == pytest.approx(ndcg_score(some.astype(float), scores, k=3), rel=1e-9)
    assert (found.labels, found.units, found.wanted) == (len(some), 300, 300)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_other_metrics_of_lists_are_what_they_say(world: Any, deployment: Any, k: int) -> None:
    taken = clicks(world, lists(world, 300))
    hits, relevant = taken[:, :k].sum(axis=1), taken.sum(axis=1)
    first = np.where(taken[:, :k].any(axis=1), 1.0 / (taken[:, :k].argmax(axis=1) + 1), 0.0)
    some = relevant > 0
    expected = {
        "hit_rate": (hits > 0).mean(),
        "precision_at": (hits / k).mean(),
        "recall_at": (hits[some] / relevant[some]).mean(),
        "mrr": first.mean(),
    }
    for kind, value in expected.items():
        assert measured(windows(world, deployment, kind, k=k)).value == pytest.approx(value, rel=1e-9), kind


def test_intervals_are_by_unit(world: Any, deployment: Any) -> None:
    rows = lists(world, 400)
    for i, row in enumerate(rows):
        row["unit"] = f"u{i % 50}"
    taken = clicks(world, rows)
    unit = np.arange(400) % 50
    hit, precise = taken[:, :3].any(axis=1).astype(float), taken[:, :3].sum(axis=1) / 3
    shown = np.bincount(unit).astype(float)
    for kind, interval, values in (("hit_rate", share_by_unit, hit), ("precision_at", ratio_by_unit, precise)):
        found = measured(windows(world, deployment, kind, k=3))
        exact = interval(np.bincount(unit, weights=values), shown, ALPHA)
        assert (found.value, found.lower, found.upper) == pytest.approx(tuple(exact), rel=1e-9)


def test_an_item_counts_for_the_last_list_that_showed_it(world: Any, deployment: Any) -> None:
    """The unit sees one list three times, the last time in the next window: the item counts there, and only there."""
    for number in range(40):
        for second in (1, 4, 11):
            row = world.answer(second + number / 100, unit=f"u{number}")
            row["prediction.json"] = json.dumps([{"item": "a", "score": 1}, {"item": "b", "score": 0}])
        took(world, row, "a", 12 + number / 100, by="unit")
    before, after = windows(world, deployment, "hit_rate", credit="item", within=20)
    assert before.performance is not None
    assert after.performance is not None
    assert (before.performance.value, after.performance.value) == (0.0, 1.0)


def test_a_list_that_was_shown_after_the_item_was_taken_is_no_hit(world: Any, deployment: Any) -> None:
    for number in range(40):
        first, again = (world.answer(second + number / 100, unit=f"u{number}") for second in (1, 4))
        for row, items in ((first, "ab"), (again, "ba")):
            row["prediction.json"] = json.dumps([{"item": item, "score": 0} for item in items])
        took(world, first, "a", 2 + number / 100, by="unit")
    found = measured(windows(world, deployment, "mrr", credit="item", within=20))
    assert found.value == pytest.approx(0.5), "1 of the first list and 0 of the second"


def test_what_was_not_shown_or_came_late_is_no_hit(world: Any, deployment: Any) -> None:
    rows = lists(world, 200)
    for i, row in enumerate(rows):
        took(world, row, "i99" if i % 2 else items_of(row)[0], None if i < 100 else 60)
    assert measured(windows(world, deployment, "hit_rate")).value == pytest.approx(50 / 200)


def test_a_fall_of_a_ranking_is_told(world: Any, deployment: Any) -> None:
    for row in lists(world, 400, 0, 10):
        took(world, row, items_of(row)[0])
    for row in lists(world, 400, 10, 20):
        took(world, row, items_of(row)[4])
    first, second = windows(world, deployment, "ndcg")
    assert (first.state, second.severity) == ("no-data", "major")
    assert second.performance is not None
    assert second.performance.baseline_from == "first window"
    assert [alert.event for alert in alerts_of([second], (), LATER)] == ["performance.major"]


def test_value_is_outcomes_times_numbers_less_what_answers_cost(world: Any, deployment: Any) -> None:
    rows = world.fill(0, 10, 300)
    for i, row in enumerate(rows):
        row["unit"] = f"u{i % 60}"
        if i % 3 == 0:
            world.happen((row["at"] - T0) / SECOND, "click", value_number=2.0, request_id=row["request_id"])
        if i % 5 == 0:
            world.happen((row["at"] - T0) / SECOND, "back", fields='{"amount": 4}', request_id=row["request_id"])
    found = measured(
        windows(world, deployment, "value", outcome=None, of="click - 0.5 * back.amount", cost={"champion": 0.1})
    )
    i = np.arange(300)
    worth = np.bincount(i % 60, weights=2.0 * (i % 3 == 0) - 2.0 * (i % 5 == 0) - 0.1)
    exact = mean_by_unit(worth, ALPHA)
    assert (found.value, found.lower, found.upper) == pytest.approx(tuple(exact), rel=1e-9)
    assert (found.units, found.labels) == (60, 60)


def test_an_outcome_of_a_unit_is_worth_something_once(world: Any, deployment: Any) -> None:
    for i, row in enumerate(world.fill(0, 10, 300)):
        row["unit"] = f"u{i % 60}"
    for number in range(60):
        world.happen(10, "click", value_number=3.0, unit=f"u{number}")
    assert measured(windows(world, deployment, "value", outcome=None, of="click", within=20)).value == 3.0


def test_a_fall_of_value_is_told(world: Any, deployment: Any) -> None:
    for start, price in ((0, 3.0), (10, 1.0)):
        for row in world.fill(start, start + 10, 300):
            world.happen(
                (row["at"] - T0) / SECOND,
                "click",
                value_number=price + world.rng.random(),
                request_id=row["request_id"],
            )
    _, second = windows(world, deployment, "value", outcome=None, of="click")
    assert second.performance is not None
    assert second.performance.margin == pytest.approx(0.1 * second.performance.baseline)
    assert second.severity == "major"


def test_margins_of_shares_are_in_points_and_of_values_relative() -> None:
    from seatrial.watch.performance import margin_of

    monitor = PerformanceMonitor(metric="it")
    assert margin_of(monitor, MetricSpec(kind="ndcg", outcome="click"), 0.5) == 0.05
    assert margin_of(monitor, MetricSpec(kind="value", of="click"), 50.0) == 5.0
    assert (
        margin_of(PerformanceMonitor(metric="it", worse_by=Margin(absolute=2)), MetricSpec(kind="value"), 50.0) == 2.0
    )
