"""Ranked lists against scikit-learn, worked examples, definitions and enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from seatrial.spec.errors import BadInput
from seatrial.stats.quality import by_unit, mean_score
from seatrial.stats.ranking import (
    catalogue_coverage,
    click_through,
    coverage_difference,
    hit_rate,
    mean_reciprocal_rank,
    ndcg_at,
    overlap_at,
    precision_at,
    rank_biased_overlap,
    recall_at,
)

GAINS = [[0, 1, 0, 1], [0, 0, 0, 0], [3, 0, 2, 0]]


def values(rows: object) -> list[float]:
    numerator, denominator = rows  # type: ignore[misc]
    return [n for n, d in zip(numerator, denominator, strict=True) if d]


def test_a_worked_example() -> None:
    assert values(hit_rate(GAINS, 1)) == [0, 0, 1]
    assert values(hit_rate(GAINS, 2)) == [1, 0, 1]
    assert values(precision_at(GAINS, 4)) == [0.5, 0, 0.5]
    assert values(precision_at(GAINS, 5)) == pytest.approx([0.4, 0, 0.4])
    assert values(recall_at(GAINS, 2, [4, 0, 2])) == [0.25, 0.5]
    assert values(mean_reciprocal_rank(GAINS)) == [0.5, 0, 1]
    assert values(mean_reciprocal_rank(GAINS, 1)) == [0, 0, 1]
    ideal = 3 / math.log2(2) + 2 / math.log2(3)
    assert values(ndcg_at(GAINS, 3))[1] == pytest.approx((3 + 2 / math.log2(4)) / ideal)


def test_ndcg_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    relevance = rng.integers(0, 4, (30, 12)).astype(float)
    scores = rng.random((30, 12))
    shown = np.take_along_axis(relevance, np.argsort(-scores, axis=1), axis=1)
    for k in (1, 5, 12):
        ours = mean_score(by_unit(ndcg_at(shown, k, relevance))).value
        assert ours == pytest.approx(ndcg_score(relevance, scores, k=k), rel=1e-9)


def test_requests_of_one_unit_are_one_observation() -> None:
    once = mean_score(by_unit(hit_rate(GAINS, 2)))
    thrice = mean_score(by_unit(hit_rate(np.repeat(GAINS, 3, axis=0), 2), np.repeat([0, 1, 2], 3)))
    assert thrice.value == once.value
    assert thrice.interval == pytest.approx(once.interval)
    assert thrice.units == 3


def agreement(one: str, other: str, depth: int) -> float:
    return len(set(one[:depth]) & set(other[:depth])) / depth


@pytest.mark.parametrize(
    ("one", "other"), [("abcde", "abcde"), ("abcde", "edcba"), ("abc", "xyz"), ("abcdefg", "bacdgfx")]
)
def test_rank_biased_overlap_of_lists_of_one_length_is_its_infinite_sum(one: str, other: str) -> None:
    """The agreement at the last depth, taken to go on for ever."""
    p, n = 0.9, len(one)
    terms = [(1 - p) * p ** (d - 1) * agreement(one, other, min(d, n)) for d in range(1, 600)]
    assert rank_biased_overlap(one, other, p) == pytest.approx(sum(terms), rel=1e-9, abs=1e-12)


def test_rank_biased_overlap_of_lists_of_two_lengths() -> None:
    """Where the shorter list ends its agreement goes on: the overlap grows by its share at every further place."""
    one, other, p = "abcdefgh", "bacq", 0.8
    s, n = 4, 8
    seen = {d: len(set(one[:d]) & set(other[: min(d, s)])) for d in range(1, n + 1)}
    at = {d: (seen[d] + (seen[s] * (d - s) / s if d > s else 0)) / d for d in seen}
    terms = [(1 - p) * p ** (d - 1) * at[min(d, n)] for d in range(1, 400)]
    assert rank_biased_overlap(one, other, p) == pytest.approx(sum(terms), rel=1e-9)
    assert rank_biased_overlap(other, one, p) == rank_biased_overlap(one, other, p)


@given(st.permutations("abcdef"), st.permutations("abcdefgh"), st.floats(0.1, 0.95))
def test_likeness_lies_between_nothing_and_all(one: list[str], other: list[str], p: float) -> None:
    assert 0 <= rank_biased_overlap(one, other, p) <= 1 + 1e-12
    assert rank_biased_overlap(one, one, p) == pytest.approx(1)
    assert overlap_at(one, other, 3) == overlap_at(other, one, 3)


def test_overlap() -> None:
    assert overlap_at("abcd", "badx", 3) == pytest.approx(2 / 3)
    assert overlap_at("a", "a", 5) == pytest.approx(0.2)
    assert rank_biased_overlap("", "") == 1
    assert rank_biased_overlap("", "a") == 0


SHOWN = {"a": {0, 1, 2}, "b": {1}, "c": {4, 5}}
UNITS = [unit for units in SHOWN.values() for unit in sorted(units)]
ITEMS = [item for item, units in SHOWN.items() for _ in units]


@pytest.mark.parametrize("at", [1, 3, 6])
def test_coverage_of_fewer_units_is_the_mean_over_all_choices(at: int) -> None:
    choices = list(itertools.combinations(range(6), at))
    by_hand = np.mean([sum(bool(units & set(choice)) for units in SHOWN.values()) / 10 for choice in choices])
    found = catalogue_coverage(UNITS, ITEMS, 6, 10, at=at)
    assert found.share == pytest.approx(by_hand, rel=1e-9)
    assert (found.shown, found.units, found.at) == (3, 6, at)


@pytest.mark.parametrize("at", [1, 2, 4, 5])
def test_the_coverages_error_is_the_jackknifes_unit_by_unit(at: int) -> None:
    without = []
    for gone in range(6):
        kept = [i for i, unit in enumerate(UNITS) if unit != gone]
        without.append(catalogue_coverage([UNITS[i] for i in kept], [ITEMS[i] for i in kept], 5, 10, at=at).share)
    by_hand = math.sqrt(5 / 6 * sum((one - np.mean(without)) ** 2 for one in without))
    assert catalogue_coverage(UNITS, ITEMS, 6, 10, at=at).se == pytest.approx(by_hand, rel=1e-9, abs=1e-12)


def test_an_item_shown_to_a_unit_again_is_shown_once() -> None:
    again = catalogue_coverage([*UNITS, 0, 0], [*ITEMS, "a", "a"], 6, 10, at=3)
    assert again == catalogue_coverage(UNITS, ITEMS, 6, 10, at=3)


def lists(rng: np.random.Generator, n: int, tastes: int, items: int = 240, k: int = 6) -> tuple[list[int], list[int]]:
    """Units of a few tastes are shown k of the items of their taste, some far oftener than others."""
    per = items // tastes
    weights = 1 / np.arange(1, per + 1) ** 1.1
    units, seen = [], []
    for unit, taste in enumerate(rng.integers(0, tastes, n)):
        # Gumbel's trick: k items without replacement
        keys = np.log(weights) - np.log(-np.log(rng.random(per)))
        units += [unit] * k
        seen += (int(taste) * per + np.argsort(-keys)[:k]).tolist()
    return units, seen


@pytest.mark.parametrize("tastes", [1, 12])
def test_the_coverages_interval_covers_what_such_units_see(tastes: int) -> None:
    rng = np.random.default_rng(2)
    n, at, worlds = 60, 30, 150
    found = [catalogue_coverage(*lists(rng, n, tastes), n, 240, at=at) for _ in range(worlds)]
    truth = np.mean([catalogue_coverage(*lists(rng, at, tastes), at, 240).share for _ in range(600)])
    covered = sum(one.interval is not None and one.interval.contains(truth) for one in found)
    assert covered / worlds >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / worlds)
    spread = np.std([one.share for one in found])
    assert 0.85 * spread < np.mean([one.se for one in found]) < 2 * spread, "never far too small, never useless"


def test_coverages_are_compared_at_one_number_of_units() -> None:
    rng = np.random.default_rng(3)
    wide, narrow = (catalogue_coverage(*lists(rng, 200, tastes), 200, 240, at=100) for tastes in (12, 1))
    found = coverage_difference(narrow, wide)
    assert found.effect == pytest.approx(narrow.share - wide.share)
    assert found.lower is not None
    assert found.upper is not None
    assert found.upper - found.effect == pytest.approx(1.959964 * math.hypot(narrow.se, wide.se), rel=1e-6)
    everything = catalogue_coverage(UNITS, ITEMS, 6, 10)
    assert (everything.interval, coverage_difference(everything, everything).p_value) == (None, None)
    with pytest.raises(BadInput, match="not comparable"):
        coverage_difference(wide, everything)


def test_clicks_by_place() -> None:
    found = click_through([1, 2, 1, 2, 1], [1, 0, 0, 0, 1], ["a", "a", "b", "b", "c"])
    assert [(p.place, p.shown, p.clicks.value, p.clicks.units) for p in found] == [(1, 3, 2 / 3, 3), (2, 2, 0.0, 2)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hit_rate([1, 2], 1), "requests by places"),
        (lambda: hit_rate([[-1.0]], 1), "requests by places"),
        (lambda: hit_rate(GAINS, 0), "no number of places"),
        (lambda: recall_at(GAINS, 4, [1, 0, 2]), "none below those found"),
        (lambda: ndcg_at(GAINS, 2, [[1.0]]), "not one each"),
        (lambda: overlap_at("aa", "ab", 2), "holds one twice"),
        (lambda: overlap_at("a", "b", 0), "no number of places"),
        (lambda: rank_biased_overlap("a", "b", 1.0), "persistence"),
        (lambda: catalogue_coverage(UNITS, ITEMS, 4, 10), "cannot be"),
        (lambda: catalogue_coverage(UNITS, ITEMS, 6, 2), "cannot be"),
        (lambda: catalogue_coverage(UNITS, ITEMS, 6, 10, at=7), "cannot be"),
        (lambda: catalogue_coverage([], [], 6, 10), "cannot be"),
        (lambda: click_through([1], [1, 0]), "not one an impression"),
    ],
)
def test_what_is_no_ranking_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()
