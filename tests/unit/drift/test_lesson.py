"""What a holdout teaches, and what is made of it in a window."""

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from seatrial.drift import FeatureProfile, Profile
from seatrial.drift.estimates import Lesson
from seatrial.drift.estimates.known import known_rows
from seatrial.drift.estimates.lesson import (
    LEAST_ROWS,
    as_accuracy,
    estimate_by_scores,
    estimate_by_tree,
    lesson_of_errors,
    lesson_of_scores,
)
from seatrial.spec.signature import Feature

AGE = FeatureProfile.from_values(Feature(name="age", kind="number"), [1.0, 2.0])
PLAN = FeatureProfile.from_values(Feature(name="plan", kind="category"), ["a", "a", "b"])
NOTE = FeatureProfile.from_values(Feature(name="note", kind="text"), ["a", "bb"])
VALUE = FeatureProfile.from_values(Feature(name="value", kind="number"), [1.0, 2.0])


def a_tree(rng: np.random.Generator, n: int = 4000) -> tuple[Lesson, dict[str, Any], NDArray[np.float64]]:
    """Errors of 1 below age 50 and of 3 above."""
    values: dict[str, Any] = {"age": rng.uniform(0, 100, n), "plan": rng.choice(["a", "b"], n), "note": ["x"] * n}
    errors = np.where(values["age"] < 50, 1.0, 3.0) + rng.normal(0, 0.1, n) ** 2
    lesson = lesson_of_errors([AGE, PLAN, NOTE], VALUE, values, np.zeros(n), errors)
    assert lesson is not None
    return lesson, values, errors


def test_known_rows_are_numbers_positions_of_categories_and_one_place_for_the_rest() -> None:
    rows = known_rows([AGE, PLAN], {"age": [1, None, 3.5, 4], "plan": ["b", "a", None, "z"]})
    np.testing.assert_array_equal(rows, [[1, 1], [np.nan, 0], [3.5, np.nan], [4, 2]])


def test_scores_teach_from_fifty_rows_on() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(LEAST_ROWS)
    assert lesson_of_scores(scores[1:], scores[1:] > 0.5) is None
    assert lesson_of_scores(scores, scores > 0.5) is not None


def test_scores_that_are_no_chances_teach_nothing() -> None:
    margins = np.linspace(-3, 3, 200)
    assert lesson_of_scores(margins, margins > 0) is None


def test_scores_that_single_precision_rounded_beyond_one_are_chances() -> None:
    scores = np.full(200, 1 + 1e-7)
    scores[:100] = 0.25
    lesson = lesson_of_scores(scores, np.arange(200) >= 75)
    assert lesson is not None
    assert lesson.calibrator is not None
    assert estimate_by_scores(lesson.calibrator, scores, scores > 0.5) is not None


def test_a_tree_takes_numbers_and_categories_and_no_texts() -> None:
    lesson, values, errors = a_tree(np.random.default_rng(1))
    assert [column.name for column in lesson.features] == ["age", "plan"]
    assert all(column.counts == () for column in lesson.features)
    found = estimate_by_tree(lesson, values, np.zeros(4000))
    assert found.value == pytest.approx(errors.mean(), abs=0.05)


def test_the_estimate_follows_the_inputs() -> None:
    lesson, _, _ = a_tree(np.random.default_rng(2))
    old = {"age": np.full(500, 80.0), "plan": ["a"] * 500}
    assert estimate_by_tree(lesson, old, np.zeros(500)).value == pytest.approx(3.0, abs=0.05)


def test_rows_without_a_score_are_left_out_and_none_with_one_is_no_estimate() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(2000)
    lesson = lesson_of_scores(scores, rng.random(2000) < scores)
    assert lesson is not None
    assert lesson.calibrator is not None
    holes = np.append(scores[:300], [np.nan] * 100)
    found = estimate_by_scores(lesson.calibrator, holes, holes > 0.5)
    assert found == estimate_by_scores(lesson.calibrator, scores[:300], scores[:300] > 0.5)
    assert estimate_by_scores(lesson.calibrator, [np.nan], [False]) is None


def test_a_share_of_wrong_answers_is_turned_into_accuracy() -> None:
    rng = np.random.default_rng(4)
    ages = rng.uniform(0, 100, 2000)
    wrong = (rng.random(2000) < np.where(ages < 50, 0.05, 0.4)).astype(float)
    lesson = lesson_of_errors([AGE], PLAN, {"age": ages}, ["a"] * 2000, wrong)
    assert lesson is not None
    share = estimate_by_tree(lesson, {"age": ages}, ["a"] * 2000)
    right = as_accuracy(share)
    assert (right.value, right.lower, right.upper) == (1 - share.value, 1 - share.upper, 1 - share.lower)
    assert right.lower < 1 - wrong.mean() < right.upper


def test_a_lesson_is_stored_with_a_profile_and_small() -> None:
    lesson, values, _ = a_tree(np.random.default_rng(5))
    scores = np.random.default_rng(6).random(20_000)
    by_scores = lesson_of_scores(scores, np.random.default_rng(7).random(20_000) < scores)
    for one in (lesson, by_scores):
        stored = Profile(rows=1, lesson=one).to_json()
        assert Profile.from_json(stored).lesson == one
        assert len(stored) < 20_000
    again = msgspec.json.decode(msgspec.json.encode(lesson), type=Lesson)
    assert estimate_by_tree(again, values, np.zeros(4000)) == estimate_by_tree(lesson, values, np.zeros(4000))


def test_a_leaf_without_a_wrong_answer_is_not_certain_and_the_interval_holds_what_comes() -> None:
    """True error 1 %, 200 rows of holdout, windows of 1 000: seeds 0 to 119."""
    inside = 0
    answer = FeatureProfile.from_values(Feature(name="label", kind="category"), ["a", "b"] * 100)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x, wrong = rng.normal(size=200), (rng.random(200) < 0.01).astype(float)
        feature = FeatureProfile.from_values(Feature(name="x", kind="number"), x)
        lesson = lesson_of_errors([feature], answer, {"x": x}, rng.choice(["a", "b"], 200).tolist(), wrong)
        assert lesson is not None
        found = estimate_by_tree(lesson, {"x": rng.normal(size=1000)}, rng.choice(["a", "b"], 1000).tolist())
        assert found.lower < found.upper
        assert found.lower <= found.value <= found.upper
        inside += found.holds(float((rng.random(1000) < 0.01).mean()))
    assert inside / 120 >= 0.9
