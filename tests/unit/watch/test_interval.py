"""Intervals by unit, against scipy and statsmodels."""

import numpy as np
import pytest
from scipy import stats

from seatrial.watch.interval import (
    Measured,
    difference,
    mean_by_unit,
    ratio_by_unit,
    share_by_unit,
    share_interval,
    unseen_share,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 40), (40, 40), (7, 50), (930, 1000)])
def test_a_share_is_clopper_and_pearsons(hits: int, n: int) -> None:
    theirs = stats.binomtest(hits, n).proportion_ci(0.98, "exact")
    assert share_interval(hits / n, n, 0.01)[1:] == pytest.approx((theirs.low, theirs.high), rel=1e-7)


def test_independent_rows_are_a_plain_share() -> None:
    """With one row a unit the design effect is n / (n − 1), and nothing else."""
    hits = (np.arange(400) < 300).astype(float)
    found = share_by_unit(hits, np.ones(400), 0.01)
    assert found == pytest.approx(share_interval(0.75, 400, 0.01), abs=2e-4)


def test_a_unit_that_is_all_alike_counts_once() -> None:
    hits = np.repeat([10.0, 0.0], [30, 10])
    found = share_by_unit(hits, np.full(40, 10.0), 0.01)
    assert found == pytest.approx(share_interval(0.75, 40, 0.01), abs=5e-3)


def test_all_right_in_large_units_is_not_surer_than_its_units() -> None:
    assert share_by_unit(np.full(40, 10.0), np.full(40, 10.0), 0.01) == share_interval(1.0, 40, 0.01)


def test_a_mean_is_students() -> None:
    values = np.random.default_rng(1).lognormal(size=80)
    low, high = stats.t.interval(0.98, 79, values.mean(), stats.sem(values))
    assert mean_by_unit(values, 0.01) == pytest.approx((values.mean(), low, high), rel=1e-9)


def test_a_ratio_is_near_its_resampled_interval() -> None:
    rng = np.random.default_rng(2)
    y = rng.poisson(4, 400) + 1.0
    x = 2.5 * y + rng.normal(0, 2, 400)
    found = ratio_by_unit(x, y, 0.025)
    picks = rng.integers(0, 400, (4000, 400))
    ratios = x[picks].sum(axis=1) / y[picks].sum(axis=1)
    assert found.value == pytest.approx(x.sum() / y.sum(), rel=1e-12)
    half = 1.96 * ratios.std()
    assert (found.upper - found.value, found.value - found.lower) == pytest.approx((half, half), rel=0.06)


def test_a_difference_of_normal_intervals_is_the_normal_one() -> None:
    found = difference(Measured(5, 4, 6), Measured(3, 1, 5))
    assert found == pytest.approx((2, 2 - 5**0.5, 2 + 5**0.5))


def test_a_difference_of_shares_is_newcombes_method_with_exact_limits() -> None:
    a, b = share_interval(0.8, 70, 0.025), share_interval(0.6, 80, 0.025)
    found = difference(a, b)
    assert found.lower == pytest.approx(0.2 - np.hypot(0.8 - a.lower, b.upper - 0.6), rel=1e-12)
    assert found.lower < 0.2 < found.upper


@pytest.mark.parametrize(("n", "alpha"), [(10, 0.0167), (100, 0.005), (5000, 0.025)])
def test_units_that_are_all_alike_have_an_exact_limit(n: int, alpha: float) -> None:
    limit = stats.beta.ppf(1 - alpha, 1, n)
    assert unseen_share(n, alpha) == pytest.approx(limit, rel=1e-9)
    none = mean_by_unit(np.zeros(n), alpha)
    assert (none.value, none.upper) == (0.0, pytest.approx(limit, rel=1e-9))
    assert mean_by_unit(np.full(n, 40.0), alpha).lower == pytest.approx(40 * (1 - limit), rel=1e-9)
    ratio = ratio_by_unit(np.zeros(n), np.full(n, 4.0), alpha)
    assert ratio.upper == pytest.approx(limit / 4, rel=1e-9), "an event among four requests a unit"
    assert ratio_by_unit(np.full(n, 3.0), np.full(n, 3.0), alpha).lower == pytest.approx(1 - limit, rel=1e-9)
