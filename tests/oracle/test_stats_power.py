"""Plans against statsmodels, their own inverses and simulated worlds; segments against statsmodels and integration."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.power import (
    Design,
    chance_of_conclusion,
    detectable_means,
    detectable_proportions,
    detectable_ratios,
    plan_group_sequential,
    plan_means,
    plan_non_inferiority,
    plan_proportions,
    plan_ratios,
    power_of_each,
)
from seatrial.stats.segments import compare_segments
from seatrial.stats.sequence import multiplier
from seatrial.stats.spending import Spending

DESIGNS = [Design(), Design(share=0.1, sides=1), Design(share=0.2, treatments=3, alpha=0.1), Design(correlation=0.6)]


@pytest.mark.parametrize("design", DESIGNS)
def test_a_fixed_plan_is_statsmodels(design: Design) -> None:
    ratio = design.control / design.share
    effect = 0.15 / math.sqrt(1 - design.correlation**2)
    in_arm = NormalIndPower().solve_power(
        effect,
        alpha=design.alpha / design.treatments if design.sides == 2 else design.alpha,
        power=design.power,
        ratio=ratio,
        alternative="two-sided" if design.sides == 2 else "larger",
    )
    assert plan_means(0.15, 1.0, design).fixed == pytest.approx(in_arm / design.share, rel=1e-4, abs=2)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_detectable_effect_is_the_plans_inverse(design: Design) -> None:
    plan = plan_means(0.1, 2.0, design)
    assert detectable_means(plan.fixed, 2.0, design).fixed == pytest.approx(0.1, rel=1e-3)
    assert detectable_means(plan.always_valid, 2.0, design).always_valid == pytest.approx(0.1, rel=1e-3)
    shares = plan_proportions(0.1, 0.12, design)
    assert detectable_proportions(shares.fixed, 0.1, design).fixed == pytest.approx(0.02, rel=1e-3)
    assert detectable_proportions(shares.always_valid, 0.1, design).always_valid == pytest.approx(0.02, rel=1e-3)


def test_what_too_few_units_show() -> None:
    assert detectable_means(150, 1.0).always_valid == math.inf
    assert detectable_proportions(3, 0.5).fixed == math.inf


def test_cupeds_gain_is_one_less_the_squared_correlation() -> None:
    plain, gained = plan_means(0.02, 1.0), plan_means(0.02, 1.0, Design(correlation=0.8))
    assert gained.fixed / plain.fixed == pytest.approx(0.36, rel=1e-3)


def test_a_ratios_plan_uses_its_spread_by_unit() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(1, 9, 5000)
    x = rng.binomial(y, rng.beta(2, 6, 5000))
    past = PairMoments.from_values(x, y)
    ratio = x.sum() / y.sum()
    sd = np.std((x - ratio * y) / y.mean(), ddof=1)
    assert plan_ratios(0.01, past) == plan_means(0.01, float(sd))
    assert detectable_ratios(9000, past).fixed == pytest.approx(detectable_means(9000, float(sd)).fixed, rel=1e-9)


def test_non_inferiority_is_one_sided_from_the_margin() -> None:
    in_arm = TTestIndPower().solve_power(0.05, alpha=0.05, power=0.8, alternative="larger")
    assert plan_non_inferiority(0.05, 1.0).fixed == pytest.approx(2 * in_arm, rel=1e-3)
    assert plan_non_inferiority(0.05, 1.0, effect=0.05) == plan_means(0.1, 1.0, Design(sides=1))


def test_group_sequential_plans_cost_the_published_inflation() -> None:
    """Lan-DeMets' O'Brien-Fleming form: nearly nothing; Pocock's: a fifth (Jennison and Turnbull, chapter 7)."""
    fixed = plan_means(0.05, 1.0).fixed
    looks = [0.2, 0.4, 0.6, 0.8, 1.0]
    assert plan_group_sequential(0.05, 1.0, looks) / fixed == pytest.approx(1.028, abs=0.004)
    assert plan_group_sequential(0.05, 1.0, looks, Spending("pocock")) / fixed == pytest.approx(1.23, abs=0.02)
    assert plan_group_sequential(0.05, 1.0, [1.0]) == pytest.approx(fixed, abs=1)


def test_all_guardrails_hold_together() -> None:
    assert 1 - 5 * (1 - power_of_each(0.8, 4)) == pytest.approx(0.8)
    assert power_of_each(0.8, 0) == pytest.approx(0.8)


@pytest.mark.parametrize("design", [Design(), Design(share=0.2), Design(correlation=0.6)])
def test_plans_keep_their_word_in_simulated_worlds(design: Design) -> None:
    """One look at the planned end, by the estimates' own distribution."""
    plan = plan_means(0.2, 1.0, design)
    rng = np.random.default_rng(2)
    sd = math.sqrt(design.left)
    for units, half in ((plan.fixed, stats.norm.ppf(0.975)), (plan.always_valid, multiplier(plan.always_valid))):
        n, m = round(units * design.share), round(units * design.control)
        z = (0.2 + rng.normal(0, sd * math.sqrt(1 / n + 1 / m), 4000)) / (sd * math.sqrt(1 / n + 1 / m))
        assert (z > half).mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 4000) + 0.005)


