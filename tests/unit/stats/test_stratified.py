import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from seatrial.spec.errors import BadInput
from seatrial.stats.proportion import wilson
from seatrial.stats.stratified import Stratum, allocate, stratified_difference, stratified_part, stratified_share


def test_every_sample_of_a_small_population_averages_to_its_truth() -> None:
    population = {"a": [0.0, 1.0, 1.0, 0.0, 1.0], "b": [1.0, 0.0, 0.0, 0.0]}
    found = [
        stratified_share([Stratum(5, 3, sum(a)), Stratum(4, 2, sum(b))]).value
        for a in itertools.combinations(population["a"], 3)
        for b in itertools.combinations(population["b"], 2)
    ]
    assert np.mean(found) == pytest.approx(sum(map(sum, population.values())) / 9, rel=1e-12)


def test_one_stratum_is_wilsons_interval() -> None:
    found = stratified_share([Stratum(1000, 60, 42)])
    assert (found.lower, found.upper) == pytest.approx(tuple(wilson(42, 60)), rel=1e-12)
    assert (found.value, found.labelled) == (0.7, 60)


def test_kinds_of_which_all_labels_are_alike_are_not_taken_for_certain() -> None:
    found = stratified_share([Stratum(9000, 50, 50), Stratum(1000, 200, 120)])
    assert found.value == pytest.approx(0.96)
    assert found.lower is not None
    assert found.lower < 0.9, "of 50 that are all right, 7 % may be wrong"


SIZES = np.array([4500, 400, 100])
LABELS = (50, 100, 50)


def worlds(seed: int, n: int = 400) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Kinds of pairs as traffic brings them, and of each kind the labels drawn: sizes, labelled, label is "yes"."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        sizes = rng.multinomial(SIZES.sum(), SIZES / SIZES.sum())
        labelled = np.minimum(sizes, LABELS)
        found.append((sizes, labelled, rng.binomial(labelled, YES)))
    return found


YES = np.array([0.02, 0.6, 0.9])
SHARES = SIZES / SIZES.sum()


def holds(hits: int, of: int) -> bool:
    """Not fewer than an interval of 95 % may hold by chance, at 1 in 1 000."""
    return bool(scipy_stats.binom.cdf(hits, of, 0.95) > 1e-3)


def test_shares_cover_what_such_traffic_holds() -> None:
    truth = float(SHARES @ YES)
    found = [stratified_share([Stratum(*map(int, s)) for s in zip(*world, strict=True)]) for world in worlds(1)]
    assert holds(sum(one.lower <= truth <= one.upper for one in found), len(found))


def test_differences_cover_it_too() -> None:
    """The first kind is of one answer; in the others the challenger says yes and the champion no."""
    truth = float(SHARES[1:] @ (2 * YES[1:] - 1))
    found = [
        stratified_difference([Stratum(*map(int, s)) for s in list(zip(*world, strict=True))[1:]], int(world[0][0]))
        for world in worlds(2)
    ]
    assert holds(sum(one.lower <= truth <= one.upper for one in found), len(found))
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.003)


def test_recalls_cover_it_too() -> None:
    """A model says yes on the last two kinds; of all that are yes, which share does it find?"""
    truth = float(SHARES[1:] @ YES[1:] / (SHARES @ YES))
    found = [
        stratified_part(strata[1:], strata[:1])
        for strata in ([Stratum(*map(int, s)) for s in zip(*world, strict=True)] for world in worlds(3))
    ]
    assert holds(sum(one.lower <= truth <= one.upper for one in found), len(found))


def test_a_part_of_one_kind_each_is_where_its_contrast_is_nothing() -> None:
    found = stratified_part([Stratum(500, 40, 30)], [Stratum(500, 40, 10)])
    assert found.value == pytest.approx(0.75)
    mirrored = stratified_part([Stratum(500, 40, 10)], [Stratum(500, 40, 30)])
    assert (1 - mirrored.upper, 1 - mirrored.lower) == pytest.approx((found.lower, found.upper), abs=1e-9)


def test_what_nothing_is_known_of_has_no_value() -> None:
    assert stratified_share([]).value is None
    assert stratified_difference([], 0).value is None
    assert stratified_part([Stratum(9, 3, 0)], [Stratum(9, 3, 0)]).value is None
    assert stratified_difference([], 7).value == 0
    found = stratified_part([Stratum(9, 3, 2)], [])
    assert (found.value, found.upper) == (1, 1)


@pytest.mark.parametrize("stratum", [Stratum(1, 2, 1), Stratum(5, 2, 3), Stratum(5, 0, 0), Stratum(5, 2, -1)])
def test_counts_that_cannot_be_are_refused(stratum: Stratum) -> None:
    with pytest.raises(BadInput, match="cannot be"):
        stratified_share([stratum])


@given(
    st.lists(
        st.integers(1, 5000).flatmap(
            lambda size: st.integers(1, min(size, 60)).flatmap(
                lambda n: st.builds(Stratum, st.just(size), st.just(n), st.integers(0, n))
            )
        ),
        min_size=1,
        max_size=6,
    )
)
def test_values_lie_inside_their_intervals(strata: list[Stratum]) -> None:
    parts = [stratified_share(strata), stratified_difference(strata, 17), stratified_part(strata[:1], strata[1:])]
    for found in parts:
        if found.value is not None:
            assert found.lower - 1e-9 <= found.value <= found.upper + 1e-9
            assert -1 <= found.lower <= found.upper <= 1


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 10_000), min_size=1, max_size=20), st.integers(1, 500))
def test_every_stratum_gets_two_and_none_more_than_it_has(sizes: dict[str, int], wanted: int) -> None:
    drawn = allocate(sizes, wanted)
    assert drawn.keys() == sizes.keys()
    assert all(min(2, size) <= drawn[name] <= size for name, size in sizes.items())
    assert sum(drawn.values()) <= wanted + 3 * len(sizes)
