"""Metrics of answers in a window: the values are scikit-learn's, the intervals are by unit, a fall is told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from seatrial.experiments.model_measures import KINDS
from seatrial.spec.deployment import MetricSpec
from seatrial.watch.monitor import watch
from seatrial.watch.rated import RATED, Rated, measure_rated
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
HIGHER = ("precision", "recall", "f1", "auc")
OF_LABELS = ("precision", "recall", "f1", "log_loss", "brier", "auc")

ORACLES: dict[str, Callable[[Any, Any, Any], float]] = {
    "precision": lambda truth, said, _: oracle.precision_score(truth, said),
    "recall": lambda truth, said, _: oracle.recall_score(truth, said),
    "f1": lambda truth, said, _: oracle.f1_score(truth, said),
    "log_loss": lambda truth, _, score: oracle.log_loss(truth, score),
    "brier": lambda truth, _, score: oracle.brier_score_loss(truth, score),
    "auc": lambda truth, _, score: oracle.roc_auc_score(truth, score),
}


def a_metric(kind: str) -> MetricSpec:
    want: Any = "higher" if kind in HIGHER else "lower"
    return MetricSpec(kind=kind, outcome="truth", within=5, grace=5, want=want, positive="b")  # type: ignore[arg-type]


def windows(world: Any, spec: Any) -> list[Window]:
    found = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    return [window for window in found if window.monitor == "performance"]


def classified(world: Any, first: float, n: int, noise: float, unlabelled: int = 0, **more: Any) -> Any:
    """Answers with scores that say what comes, less so with more noise: truth, answers, scores of labelled rows."""
    rows = world.fill(first, first + 10, n + unlabelled, **more)
    score = np.clip(world.rng.random(n), 0.02, 0.98)
    truth = np.clip(score + world.rng.normal(0, noise, n), 0, 1) > 0.5
    for row, s, t in zip(rows, score, truth, strict=False):
        row["prediction.score"], row["prediction.label"] = float(s), "b" if s > 0.5 else "a"
        at = (row["at"] - T0) / SECOND + 1
        world.happen(at, request_id=row["request_id"], value_text="b" if t else "a")
    return truth, score > 0.5, score


def test_every_kind_of_answers_is_measured() -> None:
    assert RATED | {"accuracy"} == set(KINDS)


@pytest.mark.parametrize("kind", OF_LABELS)
def test_values_are_those_of_scikit_learn_and_lie_in_their_interval(world: Any, watching: Any, kind: str) -> None:
    truth, said, score = classified(world, 0, 400, 0.3, unlabelled=50)
    (window,) = windows(world, watching(a_metric(kind)))
    found = window.performance
    assert found is not None
    assert found.value == pytest.approx(ORACLES[kind](truth, said, score), abs=1e-9)
    assert found.lower < found.value < found.upper
    assert (found.labels, found.wanted, found.units) == (400, 450, 400)
    assert window.state == "no-data"
    assert "it is the first matured window" in window.sentence


@pytest.mark.parametrize("kind", OF_LABELS)
def test_a_fall_is_told_against_the_first_window_and_no_fall_is_not(world: Any, watching: Any, kind: str) -> None:
    for first, noise in ((0, 0.1), (20, 0.1), (40, 2.0)):
        classified(world, first, 800, noise)
    _, same, worse = windows(world, watching(a_metric(kind)))
    assert (same.drift.alarm, worse.drift.alarm) == ("none", "major")
    assert worse.performance is not None
    assert worse.performance.baseline_from == "first window"
    assert worse.performance.worse_by is not None
    assert worse.performance.worse_by > 0


def test_scores_that_come_to_mean_less_are_a_larger_calibration_error(world: Any, watching: Any) -> None:
    for first, power in ((0, 1), (20, 1), (40, 6)):
        for row in world.fill(first, first + 10, 800):
            score = float(world.rng.random())
            row["prediction.score"], happens = score, world.rng.random() < score**power
            at = (row["at"] - T0) / SECOND + 1
            world.happen(at, request_id=row["request_id"], value_text="b" if happens else "a")
    _, same, worse = windows(world, watching(a_metric("calibration_error")))
    assert (same.drift.alarm, worse.drift.alarm) == ("none", "major")


@pytest.mark.parametrize(("kind", "root"), [("mae", False), ("rmse", True)])
def test_errors_of_numbers_are_those_of_numpy(world: Any, watching: Any, kind: str, root: bool) -> None:
    errors = world.rng.normal(0, 2, 300)
    for row, error in zip(world.fill(0, 10, 300), errors, strict=True):
        row["prediction.value"] = 5.0
        world.happen(
            (row["at"] - T0) / SECOND + 1, request_id=row["request_id"], value_number=5.0 + error, value_text=None
        )
    (window,) = windows(world, watching(a_metric(kind)))
    assert window.performance is not None
    expected = np.sqrt((errors**2).mean()) if root else np.abs(errors).mean()
    assert window.performance.value == pytest.approx(expected)


def test_a_segment_that_is_worse_is_named(world: Any, watching: Any) -> None:
    classified(world, 0, 800, 0.1)
    classified(world, 20, 400, 0.1, **{"feature.plan": "paid"})
    classified(world, 20, 400, 3.0, **{"feature.plan": "free"})
    _, window = windows(world, watching(a_metric("auc"), segments=("features.plan",)))
    rates = {rate.group: rate for rate in window.rates}
    assert set(rates) == {"free", "paid"}
    assert rates["free"].rate == "auc"
    assert rates["free"].upper < rates["paid"].lower
    assert "In features.plan free it is 0." in window.sentence
    assert "worse for certain" in window.sentence


def test_labels_of_one_kind_are_no_area(world: Any, watching: Any) -> None:
    for row in world.fill(0, 10, 200):
        world.happen((row["at"] - T0) / SECOND + 1, request_id=row["request_id"], value_text="a")
    (window,) = windows(world, watching(a_metric("auc")))
    assert window.performance is None
    assert "labels of both kinds are needed" in window.sentence


@pytest.mark.parametrize("kind", ["auc", "mae"])
def test_answers_without_a_label_in_time_are_stalled_outcomes(world: Any, watching: Any, kind: str) -> None:
    world.fill(0, 10, 200)
    world.happen(1, request_id="nobody", value_text="a", value_number=None)
    (window,) = windows(world, watching(a_metric(kind)))
    assert window.outcomes.alarm == "moderate"


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(sorted(RATED - {"calibration_error"})), st.integers(0, 2**16), st.integers(3, 6))
def test_a_row_said_again_by_its_unit_makes_nothing_surer(kind: str, seed: int, times: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.random(60) < 0.5).astype(float)
    y = np.where(kind == "auc", rng.random(60), 1.0)
    once = Rated(x, y, np.arange(60), {}, 60)
    again = Rated(np.tile(x, times), np.tile(y, times), np.tile(np.arange(60), times), {}, 60)
    one, many = measure_rated(once, kind, 0.01), measure_rated(again, kind, 0.01)
    if one is None or many is None:
        assert one == many
        return
    assert many.value == pytest.approx(one.value)
    # Were the rows independent, it would be at most 0.58 times as wide.
    assert many.upper - many.lower > 0.78 * (one.upper - one.lower)
