"""Every drift statistic against scipy, numpy or its definition written out."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from seatrial.drift import (
    chi_squared,
    hellinger,
    jensen_shannon,
    jensen_shannon_divergence,
    ks,
    ks_binned,
    psi,
    total_variation,
    wasserstein,
    wasserstein_scaled,
)
from seatrial.drift.benjamini_hochberg import benjamini_hochberg
from seatrial.drift.moments import Moments
from seatrial.drift.mood import mood
from seatrial.drift.proportions import compare_shares, wilson
from seatrial.drift.spread import mean_shift, sd_ratio

A = [120, 30, 0, 55, 7]
B = [80, 42, 3, 70, 0]
P, Q = np.array(A) / sum(A), np.array(B) / sum(B)


def test_psi_is_its_definition_on_smoothed_shares() -> None:
    p = (np.array(A) + 0.5) / (sum(A) + 2.5)
    q = (np.array(B) + 0.5) / (sum(B) + 2.5)
    assert psi(A, B) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-12)


@pytest.mark.parametrize("name", ["pearson", "log-likelihood"])
def test_chi_squared_is_scipys_contingency(name: str) -> None:
    found = chi_squared(A, B)
    theirs = stats.chi2_contingency([A, B], correction=False, lambda_=name)
    mine = (found.statistic, found.p_value) if name == "pearson" else (found.likelihood, found.p_likelihood)
    assert mine == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    assert found.degrees == theirs.dof


def test_chi_squared_leaves_out_cells_that_are_empty_on_both_sides() -> None:
    assert chi_squared([5, 0, 9], [7, 0, 3]) == chi_squared([5, 9], [7, 3])


def test_jensen_shannon_is_scipys_in_base_two() -> None:
    assert jensen_shannon(A, B) == pytest.approx(float(jensenshannon(P, Q, base=2)), rel=1e-9)
    assert jensen_shannon_divergence(A, B) == pytest.approx(float(jensenshannon(P, Q, base=2)) ** 2, rel=1e-9)


def test_hellinger_and_total_variation_are_their_definitions() -> None:
    assert hellinger(A, B) == pytest.approx(np.sqrt(1 - np.sqrt(P * Q).sum()), rel=1e-9)
    assert total_variation(A, B) == pytest.approx(0.5 * np.abs(P - Q).sum(), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_ks_and_wasserstein_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=230).round(1), rng.normal(0.3, 1.4, size=310).round(1)
    assert ks(a, b).statistic == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic, rel=1e-12)
    assert wasserstein(a, b) == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-9)
    assert wasserstein_scaled(a, b) == pytest.approx(stats.wasserstein_distance(a, b) / a.std(ddof=1), rel=1e-9)


def test_ks_p_value_is_near_the_exact_one() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=400), rng.normal(0.15, 1, size=500)
    assert ks(a, b).p_value == pytest.approx(stats.ks_2samp(a, b, method="exact").pvalue, rel=0.05)


def test_binned_ks_is_the_gap_at_the_edges() -> None:
    assert ks_binned(A, B).statistic == pytest.approx(np.abs(np.cumsum(P) - np.cumsum(Q)).max(), rel=1e-12)


def test_mood_is_scipys_where_no_values_are_tied() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=60), rng.normal(0, 1.5, size=80)
    order = np.argsort(np.concatenate([a, b]))
    from_a = (order < 60).astype(int)
    assert mood(from_a, 1 - from_a) == pytest.approx(stats.mood(a, b).pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "m", "y", "n"), [(0, 1000, 5, 100), (3, 50, 0, 40), (20, 300, 60, 320), (298, 300, 90, 100)]
)
def test_shares_are_compared_by_twice_fishers_smaller_tail(x: int, m: int, y: int, n: int) -> None:
    table = [[y, n - y], [x, m - x]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert compare_shares(x, m, y, n).p_value == pytest.approx(min(1, 2 * min(tails)), rel=1e-8)


def test_frequent_shares_are_compared_by_chi_squared() -> None:
    theirs = stats.chi2_contingency([[4000, 6000], [4200, 5800]], correction=False).pvalue
    assert compare_shares(4000, 10_000, 4200, 10_000).p_value == pytest.approx(theirs, rel=0.01)


def test_wilson_is_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    assert wilson(0.03, 200, 0.99) == pytest.approx(proportion.proportion_confint(6, 200, 0.01, "wilson"), rel=1e-9)


def test_share_difference_interval_is_newcombes_published_example() -> None:
    """56/70 − 48/80 at 95 %: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    found = compare_shares(48, 80, 56, 70, level=0.95)
    assert (found.lower, found.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_mean_shift_is_welchs_when_the_unpooled_error_is_larger() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(2, 1, 2000), rng.normal(2.2, 3, 150)
    found = mean_shift(Moments.from_values(a), Moments.from_values(b))
    theirs = stats.ttest_ind(b, a, equal_var=False)
    assert found is not None
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    span = theirs.confidence_interval(0.99)
    assert (found.lower, found.upper) == pytest.approx((span.low / a.std(ddof=1), span.high / a.std(ddof=1)), rel=1e-9)


def test_mean_shift_has_the_pooled_error_when_that_is_larger() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(0, 3, 2000), rng.normal(0.5, 0.2, 150)
    found = mean_shift(Moments.from_values(a), Moments.from_values(b))
    error = np.sqrt((a.var() * a.size + b.var() * b.size) / (a.size + b.size - 2) * (1 / a.size + 1 / b.size))
    welch = stats.ttest_ind(b, a, equal_var=False)
    expected = 2 * stats.t.sf(abs(b.mean() - a.mean()) / error, welch.df)
    assert found is not None
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_sd_ratio_is_the_f_test_where_the_tails_are_light() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.uniform(0, 1, 500), rng.uniform(0, 1.3, 300)
    found = sd_ratio(Moments.from_values(a), Moments.from_values(b))
    f = b.var(ddof=1) / a.var(ddof=1)
    assert found is not None
    assert found.effect == pytest.approx(f**0.5, rel=1e-12)
    assert found.p_value == pytest.approx(2 * min(stats.f.sf(f, 299, 499), stats.f.cdf(f, 299, 499)), rel=1e-9)
    limits = (f / stats.f.ppf(0.995, 299, 499), f / stats.f.ppf(0.005, 299, 499))
    assert (found.lower, found.upper) == pytest.approx(np.sqrt(limits), rel=1e-9)


def test_moments_are_scipys() -> None:
    values = np.random.default_rng(8).lognormal(size=500)
    found = Moments.from_values(values)
    assert found.variance == pytest.approx(values.var(ddof=1), rel=1e-12)
    assert found.kurtosis == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-9)


def test_benjamini_hochberg_is_scipys() -> None:
    p = np.random.default_rng(9).beta(0.3, 4, size=80)
    for q in (0.005, 0.05, 0.5):
        assert benjamini_hochberg(p.tolist(), q).tolist() == (stats.false_discovery_control(p) <= q).tolist()
