"""Bayesian comparisons against exact sums and numerical integration."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import integrate, stats

from seatrial.spec.errors import BadInput
from seatrial.stats.bayes import BetaPrior, compare_normal, compare_shares, p_above
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments


def exact_p_above(a: int, b: int, c: int, d: int) -> float:
    """P(Beta(a, b) > Beta(c, d)) for whole numbers, as an exact fraction: the sum over a of Cook and Miller."""

    def beta(x: int, y: int) -> Fraction:
        return Fraction(math.factorial(x - 1) * math.factorial(y - 1), math.factorial(x + y - 1))

    total = sum((beta(c + i, b + d) / ((b + i) * beta(1 + i, b) * beta(c, d)) for i in range(a)), Fraction(0))
    # The sum runs over the successes of the first arm with the second's as the base.
    return float(total)


@pytest.mark.parametrize(
    ("a", "b", "c", "d"), [(1, 1, 1, 1), (3, 7, 2, 9), (40, 60, 50, 50), (1, 200, 3, 150), (600, 540, 620, 510)]
)
def test_p_above_is_the_exact_sum(a: int, b: int, c: int, d: int) -> None:
    assert p_above(BetaPrior(a, b), BetaPrior(c, d)) == pytest.approx(exact_p_above(a, b, c, d), abs=1e-9)


@pytest.mark.parametrize(("a", "b", "c", "d"), [(500, 4500, 510, 4490), (1e6, 9e6, 1.001e6, 9e6), (0.5, 0.5, 0.5, 20)])
def test_both_directions_sum_to_one(a: float, b: float, c: float, d: float) -> None:
    first, second = BetaPrior(a, b), BetaPrior(c, d)
    assert p_above(first, second) + p_above(second, first) == pytest.approx(1, abs=1e-9)


def test_large_counts_approach_the_normal() -> None:
    found = compare_shares(101_000, 1_000_000, 100_000, 1_000_000)
    se = math.sqrt(2 * 0.1 * 0.9 / 1e6)
    assert found.p_better == pytest.approx(stats.norm.cdf(0.001 / se), abs=1e-3)


def test_expected_losses_by_integration() -> None:
    found = compare_shares(12, 100, 9, 90, prior=BetaPrior(2, 3))
    t, c = stats.beta(14, 91), stats.beta(11, 84)

    def loss(better: object, chosen: object) -> float:
        return float(
            integrate.dblquad(lambda x, y: (y - x) * chosen.pdf(x) * better.pdf(y), 0, 1, 0, lambda y: y, epsabs=1e-10)[
                0
            ]
        )

    assert found.loss_treatment == pytest.approx(loss(c, t), abs=1e-7)
    assert found.loss_control == pytest.approx(loss(t, c), abs=1e-7)
    assert found.prior == "Beta(2, 3) on each share"


def test_normal_comparison_by_integration() -> None:
    effect = Effect.of_means(Moments(50, 1.2, 49 * 4.0), Moments(80, 1.0, 79 * 2.0))
    for prior_sd in (None, 0.3):
        found = compare_normal(effect, prior_sd)
        se2 = effect.se_unpooled**2
        precision = 1 / se2 + (0 if prior_sd is None else 1 / prior_sd**2)
        posterior = stats.norm(effect.effect / se2 / precision, precision**-0.5)
        assert found.p_better == pytest.approx(posterior.sf(0), rel=1e-9)
        gain = integrate.quad(lambda x, d=posterior: x * d.pdf(x), 0, np.inf)[0]
        assert found.loss_control == pytest.approx(gain, rel=1e-7)
        assert found.loss_control - found.loss_treatment == pytest.approx(posterior.mean(), rel=1e-9)
        assert (found.lower, found.upper) == pytest.approx(posterior.interval(0.95))


@pytest.mark.parametrize(("x", "n", "y", "m"), [(12, 100, 9, 90), (0, 20, 1, 25), (5, 5, 0, 3), (480, 9000, 450, 9100)])
def test_the_credible_interval_and_the_region_are_the_posteriors(x: int, n: int, y: int, m: int) -> None:
    found = compare_shares(x, n, y, m, alpha=0.1, rope=0.02)
    t, c = stats.beta(x + 1, n - x + 1), stats.beta(y + 1, m - y + 1)

    def above(d: float) -> float:
        ends = sorted({0.0, 1.0, *np.clip(np.r_[c.ppf([1e-9, 0.5, 1 - 1e-9]) + d, t.ppf([1e-9, 0.5, 1 - 1e-9])], 0, 1)})
        pieces = itertools.pairwise(ends)
        return sum(
            integrate.quad(lambda z: t.pdf(z) * c.cdf(z - d), a, b, epsabs=1e-12, limit=200)[0] for a, b in pieces
        )

    assert above(found.lower) == pytest.approx(0.95, abs=1e-7)
    assert above(found.upper) == pytest.approx(0.05, abs=1e-7)
    assert found.p_same == pytest.approx(above(-0.02) - above(0.02), abs=1e-7)


def test_the_normal_interval_of_many_events_is_near_the_exact_one() -> None:
    few, many = compare_shares(498, 5000, 520, 5100), compare_shares(500, 5000, 520, 5100)
    sd = (many.upper - many.lower) / 3.92
    shift = 2 / 5002
    assert many.lower - few.lower == pytest.approx(shift, abs=0.02 * sd)
    assert many.upper - few.upper == pytest.approx(shift, abs=0.02 * sd)


def test_a_normal_prior_on_the_effect() -> None:
    effect = Effect.of_means(Moments(50, 1.2, 49 * 4.0), Moments(80, 1.0, 79 * 2.0))
    found = compare_normal(effect, 0.3, prior_mean=-0.1, rope=0.15)
    likelihood = stats.norm(effect.effect, effect.se_unpooled)
    prior = stats.norm(-0.1, 0.3)

    def mean_of(f: object) -> float:
        def both(d: float) -> float:
            return float(prior.pdf(d) * likelihood.pdf(d))

        total = integrate.quad(both, -4, 4, points=[0])[0]
        return float(integrate.quad(lambda d: f(d) * both(d), -4, 4, points=[-0.15, 0, 0.15])[0] / total)

    assert found.p_better == pytest.approx(mean_of(lambda d: d > 0), abs=1e-7)
    assert found.p_same == pytest.approx(mean_of(lambda d: abs(d) < 0.15), abs=1e-6)
    assert found.loss_treatment == pytest.approx(mean_of(lambda d: max(-d, 0)), abs=1e-7)
    assert found.loss_control == pytest.approx(mean_of(lambda d: max(d, 0)), abs=1e-7)
    assert found.prior == "Normal(-0.1, 0.3) on the difference"


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadInput, match="5 of 3"):
        compare_shares(5, 3, 1, 2)
    with pytest.raises(BadInput, match="above 0"):
        compare_shares(1, 3, 1, 2, prior=BetaPrior(0, 1))
    with pytest.raises(BadInput, match="neither arm varies"):
        compare_normal(Effect.of_means(Moments(5, 1.0, 0.0), Moments(5, 1.0, 0.0)))
    with pytest.raises(BadInput, match="is empty"):
        compare_shares(1, 3, 1, 2, rope=0.0)
    with pytest.raises(BadInput, match="standard deviation 0"):
        compare_normal(Effect.of_means(Moments(5, 1.0, 1.0), Moments(5, 1.0, 1.0)), 0.0)
