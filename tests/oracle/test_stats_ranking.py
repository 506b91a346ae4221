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


def test_coverage_of_fewer_units_is_the_mean_over_all_choices() -> None:
    shown = {"a": {0, 1, 2}, "b": {1}, "c": {4, 5}}
    counts = {item: len(units) for item, units in shown.items()}
    for at in (1, 3, 6):
        choices = list(itertools.combinations(range(6), at))
        by_hand = np.mean([sum(bool(units & set(choice)) for units in shown.values()) / 10 for choice in choices])
        assert catalogue_coverage(counts, 6, 10, at=at).share == pytest.approx(by_hand, rel=1e-9)
    assert catalogue_coverage(counts, 6, 10).shown == 3
    assert catalogue_coverage({}, 6, 10).share == 0


def test_the_coverages_interval_covers_what_such_units_see() -> None:
    rng = np.random.default_rng(2)
    chance = rng.beta(0.5, 20, 200)
    truth = float((1 - (1 - chance) ** 100).mean())
    covered = 0
    for _ in range(300):
        counts = rng.binomial(200, chance)
        covered += catalogue_coverage(counts.tolist(), 200, 200, at=100).interval.contains(truth)
    assert covered / 300 >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / 300)


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
        (lambda: catalogue_coverage({"a": 7}, 6, 10), "cannot be"),
        (lambda: catalogue_coverage({"a": 1}, 6, 10, at=7), "cannot be"),
        (lambda: click_through([1], [1, 0]), "not one an impression"),
    ],
)
def test_what_is_no_ranking_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()