def test_the_chance_of_a_conclusion_by_simulated_futures() -> None:
    effect, se, now, then = 0.08, 0.04, 4000, 9000
    rng = np.random.default_rng(3)
    truth = effect + se * rng.standard_normal(40_000)
    more = truth + se * math.sqrt(now / (then - now)) * rng.standard_normal(40_000)
    final = (now * effect + (then - now) * more) / then
    half = multiplier(then) * se * math.sqrt(now / then)
    share = (np.abs(final) > half).mean()
    assert chance_of_conclusion(effect, se, now, then) == pytest.approx(share, abs=0.01)
    assert chance_of_conclusion(1.0, 0.01, 500, 500) == 1.0


def effects(rng: np.random.Generator, truths: list[float], n: int = 400) -> dict[str, Effect]:
    return {
        str(i): Effect.of_means(Moments.from_values(rng.normal(t, 1, n)), Moments.from_values(rng.normal(0, 1, n)))
        for i, t in enumerate(truths)
    }


def eight_schools() -> dict[str, Effect]:
    """Gelman et al., table 5.2, each school's standard error all in its own arm."""
    given = zip("ABCDEFGH", (28, 8, -3, 7, -1, 1, 18, 12), (15, 10, 16, 11, 9, 11, 10, 18), strict=True)
    return {name: Effect.of_means(Moments(2, y, 2 * se**2), Moments(2, 0.0, 2 * se**2)) for name, y, se in given}


def test_segments_posterior_by_integration() -> None:
    """Over the spread and the common effect on a grid, written down from the model."""
    given = eight_schools()
    found = compare_segments(given)
    y, v = np.array([e.effect for e in given.values()]), np.array([e.se**2 for e in given.values()])
    typical = len(v) / (1 / v).sum()
    tau, mu = np.meshgrid(np.linspace(1e-3, 150, 3000), np.linspace(-60, 80, 561), indexing="ij")
    log = np.log(tau) - 2 * np.log(typical + tau**2)
    for effect, variance in zip(y, v, strict=True):
        log += stats.norm.logpdf(effect, mu, np.sqrt(variance + tau**2))
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    assert found.common == pytest.approx(float((mass * mu).sum()), rel=2e-3)
    for i, segment in enumerate(found.segments):
        kept = tau**2 / (tau**2 + v[i])
        assert segment.shrunk == pytest.approx(float((mass * (kept * y[i] + (1 - kept) * mu)).sum()), rel=2e-3)
        below = stats.norm.cdf((segment.interval.upper - kept * y[i] - (1 - kept) * mu) / np.sqrt(kept * v[i]))
        assert float((mass * below).sum()) == pytest.approx(0.975, abs=1e-3)


def test_segments_test_is_cochrans() -> None:
    given = effects(np.random.default_rng(4), [0.0, 0.3, 0.1, 0.5])
    effect, variance = np.array([(e.effect, e.se**2) for e in given.values()]).T
    assert compare_segments(given).p_value == pytest.approx(
        combine_effects(effect, variance, method_re="dl").test_homogeneity().pvalue, rel=1e-9
    )


def test_shrinking_comes_nearer_to_the_truth_and_covers() -> None:
    rng = np.random.default_rng(5)
    own, shrunk, covered, differing = 0.0, 0.0, 0, 0
    for _ in range(50):
        truths = (0.1 + 0.05 * rng.standard_normal(12)).tolist()
        for truth, segment in zip(truths, compare_segments(effects(rng, truths, 200)).segments, strict=True):
            own += (segment.effect - truth) ** 2
            shrunk += (segment.shrunk - truth) ** 2
            covered += segment.interval.contains(truth)
        differing += any(s.differs for s in compare_segments(effects(rng, [0.1] * 12, 200)).segments)
    assert shrunk < 0.6 * own
    assert covered / 600 >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / 600)
    assert differing / 50 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 50)


def test_segments_without_units_are_named() -> None:
    given = {"a": Effect.of_means(Moments(1, 0.0, 0.0), Moments(5, 0.0, 1.0))}
    found = compare_segments(given)
    assert found.left_out == ("a",)
    assert found.segments == ()
    one = compare_segments(effects(np.random.default_rng(6), [0.2]))
    assert one.segments[0].shrunk == pytest.approx(one.segments[0].effect, rel=1e-9)
    assert not one.segments[0].differs


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plan_means(0.1, 1.0, Design(share=0.4, treatments=3)), "leave the control no units"),
        (lambda: plan_means(0.1, 1.0, Design(correlation=1.0)), "correlation"),
        (lambda: plan_non_inferiority(0.0, 1.0), "must be above 0"),
        (lambda: plan_non_inferiority(0.1, 1.0, effect=-0.2), "beyond the margin"),
        (lambda: plan_group_sequential(0.1, 1.0, [0.5]), "must end at 1"),
        (lambda: plan_ratios(0.1, PairMoments(1, 1.0, 1.0, 0.0, 0.0, 0.0)), "no spread"),
        (lambda: detectable_means(0, 1.0), "show nothing"),
        (lambda: power_of_each(1.0, 1), "power"),
        (lambda: chance_of_conclusion(0.1, 0.0, 10, 20), "foretells nothing"),
    ],
)
def test_what_cannot_be_planned_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()
