"""Comparing answers: flips, distances, shapes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.models.features import infer_features
from seatrial.models.made_rows import UNSEEN, made_rows, unsafe_features
from seatrial.models.originals import Predicted
from seatrial.models.parity import compare, served_answers
from seatrial.models.performance import performance
from seatrial.models.rounding import at_or_below, nearest
from seatrial.spec.signature import Answer, Feature


def answers(labels: list[object], scores: list[list[float]] | None = None) -> Predicted:
    return Predicted(np.array(labels, dtype=object), None if scores is None else np.array(scores))


def test_the_same_answers_agree() -> None:
    one = answers(["a", "b"], [[0.9, 0.1], [0.2, 0.8]])
    assert compare(one, one, "classification").within(0.0)


def test_a_label_flip_never_agrees() -> None:
    difference = compare(answers(["a", "b"]), answers(["a", "a"]), "classification")
    assert (difference.label_flips, difference.row) == (1, 1)
    assert not difference.within(1.0)
    assert "1 of 2 labels flip" in difference.sentence(2)


def test_labels_of_different_types_are_the_same_label() -> None:
    served = Predicted(np.array([1, 0], dtype=np.int64), None)
    assert compare(answers([1.0, 0.0]), served, "classification").within(0.0)


def test_probabilities_are_compared_absolutely() -> None:
    left = answers([0], [[0.6, 0.4]])
    right = answers([0], [[0.6003, 0.3997]])
    difference = compare(left, right, "classification")
    assert difference.worst_probability == pytest.approx(3e-4)
    assert not difference.within(1e-4)
    assert difference.within(1e-3)


def test_values_are_compared_relatively_and_near_zero_by_their_scale() -> None:
    left = Predicted(np.array([1e6, 1e6, 0.0]), None)
    right = Predicted(np.array([1e6 + 50, 1e6, 1.0]), None)
    difference = compare(left, right, "regression")
    assert difference.worst_relative == pytest.approx(5e-5)


def test_a_nan_on_one_side_is_no_agreement() -> None:
    left, right = Predicted(np.array([1.0, np.nan]), None), Predicted(np.array([np.nan, np.nan]), None)
    assert compare(left, right, "regression").worst_relative == np.inf
    assert compare(right, right, "regression").within(0.0)


def test_shapes_are_compared() -> None:
    difference = compare(answers(["a"], [[1.0, 0.0]]), answers(["a"], [[1.0, 0.0, 0.0]]), "classification")
    assert "shape (1, 3), the original's (1, 2)" in difference.sentence(1)
    assert not difference.within(1.0)


def test_positions_become_labels() -> None:
    answer = Answer(prediction="label", classes=("no", "yes"), prediction_is_index=True)
    assert list(served_answers({"label": np.array([1, 0])}, answer).prediction) == ["yes", "no"]


floats = st.floats(-1e30, 1e30, allow_nan=False)


@given(threshold=floats, value=st.floats(-(2.0**100), 2.0**100, width=32))
def test_at_or_below_sends_every_float32_where_the_threshold_does(threshold: float, value: float) -> None:
    narrow = at_or_below(np.array([threshold]))[0]
    assert (np.float32(value) <= narrow) == (value <= threshold)


@given(threshold=floats)
def test_at_or_below_is_the_largest(threshold: float) -> None:
    narrow = at_or_below(np.array([threshold]))[0]
    assert float(narrow) <= threshold < float(np.nextafter(narrow, np.float32(np.inf)))


@given(threshold=floats, value=floats)
def test_nearest_never_sends_a_value_at_or_below_the_other_way(threshold: float, value: float) -> None:
    if value <= threshold:
        assert np.float32(value) <= nearest(np.array([threshold]))[0]


def test_made_rows_hold_every_strange_value_in_the_columns_own_types() -> None:
    frame = pd.DataFrame(
        {
            "x": pd.Series([0.5, 1.5, np.nan]),
            "n": pd.Series([1, 2, 3], dtype="int32"),
            "c": pd.Categorical(["a", "b", None]),
            "s": pd.Series(["p", "q", "p"]),
        }
    )
    made = made_rows(frame, infer_features(frame), {"x": np.array([0.7]), "n": np.array([1.5])})
    assert made["x"].isna().any()
    assert (made["x"] == 0.7).any()
    assert {1, 2, 2**24 + 1} <= set(made["n"])
    assert {UNSEEN, ""} <= set(made["s"])
    assert made["c"].isna().any()
    assert made["s"].notna().all()
    assert [str(t) for t in made.dtypes] == [str(t) for t in frame.dtypes]


def test_thresholds_of_float32_columns_come_with_their_neighbours() -> None:
    frame = pd.DataFrame({"x": np.array([0.0, 1.0], dtype=np.float32)})
    made = made_rows(frame, infer_features(frame), {"x": np.array([0.1])})
    near = np.float32(0.1)
    steps = {np.nextafter(near, np.float32(-1)), near, np.nextafter(near, np.float32(1))}
    assert steps <= set(made["x"].to_numpy())


def test_columns_that_float32_cannot_hold_are_named() -> None:
    frame = pd.DataFrame({"id": [123456789, 123456790], "small": [1, 2], "tenth": [0.1, 0.2]})
    assert unsafe_features(frame, infer_features(frame)) == ("id",)


def test_performance_is_by_hand() -> None:
    predicted = answers(["a", "b"], [[0.75, 0.25], [0.5, 0.5]])
    metrics = performance("classification", predicted, np.array(["a", "a"]), ("a", "b"))
    assert metrics["accuracy"] == 0.5
    assert metrics["log_loss"] == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2)
    values = performance("regression", Predicted(np.array([1.0, 3.0]), None), np.array([2.0, 5.0]), ())
    assert values == pytest.approx({"mae": 1.5, "rmse": np.sqrt(2.5), "r2": 1 - 5 / 4.5})


def test_a_feature_that_is_not_nullable_has_no_missing_row() -> None:
    frame = pd.DataFrame({"x": [0.5, 1.5]})
    assert made_rows(frame, (Feature(name="x", kind="number"),), {})["x"].notna().all()
