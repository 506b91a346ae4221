"""Sequences against their definitions, against quadrature, and by counting every path."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from seatrial.spec.errors import BadInput
from seatrial.stats.bernoulli import difference_sequence, log_evidence_above, share_sequence
from seatrial.stats.conditional import PhaseCounts, conditional_p, log_evidence, ratio_sequence
from seatrial.stats.interval import Side
from seatrial.stats.quantile import quantile, quantile_interval
from seatrial.stats.sequence import always_valid_p, confidence_sequence, mixture_scale, multiplier


def test_the_half_width_is_the_papers() -> None:
    n, se, alpha, plan = 1234, 0.37, 0.03, 800
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / plan)
    s = math.sqrt(n) * se
    half = s * math.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * math.log(math.sqrt(n * rho**2 + 1) / alpha))
    assert confidence_sequence(1.0, se, n, alpha, plan) == pytest.approx((1 - half, 1 + half), rel=1e-12)


def test_the_one_sided_half_width_is_the_papers() -> None:
    n, se, alpha, plan = 1234, 0.37, 0.03, 800
    rho = math.sqrt((-2 * math.log(2 * alpha) + math.log(-2 * math.log(2 * alpha) + 1)) / plan)
    s = math.sqrt(n) * se
    inner = math.log(1 + math.sqrt(n * rho**2 + 1) / (2 * alpha))
    half = s * math.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * inner)
    assert confidence_sequence(1.0, se, n, alpha, plan, "lower") == pytest.approx((1 - half, math.inf), rel=1e-12)
    assert confidence_sequence(1.0, se, n, alpha, plan, "upper") == pytest.approx((-math.inf, 1 + half), rel=1e-12)


def test_the_boundary_is_where_the_normal_mixture_reaches_its_level() -> None:
    """The evidence is the likelihood ratio mixed over Normal(0, rho²): by quadrature it is 1/alpha at the boundary."""
    n, alpha, plan = 400.0, 0.05, 5000
    rho = mixture_scale(alpha, plan)
    z = multiplier(n, alpha, plan)
    evidence, _ = integrate.quad(
        lambda mean: math.exp(mean * z * math.sqrt(n) - n * mean**2 / 2) * stats.norm.pdf(mean, scale=rho), -2, 2
    )
    assert evidence == pytest.approx(1 / alpha, rel=1e-6)


def test_the_one_sided_boundary_is_not_narrower_than_the_half_normal_mixtures() -> None:
    n, alpha, plan = 400.0, 0.05, 5000
    rho = mixture_scale(2 * alpha, plan)
    z = multiplier(n, alpha, plan, "lower")
    evidence, _ = integrate.quad(
        lambda mean: 2 * math.exp(mean * z * math.sqrt(n) - n * mean**2 / 2) * stats.norm.pdf(mean, scale=rho), 0, 2
    )
    assert 1 / alpha <= evidence <= 1.2 / alpha


@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_sequence_is_narrowest_where_it_was_planned(alpha: float) -> None:
    """The scale minimises the width at plan_units (numerically, among all scales)."""
    plan = 5000

    def width(log_rho: float) -> float:
        x = plan * math.exp(2 * log_rho)
        return 2 * (x + 1) / x * math.log(math.sqrt(x + 1) / alpha)

    best = optimize.minimize_scalar(width, bounds=(-8, 0), method="bounded").x
    assert width(math.log(mixture_scale(alpha, plan))) == pytest.approx(width(best), rel=2e-4)


@pytest.mark.parametrize("side", ["two", "lower", "upper"])
@pytest.mark.parametrize("z", [0.5, 2.9, 3.5, 8.0, -2.9, -8.0])
def test_the_p_value_inverts_the_sequence(side: Side, z: float) -> None:
    """At level p, with the scale kept, the interval just touches 0; by root finding."""
    n, alpha, plan = 2500, 0.05, 5000
    p = always_valid_p(z, 1.0, n, alpha, plan, side)
    rho = mixture_scale(alpha if side == "two" else 2 * alpha, plan)
    x = n * rho**2
    distance = {"two": abs(z), "lower": z, "upper": -z}[side]

    def half(level: float) -> float:
        inner = math.log(math.sqrt(x + 1) / level) if side == "two" else math.log1p(math.sqrt(x + 1) / (2 * level))
        return math.sqrt(2 * (x + 1) / x * max(inner, 0.0))

    if p < 1:
        assert half(p) == pytest.approx(distance, rel=1e-9)
    else:
        assert half(1.0) >= distance


def test_p_values_without_evidence_are_one() -> None:
    assert always_valid_p(1.0, 0.0, 100) == 1.0
    assert always_valid_p(1.0, 1.0, 0) == 1.0
    assert multiplier(0) == math.inf


def crossing_chance(evidence: Callable[[int, int], float], share: float, level: float, steps: int) -> float:
    """The exact chance that the evidence ever reaches the level within ``steps`` events, by dynamic programming."""
    alive, crossed = {0: 1.0}, 0.0
    for n in range(1, steps + 1):
        after: dict[int, float] = {}
        for x, chance in alive.items():
            for step, p in ((1, share), (0, 1 - share)):
                after[x + step] = after.get(x + step, 0.0) + chance * p
        alive = {}
        for x, chance in after.items():
            if evidence(x, n - x) >= level:
                crossed += chance
            else:
                alive[x] = chance
    return crossed


@pytest.mark.parametrize("weight", [0.5, 0.05])
def test_of_all_paths_at_most_alpha_ever_cross_two_arms(weight: float) -> None:
    for direction in ("greater", "less"):
        crossed = crossing_chance(
            lambda x, y, d=direction: log_evidence([PhaseCounts(x, 0, y, 0, weight)], d), weight, math.log(20), 150
        )
        assert 0 < crossed <= 0.05


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_of_all_paths_at_most_alpha_ever_cross_one_arm(share: float) -> None:
    crossed = crossing_chance(lambda x, y: log_evidence_above(x, x + y, share), share, math.log(20), 300)
    assert 0 < crossed <= 0.05


def test_the_mean_evidence_under_the_null_is_one() -> None:
    """Over every outcome of two phases: exactly 1, so the evidence is a fair bet."""
    w, v, total = 0.3, 0.6, 0.0
    for x in range(13):
        for z in range(8):
            chance = stats.binom.pmf(x, 12, w) * stats.binom.pmf(z, 7, v)
            phases = [PhaseCounts(x, 0, 12 - x, 0, w), PhaseCounts(z, 0, 7 - z, 0, v)]
            total += chance * math.exp(log_evidence(phases, "greater"))
    assert total == pytest.approx(1, rel=1e-9)


def test_the_evidence_of_one_arm_by_quadrature() -> None:
    x, n, share = 7, 40, 0.1
    mixed, _ = integrate.quad(lambda p: p**x * (1 - p) ** (n - x) / (1 - share), share, 1, epsrel=1e-12)
    assert log_evidence_above(x, n, share) == pytest.approx(
        math.log(mixed / (share**x * (1 - share) ** (n - x))), rel=1e-9
    )


def test_the_ratio_interval_inverts_the_evidence() -> None:
    phases = [PhaseCounts(12, 500, 30, 9500, 0.05), PhaseCounts(9, 2000, 14, 2000, 0.5)]
    lower, upper = ratio_sequence(phases, 0.1)
    assert log_evidence(phases, "greater", lower) == pytest.approx(math.log(20), abs=1e-6)
    assert log_evidence(phases, "less", upper) == pytest.approx(math.log(20), abs=1e-6)
    assert lower < 3 < upper, "between what the two phases say alone"
    one_sided = ratio_sequence(phases, 0.1, "lower")
    assert log_evidence(phases, "greater", one_sided.lower) == pytest.approx(math.log(10), abs=1e-6)
    assert one_sided.upper == math.inf


def test_no_events_bound_nothing() -> None:
    assert ratio_sequence([PhaseCounts(0, 100, 0, 100, 0.5)]) == (0.0, math.inf)
    assert ratio_sequence([]) == (0.0, math.inf)
    assert conditional_p([]) == 1.0
    assert ratio_sequence([PhaseCounts(5, 100, 0, 100, 0.5)]).upper == math.inf
    assert ratio_sequence([PhaseCounts(0, 100, 40, 100, 0.5)]).lower == 0.0


def test_a_weight_that_is_no_share_is_refused() -> None:
    for weight in (0.0, 1.0, 1.5):
        with pytest.raises(BadInput, match="weight"):
            log_evidence([PhaseCounts(1, 2, 3, 4, weight)], "greater")
    with pytest.raises(BadInput, match="0 or more"):
        log_evidence([PhaseCounts(-1, 2, 3, 4, 0.5)], "greater")


def test_the_share_interval_inverts_the_evidence() -> None:
    lower, upper = share_sequence(7, 40, 0.1)
    assert log_evidence_above(7, 40, lower) == pytest.approx(math.log(20), abs=1e-6)
    assert log_evidence_above(33, 40, 1 - upper) == pytest.approx(math.log(20), abs=1e-6)
    assert share_sequence(0, 40).lower == 0.0
    assert share_sequence(40, 40).upper == 1.0
    assert share_sequence(0, 0) == (0.0, 1.0)


def test_the_difference_interval_of_one_phase_is_both_arms_at_a_quarter_each() -> None:
    phase = PhaseCounts(7, 40, 3, 60, 0.4)
    treatment, control = share_sequence(7, 40, 0.05), share_sequence(3, 60, 0.05)
    expected = treatment.lower - control.upper, treatment.upper - control.lower
    assert difference_sequence([phase], 0.1) == pytest.approx(expected)
    assert difference_sequence([], 0.1) == (-1, 1)
    assert difference_sequence([phase, phase], 0.1).lower < expected[0]


def test_order_statistics_cover_as_the_binomial_says() -> None:
    """The two ranks miss the quantile with the binomial chance, at most alpha."""
    values = np.arange(1, 201.0)
    for q in (0.5, 0.9, 0.02):
        interval = quantile_interval(values, q, 0.05)
        lower = 0 if math.isinf(interval.lower) else int(interval.lower)
        upper = 201 if math.isinf(interval.upper) else int(interval.upper)
        missed = stats.binom.cdf(lower - 1, 200, q) + stats.binom.sf(upper - 1, 200, q)
        tighter = stats.binom.cdf(lower, 200, q) + stats.binom.sf(upper - 2, 200, q)
        assert missed <= 0.05 < tighter


def test_the_median_interval_is_the_textbooks() -> None:
    """Conover: for n = 20 and the median, ranks 6 and 15 at 95 %."""
    assert quantile_interval(np.arange(1, 21.0), 0.5) == (6.0, 15.0)


def test_the_always_valid_ranks_refute_exactly_what_lies_outside() -> None:
    values, q, level = np.arange(1, 1001.0), 0.9, math.log(40)
    lower, upper = quantile_interval(values, q, 0.05, "always-valid")

    def refuted_from_below(rank: int) -> bool:
        return log_evidence_above(1000 - rank + 1, 1000, 1 - q) >= level and rank < q * 1000

    assert refuted_from_below(int(lower))
    assert not refuted_from_below(int(lower) + 1)
    assert lower < 900 < upper
    assert quantile_interval(values, q, 0.05, "fixed").lower > lower


def test_a_quantile_is_a_value() -> None:
    assert quantile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert quantile([5.0, 1.0, 3.0, 4.0], 0.5) == np.quantile([5, 1, 3, 4], 0.5, method="inverted_cdf")
    with pytest.raises(BadInput, match="no values"):
        quantile([], 0.5)
    with pytest.raises(BadInput, match=r"1\.5"):
        quantile([1.0], 1.5)
    with pytest.raises(BadInput, match="NaN"):
        quantile([math.nan], 0.5)


def test_special_functions_stay_finite_at_millions() -> None:
    assert math.isfinite(log_evidence_above(1_000_000, 10_000_000, 0.09))
    assert math.isfinite(log_evidence([PhaseCounts(10**6, 10**7, 10**6, 10**7, 0.5)], "greater"))
