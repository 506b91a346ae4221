"""Whatever comes: windows say what they know, and never fail. References and rows as bad as life has them."""

import random
import tracemalloc
from typing import Any

import numpy as np
import pytest

from seatrial.drift import Profile, classification_profile
from seatrial.spec.deployment import ConceptMonitor, DataMonitor, FairnessMonitor, Monitors, PerformanceMonitor
from seatrial.spec.signature import Feature
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 1000 * SECOND


def data(world: Any, deployment: Any, **more: Any) -> list[Window]:
    found = watch(deployment(**more), {"champion": world.profile}, world.source, 0, LATER)
    return [window for window in found if window.monitor == "data"]


def every_monitor(deployment: Any) -> Any:
    return deployment(
        monitors=Monitors(
            data=DataMonitor(window=10, arrival="usual", duplicated=0.5),
            performance=PerformanceMonitor(metric="accuracy", window=10, estimate=True, calibration=True),
            concept=ConceptMonitor(outcome="truth", within=5, grace=5, window=10),
            fairness=FairnessMonitor(by=("features.plan",), outcome="truth", window=10, within=5, grace=5),
        )
    )


def test_a_reference_without_rows_is_no_data_in_words(world: Any, deployment: Any) -> None:
    features = [Feature(name="age", kind="number"), Feature(name="plan", kind="category")]
    world.profile = Profile.from_values(features, {"age": [], "plan": []})
    world.fill(0, 10, 200)
    (window,) = data(world, deployment)
    assert (window.state, window.severity) == ("no-data", "no-data")
    assert "the reference of its version has 0 rows" in window.sentence


@pytest.mark.parametrize("value", [7.0, None])
def test_a_feature_that_was_constant_or_always_missing_is_at_rest_until_it_is_not(
    world: Any, deployment: Any, value: float | None
) -> None:
    features = [Feature(name="age", kind="number", nullable=True)]
    world.profile = Profile.from_values(features, {"age": [value] * 1000})
    world.fill(0, 10, 200, **{"feature.age": value})
    world.fill(10, 20, 200)
    same, moved = data(world, deployment)
    assert same.severity == "none"
    assert moved.severity == "major"


def test_a_feature_that_vanishes_is_a_broken_column(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 200)
    for row in world.fill(10, 20, 200):
        del row["feature.age"]
    before, after = data(world, deployment)
    assert (before.severity, after.quality.alarm, after.drift.severity) == ("none", "major", "none")
    assert "age" in after.sentence


def test_a_feature_that_changes_its_type_in_the_middle_of_a_window_is_told(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 200)
    for row in world.fill(5, 10, 200):
        row["feature.age#string"], row["feature.age"] = "forty", None
    (window,) = data(world, deployment)
    assert window.quality.severity == "major"
    assert [d.feature for d in window.features if d.quality != "none"] == ["age"]


def test_a_million_categories_are_one_cell_and_bounded_memory(world: Any, deployment: Any) -> None:
    names = [f"c{i}" for i in range(1_000_000)]
    tracemalloc.start()
    world.profile = Profile.from_values([Feature(name="plan", kind="category")], {"plan": names})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (feature,) = world.profile.features
    assert len(feature.categories) <= 1000
    assert len(world.profile.to_json()) < 64_000
    assert peak < 1_000_000_000
    world.fill(0, 10, 300, **{"feature.plan": lambda: str(world.rng.choice(1_000_000))})
    (window,) = data(world, deployment)
    assert window.quality.severity == "none", "rows are as new as the reference's were"
    assert len(window.features) == 1


def test_order_does_not_matter(world: Any, deployment: Any) -> None:
    world.fill(0, 20, 600)
    ordered = data(world, deployment)
    random.Random(3).shuffle(world.rows)
    shuffled = data(world, deployment)
    assert [(w.start, w.rows, w.drift, w.quality) for w in shuffled] == [
        (w.start, w.rows, w.drift, w.quality) for w in ordered
    ]
    for one, other in zip(ordered, shuffled, strict=True):
        assert one.shifts == pytest.approx(other.shifts)


def test_rows_of_the_future_wait_for_their_window(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300)
    alone = data(world, deployment)
    world.fill(5000, 5010, 300, **{"feature.age": 99.0})
    assert data(world, deployment) == alone
    later = watch(deployment(), {"champion": world.profile}, world.source, LATER, LATER + 5000 * SECOND)
    assert {window.start for window in later} == {T0 + 5000 * SECOND}


def test_labels_of_unknown_requests_are_nobodys(world: Any, deployment: Any) -> None:
    rows = world.fill(0, 10, 200)
    for row in rows:
        world.happen(3, request_id=row["request_id"], value_text=row["prediction.label"], received_at=T0 + 4 * SECOND)
    spec = every_monitor(deployment)
    alone = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    for n in range(500):
        world.happen(3, request_id=f"nobody{n}", value_text="a", received_at=T0 + 4 * SECOND)
        world.happen(-9000, request_id=rows[0]["request_id"], value_text="b", received_at=T0 + 4 * SECOND)
        world.happen(90_000, request_id=rows[0]["request_id"], value_text="b", received_at=T0 + 4 * SECOND)
    assert watch(spec, {"champion": world.profile}, world.source, 0, LATER) == alone
    (performance,) = (window for window in alone if window.monitor == "performance")
    assert performance.performance is not None
    assert (performance.performance.value, performance.performance.labels) == (1.0, 200)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_window_with_one_row_is_no_data_of_every_monitor(world: Any, deployment: Any, labelled: bool) -> None:
    row = world.answer(1)
    if labelled:
        world.happen(2, request_id=row["request_id"], value_text="a", received_at=T0 + 4 * SECOND)
    found = watch(every_monitor(deployment), {"champion": world.profile}, world.source, 0, LATER)
    busy = [window for window in found if window.start == T0]
    assert {w.monitor for w in busy} >= {"data", "prediction", "performance", "estimate", "calibration", "fairness"}
    assert {w.state for w in busy if w.monitor != "concept"} == {"no-data"}
    assert {w.drift.alarm for w in busy} == {"none"}
    assert all(w.sentence for w in busy)


def test_values_that_no_number_should_have_are_missing_or_outside(world: Any, deployment: Any) -> None:
    odd = [float("nan"), float("inf"), -float("inf"), 1e308, None]
    world.fill(0, 10, 500, **{"feature.age": lambda: odd[world.rng.integers(5)]})
    (window,) = data(world, deployment)
    assert window.quality.alarm == "major"
    assert [d.feature for d in window.features if d.quality != "none"] == ["age"]


def test_scores_that_are_no_chances_break_nothing(world: Any, deployment: Any) -> None:
    world.profile = Profile.from_values(
        (Feature(name="age", kind="number", nullable=True),),
        {"age": np.arange(1000.0)},
        prediction=classification_profile(["a", "b"] * 300, np.linspace(0, 1, 600), ["a", "b"]),
        holdout_rows=600,
    )
    world.fill(0, 10, 200, **{"prediction.score": float("nan")})
    found = watch(every_monitor(deployment), {"champion": world.profile}, world.source, 0, LATER)
    (window,) = (w for w in found if w.monitor == "prediction")
    assert window.quality.alarm == "major"
