"""Classical tests against scipy and statsmodels."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import proportion as sm_proportion
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from seatrial.stats.chi_squared import chi_squared
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.guardrail import judge_guardrail
from seatrial.stats.holm import holm
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.paired import agreement, mcnemar, paired_difference
from seatrial.stats.phases import combine_phases
from seatrial.stats.power import Design, plan_means, plan_proportions
from seatrial.stats.proportion import newcombe, two_proportion_z, wilson
from seatrial.stats.ratio import linearise
from seatrial.stats.relative_risk import relative_risk
from seatrial.stats.verdict import Question
from seatrial.stats.welch import welch

COUNTS = [(30, 200, 22, 210), (1, 50, 0, 40), (0, 30, 0, 40), (40, 40, 39, 40), (5000, 100_000, 5200, 99_000)]


@pytest.mark.parametrize(("n", "m", "spread"), [(12, 30, 1.0), (500, 20, 9.0), (2, 2, 0.5)])
def test_welch(n: int, m: int, spread: float) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(5, spread, n), rng.normal(4, 1, m)
    ours, theirs = welch(Moments.from_values(a), Moments.from_values(b), 0.1), stats.ttest_ind(a, b, equal_var=False)
    interval = theirs.confidence_interval(0.9)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.degrees == pytest.approx(theirs.df, rel=1e-9)
    assert (ours.lower, ours.upper) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_welch_where_nothing_varies() -> None:
    assert welch(Moments(5, 1.0, 0.0), Moments(5, 1.0, 0.0)).p_value is None


@pytest.mark.parametrize(("x", "n", "y", "m"), COUNTS)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_shares(x: int, n: int, y: int, m: int, alpha: float) -> None:
    theirs = sm_proportion.proportion_confint(x, n, alpha=alpha, method="wilson")
    assert wilson(x, n, alpha) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    interval = sm_proportion.confint_proportions_2indep(x, n, y, m, method="newcomb", compare="diff", alpha=alpha)
    assert newcombe(x, n, y, m, alpha) == pytest.approx(interval, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("x", "n", "y", "m"), [case for case in COUNTS if case[0] + case[2] > 0])
def test_two_proportions(x: int, n: int, y: int, m: int) -> None:
    ours = two_proportion_z(x, n, y, m)
    z, p = sm_proportion.proportions_ztest([x, y], [n, m])
    assert ours.statistic == pytest.approx(z, rel=1e-9)
    assert ours.p_value == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "n", "y", "m"), [(30, 200, 22, 210), (1, 50, 2, 40), (9, 10, 3, 12), (5000, 100_000, 5200, 99_000)]
)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_relative_risks(x: int, n: int, y: int, m: int, alpha: float) -> None:
    theirs = sm_proportion.confint_proportions_2indep(
        x, n, y, m, method="score", compare="ratio", alpha=alpha, correction=False
    )
    found = relative_risk(x, n, y, m, alpha)
    assert found == pytest.approx(theirs, rel=1e-4)
    for end in found:
        test = sm_proportion.test_proportions_2indep(
            x, n, y, m, value=end, method="score", compare="ratio", correction=False
        )
        assert test.pvalue == pytest.approx(alpha, rel=1e-6)
    shown = two_proportion_z(x, n, y, m, alpha)
    assert (shown.relative_lower, shown.relative_upper) == pytest.approx((found.lower - 1, found.upper - 1))


def test_relative_risks_at_the_edges() -> None:
    assert relative_risk(0, 50, 5, 50).lower == 0
    assert 0.2 < relative_risk(0, 50, 5, 50).upper < 1
    assert relative_risk(5, 50, 0, 50).upper == np.inf
    assert relative_risk(0, 50, 0, 50) == (0, np.inf)
    everybody = relative_risk(40, 40, 40, 40)
    assert everybody.lower < 1 < everybody.upper
    assert everybody.lower == pytest.approx(1 / everybody.upper, rel=1e-6)


def test_relative_and_absolute_margins_of_one_size_differ() -> None:
    """120 of 1000 against 150 of 1000: 35 % of the control's share is 5.25 points, but only the relative margin's line
    moves with the control, so it takes part of the noise along: z = 1.78 against 1.47."""
    effect = Effect.of_means(Moments.from_counts(120, 1000), Moments.from_counts(150, 1000), two_valued=True)
    words = {
        margin.scale: judge_guardrail(effect, Question(metric="m", margin=margin), method="fixed").word
        for margin in (Margin("relative", 0.35), Margin("absolute", 0.0525))
    }
    assert words == {"relative": "non-inferior", "absolute": "inconclusive"}


def test_newcombes_own_example() -> None:
    """Newcombe (1998), table II, example (a): 56/70 against 48/80, method 10."""
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("table", [[[10, 20], [30, 40]], [[5, 9, 3], [8, 1, 7]], [[1, 2], [3, 4], [50, 60], [7, 80]]])
def test_chi_squared(table: list[list[int]]) -> None:
    ours, theirs = chi_squared(table), stats.chi2_contingency(table, correction=False)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.degrees == theirs.dof


def test_holm() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == ()


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 0), (10, 4), (5, 5), (200, 260)])
def test_mcnemar(b: int, c: int) -> None:
    theirs = sm_mcnemar([[50, b], [c, 20]], exact=True)
    ours = mcnemar(b, c)
    assert ours.exact == pytest.approx(theirs.pvalue if b + c else 1.0, rel=1e-9)
    half = stats.binom.pmf(min(b, c), b + c, 0.5) if b + c else 0.0
    assert ours.mid_p == pytest.approx(min(1.0, 2 * stats.binom.cdf(min(b, c), b + c, 0.5) - half), rel=1e-9)


def test_kappa_and_agreement() -> None:
    table = np.array([[20, 5, 1], [3, 30, 2], [0, 4, 35]])
    found = agreement({(i, j): int(table[i, j]) for i in range(3) for j in range(3)})
    assert found.kappa == pytest.approx(cohens_kappa(table).kappa, rel=1e-9)
    assert found.share == pytest.approx(85 / 100)
    assert found.interval == pytest.approx(sm_proportion.proportion_confint(85, 100, method="wilson"))


def test_paired_difference() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(1.2, 1, 40), rng.normal(1, 1, 40)
    ours, theirs = paired_difference(Moments.from_values(a - b), 0.1), stats.ttest_rel(a, b)
    interval = theirs.confidence_interval(0.9)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert (ours.lower, ours.upper) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_a_ratios_standard_error_is_the_clusters() -> None:
    """Regression of the ratio through the origin, weighted by the denominator, with errors clustered by unit."""
    import statsmodels.api as sm

    rng = np.random.default_rng(2)
    y = rng.integers(1, 20, 300)
    chance = rng.beta(2, 5, 300)
    x = rng.binomial(y, chance)
    unit = np.repeat(np.arange(300), y)
    hits = np.concatenate([np.r_[np.ones(k), np.zeros(n - k)] for k, n in zip(x, y, strict=True)])
    fit = sm.OLS(hits, np.ones_like(hits)).fit(
        cov_type="cluster", cov_kwds={"groups": unit, "use_correction": False, "df_correction": False}
    )
    ours = linearise(PairMoments.from_values(x, y))
    assert ours.mean == pytest.approx(float(fit.params[0]), rel=1e-9)
    assert ours.standard_error == pytest.approx(float(fit.bse[0]) * np.sqrt(300 / 299), rel=1e-9)


def test_cochrans_q_is_chi_squared_of_two_equal_phases() -> None:
    """Two phases of equal precision: Q is the squared z of their difference."""
    phases = [Effect.of_means(Moments(500, d, 499.0), Moments(500, 0.0, 499.0)) for d in (0.1, 0.3)]
    found = combine_phases(phases)
    z = 0.2 / np.hypot(phases[0].se, phases[1].se)
    assert found.q == pytest.approx(z * z, rel=1e-9)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(z), rel=1e-9)


@pytest.mark.parametrize(("size", "share"), [(0.2, 0.5), (0.05, 0.1)])
def test_power_of_a_fixed_look(size: float, share: float) -> None:
    ratio = share / (1 - share)
    control = NormalIndPower().solve_power(size, alpha=0.05, power=0.8, ratio=ratio, alternative="larger")
    plan = plan_means(size, 1.0, Design(share=share, sides=1))
    assert plan.fixed == pytest.approx(control * (1 + ratio), abs=1.001)


def test_power_of_a_share_uses_its_variances() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    by_hand = z * z * 2 * (0.1 * 0.9 + 0.08 * 0.92) / 0.02**2
    assert plan_proportions(0.1, 0.08).fixed == pytest.approx(by_hand, abs=1)
