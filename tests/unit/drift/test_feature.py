"""What a reference keeps of a column of each kind, and how a window is counted by it."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from seatrial.drift import FeatureProfile, decide_window, profile_of_window
from seatrial.drift.feature import MOST_CATEGORIES
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature, FeatureKind


def reference(kind: FeatureKind, values: Any, **more: Any) -> FeatureProfile:
    return FeatureProfile.from_values(Feature(name="x", kind=kind, **more), values)


def test_a_continuous_column_is_cut_into_ten_equal_parts_with_open_ends() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    found = reference("number", values)
    assert len(found.bins.edges) == 9
    assert found.counts == (100,) * 10
    window = profile_of_window(found, [-1e9, 1e9])
    assert (window.counts[0], window.counts[-1], window.outside) == (1, 1, 2)


def test_a_value_with_much_of_the_mass_has_a_cell_of_its_own() -> None:
    found = reference("integer", [0] * 600 + list(range(1, 401)))
    assert found.bins.atoms == (0.0,)
    assert found.counts[:2] == (0, 600)
    assert profile_of_window(found, [-1, 0, 0, 1]).counts[:3] == (1, 2, 1)


def test_a_constant_column_has_one_cell_for_its_value() -> None:
    found = reference("integer", [0] * 50)
    assert found.counts == (0, 50, 0)
    assert (found.moments.sd, found.limits) == (0.0, (0.0, 0.0))
    assert profile_of_window(found, [0, 3]).outside == 1


def test_missing_values_are_counted_apart() -> None:
    found = reference("number", [1.0, None, float("nan"), 2.0])
    assert (found.rows, found.missing, found.present, found.missing_rate) == (4, 2, 2, 0.5)


def test_a_boolean_is_counted_as_two_values() -> None:
    found = reference("boolean", [True, False, None, True])
    assert (found.bins.atoms, found.moments.mean) == ((0.0, 1.0), pytest.approx(2 / 3))


def test_a_category_has_its_known_values_and_a_cell_for_every_other() -> None:
    found = reference("category", ["b", "a", "b", None], categories=("a", "b", "z"))
    assert (found.categories, found.counts, found.missing) == (("a", "b", "z"), (1, 2, 0, 0), 1)
    assert profile_of_window(found, ["q", "a", "q"]).unseen == 2


def test_categories_of_the_reference_are_the_most_frequent_first() -> None:
    found = reference("category", ["rare", *["often"] * 3, "once"])
    assert found.categories == ("often", "once", "rare")
    assert found.barely_listed == 2


def test_a_text_is_watched_by_its_length_and_by_being_empty() -> None:
    found = reference("text", ["", "abc", "defg", None])
    assert 0.0 in found.bins.atoms
    assert (found.moments.mean, found.missing) == (pytest.approx(7 / 3), 1)
    assert profile_of_window(found, ["", ""]).counts[:2] == (0, 2)


@pytest.mark.parametrize("kind", ["list", "embedding"])
def test_a_vector_is_watched_by_its_norm(kind: FeatureKind) -> None:
    assert reference(kind, [[3.0, 4.0], None, [0.0, 0.0]]).moments.mean == 2.5
    assert reference(kind, np.array([[3.0, 4.0]])).moments.mean == 5.0


def test_an_id_and_a_time_are_watched_for_missing_values_only() -> None:
    assert reference("id", ["a", None]).missing == 1
    found = reference("time", [datetime(2026, 1, 1, tzinfo=UTC), None])
    assert (found.missing, found.counts) == (1, ())


def test_infinities_are_counted_and_kept_out_of_moments() -> None:
    found = reference("number", [1.0, 2.0, np.inf, -np.inf, 1e300])
    assert (found.moments.n, found.maximum, sum(found.counts), found.outside) == (2, 2.0, 5, 3)


def test_numbers_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="abc"):
        reference("number", ["abc"])


def test_windows_of_different_references_do_not_merge() -> None:
    with pytest.raises(BadInput, match="different cells"):
        reference("number", [1, 2, 3]).merge(reference("number", [4, 5, 6]))


def test_an_empty_column_has_a_profile() -> None:
    found = reference("number", [None, None])
    assert (found.present, found.minimum, found.limits, sum(found.counts)) == (0, None, None, 0)


def leave_one_out(words: list[str]) -> float:
    """Rows whose category is not listed by all the other rows, by hand; equals are drawn by the alphabet's chance."""
    new = 0.0
    found = Counter(words)
    for word, count in found.items():
        rest = {**found, word: count - 1}
        more = sum(other > count - 1 for name, other in rest.items() if name != word)
        equal = sum(other == count - 1 for other in rest.values())
        places = max(0, MOST_CATEGORIES - more)
        new += count * (1 - min(1.0, places / equal))
    return new


@pytest.mark.parametrize("exponent", [0.5, 0.9, 1.2])
def test_rows_that_are_not_listed_are_as_many_as_when_each_is_left_out(exponent: float) -> None:
    rng = np.random.default_rng(0)
    chances = np.arange(1, 3001) ** -exponent
    words = [f"c{i}" for i in rng.choice(3000, 8000, p=chances / chances.sum())]
    found = reference("category", words)
    assert len(found.categories) == MOST_CATEGORIES
    assert found.unseen + found.barely_listed == pytest.approx(leave_one_out(words), rel=0.01)


@pytest.mark.parametrize("rows", [20_000, 100_000])
def test_a_long_tail_hides_no_new_category_and_makes_none(rows: int) -> None:
    """20 000 categories of which 1 000 are listed: nothing moved, then a tenth of the rows is of a new one."""
    rng = np.random.default_rng(0)
    chances = np.arange(1, 20_001) ** -0.9
    chances /= chances.sum()
    known = reference("category", [f"c{i}" for i in rng.choice(20_000, rows, p=chances)])
    effects = []
    for _ in range(20):
        values = np.array([f"c{i}" for i in rng.choice(20_000, 5000, p=chances)], dtype=object)
        (quiet,) = decide_window([(known, profile_of_window(known, values))])
        assert (quiet.severity, quiet.quality) == ("none", "none")
        measured = quiet.finding("unseen")
        assert measured is not None
        effects.append(measured.effect)
        values[rng.random(5000) < 0.1] = "new"
        (loud,) = decide_window([(known, profile_of_window(known, values))])
        assert "unseen" in loud.incidents
    assert abs(np.mean(effects)) < 0.01


def test_of_a_long_list_the_categories_that_the_reference_has_most_are_kept() -> None:
    """A dictionary of 5 000 values says nothing about which of them occur."""
    dictionary = tuple(f"{i:05d}" for i in range(5000))
    found = reference("category", ["04000"] * 300 + ["04500"] * 200 + ["00001"], categories=dictionary)
    assert found.categories[:4] == ("04000", "04500", "00001", "00000")
    assert (found.counts[:3], found.unseen, len(found.categories)) == ((300, 200, 1), 0, MOST_CATEGORIES)
