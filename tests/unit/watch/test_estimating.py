"""Performance before labels: what is estimated, from what, and how far off it was."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.drift import Baseline, FeatureProfile, Profile
from seatrial.drift.estimates import BLIND, calibrate, estimate_accuracy
from seatrial.drift.estimates.lesson import Lesson, lesson_of_errors
from seatrial.spec.deployment import LogSpec, MetricSpec
from seatrial.spec.signature import Feature
from seatrial.watch.alerts import alerts_of
from seatrial.watch.clock import watermark
from seatrial.watch.monitor import watch
from seatrial.watch.window import Estimated, Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
ACCURACY = MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)


def chances(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are chances, and what happened."""
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    return scores, rng.random(n) < scores


@pytest.fixture
def taught(world: Any) -> Any:
    """The world with a version that learnt on a holdout what its scores are worth."""
    scores, happened = chances(3000, 5)
    right = (scores > 0.5) == happened
    world.profile = msgspec.structs.replace(
        world.profile,
        lesson=Lesson(calibrator=calibrate(scores, happened)),
        holdout_rows=3000,
        performance={"accuracy": Baseline(float(right.mean()), 3000, 0.01)},
    )
    return world


def serve(world: Any, scores: np.ndarray, start: float = 0) -> list[dict[str, Any]]:
    """Answers with these scores in the ten seconds from ``start``."""
    rows = world.fill(start, start + 10, len(scores))
    for row, score in zip(rows, scores, strict=True):
        row |= {"prediction.score": float(score), "prediction.label": "b" if score > 0.5 else "a"}
    return list(rows)


def found(world: Any, spec: Any, monitor: str = "estimate", now: int = LATER) -> list[Window]:
    windows = watch(spec, {"champion": world.profile}, world.source, 0, now)
    return [window for window in windows if window.monitor == monitor]


def estimated(window: Window) -> Estimated:
    assert window.estimated is not None, window.sentence
    return window.estimated


def test_the_estimate_is_the_mean_chance_of_being_right(taught: Any, watching: Callable[..., Any]) -> None:
    scores, _ = chances(400, 1)
    serve(taught, scores)
    (window,) = found(taught, watching(ACCURACY, estimate=True))
    oracle = estimate_accuracy(taught.profile.lesson.calibrator, scores, scores > 0.5)
    shown = estimated(window)
    assert (shown.value, shown.lower, shown.upper) == pytest.approx((oracle.value, oracle.lower, oracle.upper))
    assert (shown.n, shown.baseline, shown.realised) == (400, taught.profile.performance["accuracy"].value, None)
    assert BLIND in window.sentence
    assert (window.severity, window.drift.calm) == ("none", True)


def test_it_is_there_before_any_label_could_be(taught: Any, watching: Callable[..., Any]) -> None:
    serve(taught, chances(400, 1)[0])
    spec = watching(ACCURACY, estimate=True)
    late = round((10 + 1.5) * SECOND)
    assert found(taught, spec, now=T0 + late - 1) == []
    assert len(found(taught, spec, now=T0 + late)) == 1
    assert found(taught, spec, "performance", now=T0 + late) == []
    assert watermark(spec, T0 + late).estimate == T0 + 10 * SECOND


def test_without_asking_nothing_is_estimated(taught: Any, watching: Callable[..., Any]) -> None:
    serve(taught, chances(400, 1)[0])
    assert found(taught, watching(ACCURACY)) == []


def test_inputs_that_are_harder_are_seen_and_never_alert(taught: Any, watching: Callable[..., Any]) -> None:
    hard = np.random.default_rng(2).uniform(0.4, 0.6, 1500)
    serve(taught, hard)
    (window,) = found(taught, watching(ACCURACY, estimate=True))
    assert (window.drift.severity, window.drift.alarm) == ("major", "none")
    assert estimated(window).worse_by == pytest.approx(0.2, abs=0.05)
    assert alerts_of([window], [], LATER) == ()


def test_labels_that_changed_while_inputs_did_not_are_not_seen(taught: Any, watching: Callable[..., Any]) -> None:
    """Blind where it is said to be: every label is turned round, and the estimate stays."""
    scores, happened = chances(600, 3)
    for row, truth in zip(serve(taught, scores), happened, strict=True):
        at = (row["at"] - T0) / SECOND
        taught.happen(at, request_id=row["request_id"], value_text="a" if truth else "b")
    spec = watching(ACCURACY, estimate=True)
    (before,), (after,) = found(taught, spec), found(taught, spec, "performance")
    assert before.severity == "none"
    shown = estimated(after)
    assert shown.off == pytest.approx(0.5, abs=0.1)
    assert "outside its interval" in after.sentence


