"""Ranks, permutation, bootstrap, exact tables, Fieller, false discovery: scipy, statsmodels, enumeration."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests

from seatrial.spec.errors import BadInput
from seatrial.stats.clustered_quantile import clustered_quantile, compare_clustered_quantiles
from seatrial.stats.e_values import e_bh, e_from_p
from seatrial.stats.exact_proportion import boschloo, exact_is_better, fisher
from seatrial.stats.false_discovery import benjamini_hochberg
from seatrial.stats.fieller import fieller, fieller_of
from seatrial.stats.mann_whitney import mann_whitney
from seatrial.stats.moments import PairMoments
from seatrial.stats.quantile import quantile
from seatrial.stats.resampling import bootstrap, bootstrap_difference, permutation_test


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (8, 8), (30, 12), (50, 50)])
def test_ranks_in_small_samples_are_counted(n: int, m: int) -> None:
    rng = np.random.default_rng(n + m)
    a, b = rng.normal(0.7, 1, n), rng.normal(0, 1, m)
    found, theirs = mann_whitney(a, b), stats.mannwhitneyu(a, b, method="exact")
    assert found.exact
    assert found.test.statistic == theirs.statistic
    assert found.test.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_ranks_with_ties() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, 200), rng.integers(0, 7, 150)
    found, theirs = mann_whitney(a, b), stats.mannwhitneyu(a, b, method="asymptotic")
    assert not found.exact
    assert (found.test.statistic, found.test.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    assert mann_whitney([2.0, 2.0], [2.0] * 3).test.p_value == 1.0


@pytest.mark.parametrize(("n", "m", "whole"), [(7, 4, False), (40, 31, False), (200, 150, True), (300, 77, False)])
def test_the_shift_is_the_median_of_all_differences(n: int, m: int, whole: bool) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.lognormal(0.5, 1, n), rng.lognormal(0, 1, m)
    if whole:
        a, b = np.floor(3 * a), np.floor(3 * b)
    found = mann_whitney(a, b).test
    differences = np.sort(np.subtract.outer(a, b).ravel())
    assert found.effect == pytest.approx(np.median(differences), rel=1e-12, abs=1e-12)
    assert found.lower is not None
    assert found.upper is not None
    assert np.isclose(differences, found.lower, rtol=1e-12, atol=1e-12).any()
    k = int((differences < found.lower - 1e-9).sum())
    assert k == int((differences > found.upper + 1e-9).sum()) or whole


def test_the_shifts_interval_holds_what_the_exact_test_does_not_refute() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.4, 1, 12), rng.normal(0, 1, 15)
    found = mann_whitney(a, b, 0.1).test
    assert found.lower is not None
    assert found.upper is not None
    for shift, inside in (
        (found.lower + 1e-9, True),
        (found.lower - 1e-9, False),
        (found.upper - 1e-9, True),
        (found.upper + 1e-9, False),
    ):
        assert (stats.mannwhitneyu(a - shift, b, method="exact").pvalue > 0.1) == inside


def test_permutations_are_all_counted_where_they_are_few() -> None:
    a, b = [3.1, 4.0, 2.2, 5.9, 3.3], [1.0, 2.1, 0.4, 3.2]
    ours = permutation_test(a, b, seed=0)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: abs(np.mean(x) - np.mean(y)), n_resamples=np.inf, alternative="greater"
    )
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.effect == pytest.approx(theirs.statistic, rel=1e-12)


def test_permutations_are_drawn_where_they_are_many() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.exponential(1.5, 40), rng.exponential(1, 40)
    drawn = permutation_test(a, b, seed=1, resamples=4999).p_value
    assert drawn is not None
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.abs(x.mean(axis) - y.mean(axis)),
        n_resamples=20_000,
        rng=3,
        vectorized=True,
        alternative="greater",
    )
    assert drawn == pytest.approx(theirs.pvalue, abs=4 * math.sqrt(theirs.pvalue / 4999))
    assert permutation_test(a, b, seed=1, resamples=4999).p_value == drawn


def test_the_bootstrap_is_scipys() -> None:
    rng = np.random.default_rng(3)
    x = rng.lognormal(0, 1, 40)
    ours = bootstrap(x, lambda s: s.mean(axis=-1), seed=1, resamples=20_000)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=20_000, method="BCa", rng=2).confidence_interval
    # Quantiles of resamples: 4 of their Monte-Carlo standard errors.
    assert ours == pytest.approx((theirs.low, theirs.high), abs=4 * 0.012 * (theirs.high - theirs.low))


def test_the_bootstrap_of_a_difference_is_scipys() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.gamma(2, 1, 30), rng.gamma(1, 1, 45)
    ours = bootstrap_difference(a, b, lambda s: np.median(s, axis=-1), seed=1, resamples=20_000)
    theirs = stats.bootstrap(
        (a, b), lambda x, y, axis: np.median(x, axis) - np.median(y, axis), n_resamples=20_000, method="BCa", rng=2
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.effect == pytest.approx(np.median(a) - np.median(b), rel=1e-12)
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), abs=0.06 * width)


TABLES = [(3, 10, 0, 9), (7, 12, 2, 15), (0, 5, 0, 4), (4, 18, 11, 21), (1, 200, 9, 180), (5, 5, 0, 6)]


@pytest.mark.parametrize(("x", "n", "y", "m"), TABLES)
def test_fisher(x: int, n: int, y: int, m: int) -> None:
    theirs = stats.fisher_exact([[x, n - x], [y, m - y]])
    assert fisher(x, n, y, m).p_value == pytest.approx(theirs.pvalue, rel=1e-9)


@pytest.mark.parametrize(("x", "n", "y", "m"), [table for table in TABLES if table[1] < 50])
def test_boschloo_by_enumeration(x: int, n: int, y: int, m: int) -> None:
    """The chance of all tables whose Fisher p-value is no larger, at the worst common share."""
    seen = stats.fisher_exact([[x, n - x], [y, m - y]]).pvalue
    extreme = [
        (i, j)
        for i, j in itertools.product(range(n + 1), range(m + 1))
        if stats.fisher_exact([[i, n - i], [j, m - j]]).pvalue <= seen * (1 + 1e-7)
    ]

    def chance(p: float) -> float:
        first, second = stats.binom.pmf(range(n + 1), n, p), stats.binom.pmf(range(m + 1), m, p)
        return float(sum(first[i] * second[j] for i, j in extreme))

    worst = max(chance(p) for p in np.linspace(0, 1, 401))
    ours = boschloo(x, n, y, m).p_value
    assert ours is not None
    assert worst * (1 - 1e-9) <= ours <= worst * 1.01 + 1e-12
    assert ours <= (fisher(x, n, y, m).p_value or 1) * (1 + 1e-9)


def test_boschloos_example_in_scipy() -> None:
    """scipy's documented example is one-sided; two-sided ours is never larger than Fisher's and holds its level."""
    assert (boschloo(7, 15, 13, 16).p_value or 1) < (fisher(7, 15, 13, 16).p_value or 0)


def test_when_exact_is_chosen() -> None:
    assert exact_is_better(1, 20, 2, 30)
    assert not exact_is_better(30, 200, 22, 210)
    assert exact_is_better(0, 0, 1, 5)
    with pytest.raises(BadInput, match="5 of 3"):
        fisher(5, 3, 1, 2)
    with pytest.raises(BadInput, match="more than the 400"):
        boschloo(5, 1000, 1, 2)


def test_fiellers_ends_are_where_the_contrast_is_at_its_limit() -> None:
    rng = np.random.default_rng(6)
    y = rng.gamma(2, 1, 60)
    x = 0.5 * y + rng.normal(0, 0.4, 60)
    found = fieller(PairMoments.from_values(x, y), 0.1)
    assert found.shape == "interval"
    for end in found.interval:
        assert abs(stats.ttest_1samp(x - end * y, 0).statistic) == pytest.approx(stats.t.ppf(0.95, 59), rel=1e-9)
    assert found.interval.contains(found.value)


def test_fiellers_other_shapes() -> None:
    outside = fieller_of(5.0, 0.5, 1.0, 1.0, 0.0, 1.96)
    assert outside.shape == "outside"
    assert not outside.interval.contains(outside.value)
    for end in outside.interval:
        assert abs(5.0 - end * 0.5) == pytest.approx(1.96 * math.sqrt(1 + end * end), rel=1e-9)
    assert fieller_of(0.1, 0.1, 1.0, 1.0, 0.0, 1.96).shape == "everything"
    with pytest.raises(BadInput, match="1 units"):
        fieller(PairMoments.from_values([1.0], [1.0]))


def test_false_discovery() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 1.0, 0.0]
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])
    dependent = benjamini_hochberg(p_values, dependent=True)
    assert dependent == pytest.approx(multipletests(p_values, method="fdr_by")[1])
    assert benjamini_hochberg([]) == ()


def test_e_bh_is_its_definition() -> None:
    """The largest set whose every member has e >= m / (alpha · size), by trying all sets."""
    rng = np.random.default_rng(7)
    for _ in range(50):
        e = np.exp(rng.normal(2, 2, 6))
        sets = [s for r in range(7) for s in itertools.combinations(range(6), r)]
        fitting = [s for s in sets if all(e[i] >= 6 / (0.1 * len(s)) for i in s)]
        best = max(fitting, key=len)
        assert {i for i, kept in enumerate(e_bh(e.tolist(), 0.1)) if kept} == set(best)


def test_a_calibrated_p_value_has_mean_one() -> None:
    # With p = exp(-s) the integral over p is smooth.
    total = integrate.quad(lambda s: e_from_p(math.exp(-s)) * math.exp(-s), 0, 600, limit=500)[0]
    assert total + 1 / 600 == pytest.approx(1.0, abs=1e-4)  # what lies beyond is 1 / 600
    assert e_from_p(1.0) == pytest.approx(0.5)
    assert e_from_p(1 - 1e-4 - 1e-9) == pytest.approx(e_from_p(1 - 1e-4 + 1e-9), abs=1e-6)
    assert e_from_p(0.0) == math.inf


@pytest.mark.parametrize("rows", [1, 8])
def test_clustered_quantiles_cover(rows: int) -> None:
    rng = np.random.default_rng(8 + rows)
    units, worlds, covered = 400, 300, 0
    truth = math.exp(stats.norm.ppf(0.9) * math.sqrt(2))
    for _ in range(worlds):
        level = rng.normal(0, 1, units)
        unit = np.repeat(np.arange(units), rows)
        values = np.exp(level[unit] + rng.normal(0, 1, unit.size))
        covered += clustered_quantile(values, unit, 0.9).interval.contains(truth)
    assert covered / worlds >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / worlds)
    assert covered / worlds <= 0.995


def test_a_clustered_quantile_of_one_row_a_unit() -> None:
    rng = np.random.default_rng(9)
    x = rng.exponential(1, 500)
    found = clustered_quantile(x, np.arange(500), 0.5)
    assert found.value == quantile(x, 0.5)
    assert found.share_se == pytest.approx(math.sqrt(0.25 / 499), rel=1e-6)
    other = clustered_quantile(x + 1, np.arange(500), 0.5)
    result = compare_clustered_quantiles(other, found)
    assert result.effect == pytest.approx(1.0)
    assert result.p_value is not None
    assert result.p_value < 1e-6
    few = clustered_quantile([1.0, 2.0], ["a", "b"], 0.99)
    assert compare_clustered_quantiles(few, found).p_value is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mann_whitney([], [1.0]), "has no values"),
        (lambda: mann_whitney([1.0], [float("nan")]), "missing ones"),
        (lambda: permutation_test([1.0], [2.0, 3.0], seed=1), "two finite numbers"),
        (lambda: bootstrap([1.0, math.inf], lambda s: s.mean(axis=-1), seed=1), "two finite numbers"),
        (lambda: e_bh([-1.0]), "not an e-value"),
        (lambda: e_from_p(1.5), "not a p-value"),
        (lambda: benjamini_hochberg([2.0]), "not a p-value"),
        (lambda: clustered_quantile([1.0], ["a"], 0.5), "1 units give no interval"),
        (lambda: clustered_quantile([1.0, 2.0], ["a"], 0.5), "not one a request"),
        (lambda: clustered_quantile([1.0, 2.0], ["a", "b"], 1.0), "must lie between"),
    ],
)
def test_what_cannot_be_told_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()
