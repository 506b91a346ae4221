import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from seatrial.spec.errors import BadInput
from seatrial.stats.stratified import allocate, weighted_ratio


def test_every_sample_of_a_small_population_averages_to_its_truth() -> None:
    population = {"a": [0.0, 1.0, 1.0, 0.0, 1.0], "b": [1.0, 0.0, 0.0, 0.0]}
    truth = sum(sum(v) for v in population.values()) / 9
    sizes = {name: len(values) for name, values in population.items()}
    found, variances = [], []
    for a in itertools.combinations(population["a"], 3):
        for b in itertools.combinations(population["b"], 2):
            one = weighted_ratio([*a, *b], np.ones(5), ["a"] * 3 + ["b"] * 2, sizes)
            found.append(one.value)
            variances.append(((one.upper - one.lower) / 2 / scipy_stats.norm.ppf(0.975)) ** 2)
    assert np.mean(found) == pytest.approx(truth, rel=1e-12)
    assert np.mean(variances) == pytest.approx(np.var(found), rel=1e-12)


def test_intervals_of_precision_cover_its_truth() -> None:
    rng = np.random.default_rng(1)
    strata = np.repeat(["a", "b", "c"], [3000, 800, 200])
    x = rng.random(4000) < np.select([strata == "a", strata == "b"], [0.3, 0.8], 0.5)
    y = x & (rng.random(4000) < 0.7)
    sizes = {"a": 3000, "b": 800, "c": 200}
    held = 0
    for _ in range(600):
        at = np.concatenate([rng.choice(np.flatnonzero(strata == s), 100, replace=False) for s in "abc"])
        one = weighted_ratio(y[at], x[at], strata[at], sizes)
        held += one.lower <= y.sum() / x.sum() <= one.upper
    assert scipy_stats.binom.cdf(held, 600, 0.95) > 1e-3


def test_a_whole_population_is_known_exactly_and_one_label_has_no_interval() -> None:
    whole = weighted_ratio([1, 0, 1], np.ones(3), ["a", "a", "b"], {"a": 2, "b": 1})
    assert (whole.value, whole.lower, whole.upper) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert weighted_ratio([1], [1], ["a"], {"a": 9}).lower is None
    assert weighted_ratio([0.0], [0.0], ["a"], {"a": 9}).value is None


def test_more_labels_than_members_are_refused() -> None:
    with pytest.raises(BadInput, match="2 labels of 1 members"):
        weighted_ratio([1, 1], [1, 1], ["a", "a"], {"a": 1})


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 10_000), min_size=1, max_size=20), st.integers(1, 500))
def test_every_stratum_gets_two_and_none_more_than_it_has(sizes: dict[str, int], wanted: int) -> None:
    drawn = allocate(sizes, wanted)
    assert drawn.keys() == sizes.keys()
    assert all(min(2, size) <= drawn[name] <= size for name, size in sizes.items())
    assert sum(drawn.values()) <= wanted + 3 * len(sizes)
