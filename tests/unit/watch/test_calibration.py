"""Calibration drift: what happened beside what scores say."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.drift.estimates import calibrate
from seatrial.drift.estimates.lesson import Lesson
from seatrial.spec.deployment import MetricSpec
from seatrial.watch.alerts import alerts_of
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
ACCURACY = MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)


def taught(world: Any, n: int = 3000) -> None:
    rng = np.random.default_rng(5)
    scores = rng.random(n)
    lesson = Lesson(calibrator=calibrate(scores, rng.random(n) < scores))
    world.profile = msgspec.structs.replace(world.profile, lesson=lesson, holdout_rows=n)


def found(world: Any, watching: Callable[..., Any]) -> Window:
    windows = watch(watching(ACCURACY, calibration=True), {"champion": world.profile}, world.source, 0, LATER)
    (window,) = [window for window in windows if window.monitor == "calibration"]
    return window


def serve(world: Any, n: int, extra: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Answers whose positive label comes more often than their scores say, by ``extra``."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.1, 0.7, n)
    happened = rng.random(n) < scores + extra
    for row, score, positive in zip(world.fill(0, 10, n), scores, happened, strict=True):
        row["prediction.score"] = float(score)
        world.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_text="b" if positive else "a")
    return scores, happened


def test_scores_that_are_worth_what_they_were_are_at_rest(world: Any, watching: Callable[..., Any]) -> None:
    taught(world)
    scores, happened = serve(world, 800, 0.0)
    window = found(world, watching)
    shown = window.calibrated
    assert shown is not None
    expected = world.profile.lesson.calibrator.apply(scores)
    assert (shown.expected, shown.happened) == (pytest.approx(expected.mean()), pytest.approx(happened.mean()))
    assert shown.off == pytest.approx(happened.mean() - expected.mean())
    assert shown.lower < shown.off < shown.upper
    assert (window.severity, window.drift.calm, shown.labels) == ("none", True, 800)


def test_scores_that_say_too_little_are_told(world: Any, watching: Callable[..., Any]) -> None:
    taught(world)
    serve(world, 1500, 0.25)
    window = found(world, watching)
    assert (window.severity, window.drift.alarm, window.drift.calm) == ("major", "major", False)
    assert [alert.event for alert in alerts_of([window], [], LATER)] == ["calibration.major"]
    assert "The scores of champion say" in window.sentence


@pytest.mark.parametrize(
    ("pull", "said"), [(-0.3, "too sure of the likelier"), (0.3, "not sure enough of the likelier")]
)
def test_scores_that_are_too_sure_of_both_classes_are_told(
    world: Any, watching: Callable[..., Any], pull: float, said: str
) -> None:
    """What happens is nearer to a half, or to the ends, than scores say: the mean stays where it was."""
    rng = np.random.default_rng(5)
    held = rng.uniform(0.15, 0.85, 3000)
    lesson = Lesson(calibrator=calibrate(held, rng.random(3000) < held))
    world.profile = msgspec.structs.replace(world.profile, lesson=lesson, holdout_rows=3000)
    scores = rng.uniform(0.15, 0.85, 2000)
    happened = rng.random(2000) < np.clip(scores + pull * np.sign(scores - 0.5), 0, 1)
    for row, score, positive in zip(world.fill(0, 10, 2000), scores, happened, strict=True):
        row["prediction.score"] = float(score)
        world.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_text="b" if positive else "a")
    window = found(world, watching)
    shown = window.calibrated
    assert shown is not None
    assert shown.lower < 0 < shown.upper
    expected = lesson.calibrator.apply(scores)
    likelier = np.where(expected >= 0.5, expected - happened, happened - expected)
    assert shown.sure is not None
    assert shown.sure.value == pytest.approx(likelier.mean())
    assert (window.severity, window.drift.calm) == ("major", False)
    assert said in window.sentence
    assert f"{100 * abs(likelier.mean()):.1f} points" in window.sentence


def test_a_small_holdout_is_not_sure_of_what_scores_are_worth(world: Any, watching: Callable[..., Any]) -> None:
    taught(world, 60)
    serve(world, 1500, 0.15)
    small = found(world, watching).calibrated
    taught(world, 3000)
    large = found(world, watching).calibrated
    assert small is not None
    assert large is not None
    assert small.upper - small.lower > 1.5 * (large.upper - large.lower)


def test_without_a_holdout_or_labels_it_is_no_data(world: Any, watching: Callable[..., Any]) -> None:
    serve(world, 300, 0.0)
    assert "needs a holdout" in found(world, watching).sentence
    taught(world)
    world.outcomes = world.outcomes[:99]
    assert "99 labels with a score, and at least 100 of 10 units are needed" in found(world, watching).sentence


def test_segments_whose_scores_say_too_little_are_named(world: Any, watching: Callable[..., Any]) -> None:
    taught(world)
    scores, happened = serve(world, 1500, 0.0)
    for i, row in enumerate(world.rows):
        row["context.region"] = "south" if i % 3 == 0 else "north"
    for i, outcome in enumerate(world.outcomes):
        if i % 3 == 0:
            outcome["value_text"] = "b"
    happened[::3] = True
    spec = watching(ACCURACY, calibration=True, segments=("context.region",))
    windows = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    (window,) = [window for window in windows if window.monitor == "calibration"]
    chances = world.profile.lesson.calibrator.apply(scores)
    off = {rate.group: rate for rate in window.rates}
    assert off["south"].value == pytest.approx((happened - chances)[::3].mean())
    assert off["south"].rows == 500
    assert abs(off["north"].value) < 0.05 < off["south"].lower
    assert "In context.region south it is +" in window.sentence


def test_one_segment_of_everything_says_what_the_whole_says(world: Any, watching: Callable[..., Any]) -> None:
    taught(world)
    serve(world, 1500, 0.0)
    for row in world.rows:
        row["context.region"] = "north"
    spec = watching(ACCURACY, calibration=True, segments=("context.region",))
    windows = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    (window,) = [window for window in windows if window.monitor == "calibration"]
    (rate,) = window.rates
    assert window.calibrated is not None
    assert (rate.value, rate.lower, rate.upper) == (
        pytest.approx(window.calibrated.off),
        pytest.approx(window.calibrated.lower),
        pytest.approx(window.calibrated.upper),
    )