def test_once_labels_are_there_it_says_how_far_it_was_off(taught: Any, watching: Callable[..., Any]) -> None:
    scores, happened = chances(600, 4)
    for row, truth in zip(serve(taught, scores), happened, strict=True):
        taught.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_text="b" if truth else "a")
    spec = watching(ACCURACY, estimate=True)
    (before,), (after,) = found(taught, spec), found(taught, spec, "performance")
    right = float(((scores > 0.5) == happened).mean())
    shown = estimated(after)
    assert (shown.realised, shown.labels) == (pytest.approx(right), 600)
    assert shown.value == estimated(before).value
    assert shown.off == pytest.approx(shown.value - right)
    assert shown.lower < right < shown.upper
    assert "inside its interval" in after.sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"holdout_rows": 0, "lesson": None}, "no-data: needs a holdout; register the version with one"),
        ({"holdout_rows": 40, "lesson": None}, "needs a holdout of at least 50 rows, and its version has one of 40"),
    ],
)
def test_without_a_holdout_it_is_no_data(
    taught: Any, watching: Callable[..., Any], change: dict[str, Any], words: str
) -> None:
    taught.profile = msgspec.structs.replace(taught.profile, **change)
    serve(taught, chances(400, 1)[0])
    (window,) = found(taught, watching(ACCURACY, estimate=True))
    assert (window.severity, window.estimated) == ("no-data", None)
    assert words in window.sentence


def test_few_answers_are_no_data(taught: Any, watching: Callable[..., Any]) -> None:
    serve(taught, chances(99, 1)[0])
    (window,) = found(taught, watching(ACCURACY, estimate=True))
    assert (window.severity, window.estimated) == ("no-data", None)
    assert "99 answers, and 100 are needed" in window.sentence


def test_a_ledger_without_scores_is_no_data(taught: Any, watching: Callable[..., Any]) -> None:
    for row in serve(taught, chances(200, 1)[0]):
        del row["prediction.score"]
    (window,) = found(taught, watching(ACCURACY, estimate=True))
    assert window.severity == "no-data"
    assert "no score is in the ledger" in window.sentence


def test_more_than_two_classes_are_told_by_the_largest_score(taught: Any, watching: Callable[..., Any]) -> None:
    rng = np.random.default_rng(8)
    largest = rng.uniform(0.4, 1.0, 3000)
    calibrator = calibrate(largest, rng.random(3000) < largest)
    label = FeatureProfile.from_values(Feature(name="label", kind="category"), ["a", "b", "c"])
    confidence = FeatureProfile.from_values(Feature(name="confidence", kind="number"), largest)
    taught.profile = msgspec.structs.replace(
        taught.profile, lesson=Lesson(calibrator=calibrator), prediction=(label, confidence)
    )
    window_scores = rng.uniform(0.4, 1.0, 300)
    for row, score in zip(taught.fill(0, 10, 300), window_scores, strict=True):
        del row["prediction.score"]
        row |= {"prediction.score.a": score, "prediction.score.b": 1 - score, "prediction.score.c": 0.0}
    (window,) = found(taught, watching(ACCURACY, estimate=True))
    largest_there = np.maximum(window_scores, 1 - window_scores)
    assert estimated(window).value == pytest.approx(estimate_accuracy(calibrator, largest_there).value)


VALUE = FeatureProfile.from_values(Feature(name="value", kind="number"), [1.0, 2.0])
ERROR = MetricSpec(kind="mean", outcome="truth", within=5, grace=5)


def a_regressor(world: Any) -> Profile:
    """A version whose errors are about 1 below age 40 and 3 above."""
    rng = np.random.default_rng(6)
    ages = rng.normal(40, 10, 4000)
    errors = np.where(ages < 40, 1.0, 3.0) * rng.uniform(0.8, 1.2, 4000)
    age = next(feature for feature in world.profile.features if feature.name == "age")
    lesson = lesson_of_errors([age], VALUE, {"age": ages}, np.zeros(4000), errors)
    mae = Baseline(float(errors.mean()), 4000, 0.01)
    made: Profile = msgspec.structs.replace(
        world.profile, prediction=(VALUE,), lesson=lesson, holdout_rows=4000, performance={"mae": mae}
    )
    return made


def regress(world: Any, n: int, age: Callable[[], float]) -> list[dict[str, Any]]:
    rows = world.fill(0, 10, n, **{"feature.age": age, "prediction.value": 10.0})
    for row in rows:
        del row["prediction.label"], row["prediction.score"]
    return list(rows)


