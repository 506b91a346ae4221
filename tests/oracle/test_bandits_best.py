"""P(arm is best) against closed forms and independent draws."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from seatrial.bandits import Beta, Hurdle, Normal, Tally, best, normal_best
from seatrial.bandits.best import normalised
from seatrial.spec.errors import BadInput, SeatrialError


def first_is_better(a: int, b: int, c: int, d: int) -> float:
    """P(Beta(a, b) > Beta(c, d)) for whole numbers, as an exact sum of fractions (Miller 2015)."""

    def beta(x: int, y: int) -> Fraction:
        return Fraction(math.factorial(x - 1) * math.factorial(y - 1), math.factorial(x + y - 1))

    return float(sum((beta(c + i, b + d) / ((b + i) * beta(1 + i, b) * beta(c, d)) for i in range(a)), Fraction(0)))


@pytest.mark.parametrize(
    "arms", [(1, 1, 1, 1), (3, 7, 2, 9), (40, 60, 50, 50), (1, 200, 3, 150), (200, 1800, 230, 1790)]
)
def test_two_arms_are_the_exact_sum(arms: tuple[int, int, int, int]) -> None:
    a, b, c, d = arms
    assert best([Beta(a, b), Beta(c, d)])[0] == pytest.approx(first_is_better(a, b, c, d), abs=1e-9)


def test_narrow_posteriors_that_a_fixed_grid_misses() -> None:
    chances = best([Beta(500, 4500), Beta(510, 4490)])
    exact = integrate.quad(
        lambda x: stats.beta.pdf(x, 500, 4500) * stats.beta.cdf(x, 510, 4490), 0.07, 0.13, epsabs=1e-12, limit=200
    )[0]
    assert chances[0] == pytest.approx(exact, abs=1e-6)
    million = best([Beta(100_000, 900_000), Beta(100_300, 899_700)])
    gap = 0.0003 / math.sqrt(0.1 * 0.9 / 1e6 + 0.1003 * 0.8997 / 1e6)
    assert million[1] == pytest.approx(stats.norm.cdf(gap), abs=1e-4)


@given(
    means=st.lists(st.floats(-5, 5), min_size=2, max_size=2),
    sds=st.lists(st.floats(1e-6, 100), min_size=2, max_size=2),
    penalty=st.floats(-3, 3),
)
@settings(deadline=None, max_examples=200)
def test_two_normals_are_the_closed_form(means: list[float], sds: list[float], penalty: float) -> None:
    chances = best([Normal(mean, sd) for mean, sd in zip(means, sds, strict=True)], [0.0, penalty])
    exact = stats.norm.cdf((means[0] - means[1] + penalty) / math.hypot(*sds))
    assert chances[0] == pytest.approx(exact, abs=1e-6)


@given(arms=st.lists(st.tuples(st.floats(0.5, 1e6), st.floats(0.5, 1e6)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_chances_of_any_betas_sum_to_one(arms: list[tuple[float, float]]) -> None:
    chances = best([Beta(a, b) for a, b in arms])  # raises where the quadrature is off by more than 1e-9
    assert (chances >= 0).all()
    assert math.fsum(chances) == pytest.approx(1, abs=1e-12)


@given(
    means=st.lists(st.floats(-3, 3), min_size=2, max_size=12),
    spreads=st.lists(st.floats(-3, 1), min_size=12, max_size=12),
)
@settings(deadline=None, max_examples=150)
def test_the_quick_way_for_normals_is_the_same(means: list[float], spreads: list[float]) -> None:
    sds = 10.0 ** np.array(spreads[: len(means)])
    slow = best([Normal(mean, sd) for mean, sd in zip(means, sds.tolist(), strict=True)])
    assert normal_best(np.array(means), sds) == pytest.approx(slow, abs=1e-9)


@given(
    means=st.lists(st.floats(-1, 1), min_size=2, max_size=8),
    spreads=st.lists(st.floats(-6, 2), min_size=8, max_size=8),
)
@settings(deadline=None, max_examples=60)
def test_deviations_that_differ_a_millionfold_are_no_matter(means: list[float], spreads: list[float]) -> None:
    """A new arm beside arms of a million rewards: equal steps would be too many."""
    sds = 10.0 ** np.array(spreads[: len(means)])
    slow = best([Normal(mean, sd) for mean, sd in zip(means, sds.tolist(), strict=True)])
    assert normal_best(np.array(means), sds) == pytest.approx(slow, abs=1e-8)


def test_a_wide_and_a_narrow_arm_are_the_closed_form() -> None:
    found = normal_best(np.array([0.3, 0.0]), np.array([1e-5, 1.0]))
    assert found == pytest.approx(
        [stats.norm.cdf(0.3 / np.hypot(1e-5, 1.0)), stats.norm.sf(0.3 / np.hypot(1e-5, 1.0))], abs=1e-9
    )


@pytest.mark.parametrize("count", [2, 3, 10, 50])
def test_ties_share(count: int) -> None:
    assert best([Beta(7, 93)] * count) == pytest.approx(np.full(count, 1 / count), abs=1e-12)
    assert normal_best(np.full(count, 0.3), np.full(count, 0.01)) == pytest.approx(np.full(count, 1 / count), abs=1e-9)
    certain = [Normal.of(Tally.of([1.0] * 60), 1e-9)] * count
    assert best(certain) == pytest.approx(np.full(count, 1 / count), abs=1e-12)


def test_fifty_arms_against_draws() -> None:
    rng = np.random.default_rng(5)
    arms = [(float(a), float(b)) for a, b in zip(rng.uniform(20, 60, 50), rng.uniform(100, 300, 50), strict=True)]
    chances = best([Beta(a, b) for a, b in arms])
    draws = 200_000
    wins = np.bincount(rng.beta(*np.array(arms).T, size=(draws, 50)).argmax(axis=1), minlength=50) / draws
    assert np.abs(wins - chances).max() <= 4 * math.sqrt(0.25 / draws)


def test_hurdles_against_draws() -> None:
    rng = np.random.default_rng(6)
    arms = [Hurdle(1 + k, 1 + 400 - k, 2 + k, 30.0 * k) for k in (30, 36, 40)]
    draws = 400_000
    drawn = np.stack([rng.beta(h.a, h.b, draws) * h.scale / rng.gamma(h.shape, size=draws) for h in arms])
    wins = np.bincount(drawn.argmax(axis=0), minlength=3) / draws
    assert np.abs(wins - best(arms)).max() <= 4 * math.sqrt(0.25 / draws)


@given(positive=st.floats(0, 1e4), zeros=st.floats(0, 1e6), typical=st.floats(1e-3, 1e5), depth=st.floats(-6, 6))
@settings(deadline=None, max_examples=60)
def test_a_hurdles_functions_are_inverse(positive: float, zeros: float, typical: float, depth: float) -> None:
    hurdle = Hurdle.of(Tally(positive + zeros, positive * typical / max(positive + zeros, 1), 0, positive), typical)
    wanted = np.array([stats.norm.cdf(depth)])
    assert hurdle.below(hurdle.quantile(wanted)) == pytest.approx(wanted, rel=1e-8)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadInput, match="51 arms cannot be compared; give between 1 and 50"):
        best([Beta()] * 51)
    with pytest.raises(BadInput, match="0 arms"):
        best([])
    with pytest.raises(SeatrialError, match=r"sum to 0\.739 instead of 1"):
        normalised(np.array([0.4, 0.339]))
