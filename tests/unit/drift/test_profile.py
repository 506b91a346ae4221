"""The profile that is stored with a version."""

import numpy as np
import pytest

from seatrial.drift import Baseline, Profile, accuracy_baseline, classification_profile, regression_profile
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature

AGE = Feature(name="age", kind="number")


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match="no column 'age'"):
        Profile.from_values([AGE], {"ages": [1]})


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match=r"different lengths \[1, 2\]"):
        Profile.from_values([AGE, Feature(name="b", kind="number")], {"age": [1], "b": [1, 2]})


def test_something_else_is_not_a_profile() -> None:
    with pytest.raises(BadInput, match="not a reference profile"):
        Profile.from_json(b'{"rows": "many"}')


def test_a_profile_of_sixty_pixels_is_small() -> None:
    rng = np.random.default_rng(0)
    features = [Feature(name=f"p{i}", kind="integer") for i in range(64)]
    made = Profile.from_values(features, {f.name: rng.integers(0, 17, 1000) for f in features})
    assert len(made.to_json()) < 64_000


def test_two_classes_have_a_score_and_more_have_a_confidence() -> None:
    two = classification_profile([0, 1, 1], [[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]], [0, 1])
    assert [part.name for part in two] == ["label", "score"]
    assert (two[0].categories, two[0].counts) == (("0", "1"), (1, 2, 0))
    assert two[1].moments.mean == pytest.approx((0.2 + 0.6 + 0.9) / 3)
    three = classification_profile(["a", "b"], [[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]], ["a", "b", "c"])
    assert [part.name for part in three] == ["label", "confidence"]
    assert three[1].moments.mean == pytest.approx(0.6)


def test_labels_of_one_meaning_are_one_label() -> None:
    found = accuracy_baseline([3, 3.0, "3", True, 2], [3.0, "3", 3, "true", 5])
    assert found == Baseline(0.8, 5, pytest.approx((0.16 / 5) ** 0.5))


def test_a_regression_has_a_value() -> None:
    (value,) = regression_profile([1.0, 2.0])
    assert (value.name, value.moments.mean) == ("value", 1.5)