def test_a_regression_is_estimated_by_where_its_errors_were(world: Any, watching: Callable[..., Any]) -> None:
    world.profile = a_regressor(world)
    for row in regress(world, 500, lambda: float(world.rng.normal(60, 5))):
        at = (row["at"] - T0) / SECOND
        world.happen(at, request_id=row["request_id"], value_number=13.2)
    spec = watching(ERROR, estimate=True)
    (before,), (after,) = found(world, spec), found(world, spec, "performance")
    shown = estimated(before)
    assert (shown.metric, before.drift.severity) == ("mae", "major")
    assert shown.value == pytest.approx(3.0, abs=0.1)
    assert shown.worse_by == pytest.approx(shown.value - world.profile.performance["mae"].value)
    later = estimated(after)
    assert (later.realised, later.labels) == (pytest.approx(3.2), 500)
    assert later.off == pytest.approx(shown.value - 3.2)


def test_a_feature_that_tells_errors_must_be_logged(world: Any, watching: Callable[..., Any]) -> None:
    world.profile = a_regressor(world)
    for row in regress(world, 200, lambda: 40.0):
        del row["feature.age"]
    (window,) = found(world, watching(ERROR, estimate=True))
    assert window.severity == "no-data"
    assert "the feature age is not logged" in window.sentence


def test_a_feature_that_tells_errors_must_not_be_redacted(world: Any, watching: Callable[..., Any]) -> None:
    world.profile = a_regressor(world)
    regress(world, 200, lambda: 40.0)
    spec = watching(ERROR, estimate=True).model_copy(update={"log": LogSpec(redact=("age",))})
    (window,) = found(world, spec)
    assert "the feature age is redacted" in window.sentence


def test_rows_without_their_features_are_left_out(world: Any, watching: Callable[..., Any]) -> None:
    world.profile = a_regressor(world)
    regress(world, 200, lambda: 60.0)
    for row in regress(world, 200, lambda: 20.0):
        row |= {"sampled": False, "feature.age": None}
    (window,) = found(world, watching(ERROR, estimate=True))
    assert (estimated(window).n, estimated(window).value) == (200, pytest.approx(3.0, abs=0.1))


def granted(world: Any, right: Callable[[float], bool]) -> None:
    """Only answers of a score above one half get a label (loans that were granted)."""
    for row in serve(world, world.rng.beta(1, 3, 6000)):
        score = row["prediction.score"]
        if score > 0.5:
            label = "b" if right(score) else "a"
            world.happen((row["at"] - T0) / SECOND + 1, request_id=row["request_id"], value_text=label)


def test_labels_of_some_answers_only_are_said_to_be_where_they_explain_the_gap(
    taught: Any, watching: Callable[..., Any]
) -> None:
    granted(taught, lambda score: bool(taught.rng.random() < score))
    (window,) = found(taught, watching(ACCURACY, estimate=True), "performance")
    shown = estimated(window)
    assert shown.realised is not None
    assert not shown.lower <= shown.realised <= shown.upper, "beside all answers it is an error"
    assert shown.of_labelled is not None
    scores = [row["prediction.score"] for row in taught.rows if row["prediction.score"] > 0.5]
    assert shown.of_labelled.value == pytest.approx(np.mean(scores), abs=0.03), "the mean chance of being right"
    assert shown.is_of_others
    assert f"Labels are of other answers than all: {len(scores)} of 6000 have one" in window.sentence


def test_labels_of_some_answers_do_not_excuse_a_fall_among_these(taught: Any, watching: Callable[..., Any]) -> None:
    granted(taught, lambda _: bool(taught.rng.random() < 0.3))
    (window,) = found(taught, watching(ACCURACY, estimate=True), "performance")
    assert not estimated(window).is_of_others
    assert "Labels are of other answers" not in window.sentence


def test_where_all_answers_have_a_label_nothing_is_estimated_twice(taught: Any, watching: Callable[..., Any]) -> None:
    for row in serve(taught, taught.rng.random(400)):
        taught.happen((row["at"] - T0) / SECOND + 1, request_id=row["request_id"], value_text="a")
    (window,) = found(taught, watching(ACCURACY, estimate=True), "performance")
    assert estimated(window).realised is not None
    assert estimated(window).of_labelled is None


def test_labels_of_some_answers_of_a_regression_are_seen_by_its_features(
    world: Any, watching: Callable[..., Any]
) -> None:
    world.profile = a_regressor(world)
    rows = regress(world, 1000, lambda: float(world.rng.choice([20.0, 60.0])))
    for n, row in enumerate(rows):
        row["sampled"] = n % 3 > 0
        error = (1.0 if row["feature.age"] < 40 else 3.0) * float(world.rng.uniform(0.8, 1.2))
        if row["feature.age"] > 40:
            world.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_number=10.0 + error)
    (window,) = found(world, watching(ERROR, estimate=True), "performance")
    shown = estimated(window)
    assert shown.value == pytest.approx(2.0, abs=0.15)
    assert shown.of_labelled is not None
    assert shown.of_labelled.value == pytest.approx(3.0, abs=0.1)
    assert shown.is_of_others
