"""Regression adjustment against statsmodels' least squares and tea-tasting's frozen answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import relative_interval
from seatrial.stats.cuped import Adjusted, Ratio, cuped, cuped_one, cuped_ratios
from seatrial.stats.effect import Effect
from seatrial.stats.impute import impute
from seatrial.stats.lin import Robust, lin, lin_ratios
from seatrial.stats.mann_whitney import mann_whitney
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.phases import combine_phases
from seatrial.stats.welch import welch_of
from tests.oracle.tea_tasting.worlds import arms

Floats = NDArray[np.float64]
ANSWERS = json.loads((Path(__file__).parent / "tea_tasting" / "answers.json").read_text(encoding="utf-8"))["answers"]


def world(seed: int, n: int = 300, share: float = 0.3, k: int = 2) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, (n, k))
    treated = rng.random(n) < share
    y = 5 + x @ np.arange(1, k + 1) + treated * (0.5 + 0.4 * (x[:, 0] - 3)) + rng.normal(0, 1 + treated, n)
    return y, x, treated


def moments(y: Floats, x: Floats) -> MultiMoments:
    return MultiMoments.from_values(np.column_stack([y, x]))


def adjusted(y: Floats, x: Floats, t: NDArray[np.bool_]) -> Adjusted:
    return cuped(moments(y[t], x[t]), moments(y[~t], x[~t]))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_cuped_is_the_analysis_of_covariance(k: int) -> None:
    y, x, t = world(1, k=k)
    fit = sm.OLS(y, np.column_stack([np.ones(len(y)), t, x])).fit()
    found = adjusted(y, x, t)
    assert found.effect.effect == pytest.approx(fit.params[1], rel=1e-9)
    assert found.effect.se_pooled == pytest.approx(fit.bse[1], rel=1e-9)
    assert found.coefficients == pytest.approx(fit.params[2:], rel=1e-9)


def test_cupeds_own_error_is_welchs_of_what_is_left() -> None:
    y, x, t = world(2)
    found = adjusted(y, x, t)
    left = y - x @ np.array(found.coefficients)
    plain = Effect.of_means(Moments.from_values(left[t]), Moments.from_values(left[~t]))
    assert found.effect.se_unpooled == pytest.approx(plain.se_unpooled, rel=1e-9)
    ours, theirs = welch_of(found.effect), welch_of(plain)
    assert (ours.statistic, ours.p_value, ours.degrees) == pytest.approx(
        (theirs.statistic, theirs.p_value, theirs.degrees), rel=1e-9
    )


@pytest.mark.parametrize("robust", ["HC2", "HC3"])
def test_lin_is_the_interacted_regression(robust: Robust) -> None:
    y, x, t = world(3)
    centred = x - x.mean(axis=0)
    design = np.column_stack([np.ones(len(y)), t, centred, centred * t[:, None]])
    fit = sm.OLS(y, design).fit(cov_type=robust)
    found = lin(y, x, t, robust=robust, target="sample")
    assert found.effect.effect == pytest.approx(fit.params[1], rel=1e-9)
    assert found.effect.se_unpooled == pytest.approx(fit.bse[1], rel=1e-9)
    assert found.effect.se_pooled == pytest.approx(sm.OLS(y, design).fit().bse[1], rel=1e-9)
    more = lin(y, x, t, robust=robust).effect.se_unpooled ** 2 - fit.bse[1] ** 2
    assert more == pytest.approx((centred @ fit.params[4:]).var(ddof=1) / len(y), rel=1e-6)


def test_the_covariance_with_the_unadjusted_baseline_is_the_joint_regressions() -> None:
    """Influence functions of both estimates, written down unit by unit."""
    y, x, t = world(4, n=900)
    found = adjusted(y, x, t)
    left = y - x @ np.array(found.coefficients)
    n_t, n_c = t.sum(), (~t).sum()
    of_effect = np.where(t, (left - left[t].mean()) / n_t, -(left - left[~t].mean()) / n_c)
    of_base = np.where(t, 0.0, (y - y[~t].mean()) / n_c)
    expected = float(of_effect @ of_base) * n_c / (n_c - 1)
    assert found.effect.covariance - found.effect.control_variance == pytest.approx(expected, rel=1e-9)
    factor = 1.02
    contrast = of_effect - (factor - 1) * of_base
    by_hand = sum(float(contrast[arm] @ contrast[arm]) * m / (m - 1) for arm, m in ((t, n_t), (~t, n_c)))
    assert found.effect.unpooled().contrast_se(factor) == pytest.approx(by_hand**0.5, rel=1e-9)


def test_the_relative_interval_is_where_the_contrasts_interval_leaves_zero() -> None:
    y, x, t = world(5)
    effect = adjusted(y, x, t).effect.unpooled()
    interval = relative_interval(effect, 2.0, 2.0)
    assert interval is not None
    for end in interval:
        assert abs(effect.contrast(1 + end)) == pytest.approx(2 * effect.contrast_se(1 + end), rel=1e-9)
    assert interval.contains(effect.relative or 0.0)


def ratio_arms() -> tuple[MultiMoments, MultiMoments]:
    names = ("orders", "visits", "orders_before", "visits_before")
    control, treatment = ([arm[name] for name in names] for arm in arms())
    return MultiMoments.from_values(np.column_stack(treatment)), MultiMoments.from_values(np.column_stack(control))


def test_tea_tastings_means() -> None:
    control, treatment = (Moments.from_values(arm["value"]) for arm in arms())
    result, theirs = welch_of(Effect.of_means(treatment, control)), ANSWERS["mean"]
    assert result.p_value == pytest.approx(theirs["pvalue"], rel=1e-9)
    assert (result.effect, result.lower, result.upper) == pytest.approx(
        (theirs["effect_size"], theirs["effect_size_ci_lower"], theirs["effect_size_ci_upper"]), rel=1e-9
    )
    assert result.relative_effect == pytest.approx(theirs["rel_effect_size"], rel=1e-9)
    # Theirs is on the log scale, ours Fieller's: the same to first order.
    ends = theirs["rel_effect_size_ci_lower"], theirs["rel_effect_size_ci_upper"]
    assert (result.relative_lower, result.relative_upper) == pytest.approx(ends, rel=0.01)


def test_tea_tastings_pooled_error() -> None:
    control, treatment = (Moments.from_values(arm["value"]) for arm in arms())
    effect = Effect.of_means(treatment, control)
    assert effect.effect / effect.se_pooled == pytest.approx(ANSWERS["pooled"]["statistic"], rel=1e-9)


def test_tea_tastings_ratio() -> None:
    control, treatment = (PairMoments.from_values(arm["orders"], arm["visits"]) for arm in arms())
    result, theirs = welch_of(Effect.of_ratios(treatment, control)), ANSWERS["ratio"]
    assert (result.lower, result.upper) == pytest.approx(
        (theirs["effect_size_ci_lower"], theirs["effect_size_ci_upper"]), rel=1e-9
    )


def test_tea_tastings_cuped() -> None:
    control, treatment = (PairMoments.from_values(arm["value"], arm["before"]) for arm in arms())
    found, theirs = cuped_one(treatment, control), ANSWERS["cuped"]
    result = welch_of(found.effect)
    assert (result.effect, result.lower, result.upper, result.statistic) == pytest.approx(
        tuple(theirs[k] for k in ("effect_size", "effect_size_ci_lower", "effect_size_ci_upper", "statistic")), rel=1e-9
    )
    assert result.p_value == pytest.approx(theirs["pvalue"], rel=1e-7)


def test_tea_tastings_relative_interval_forgets_the_unadjusted_baseline() -> None:
    """Ours is wider: of the relative lift, the baseline's own noise is not explained by the covariate."""
    control, treatment = (PairMoments.from_values(arm["value"], arm["before"]) for arm in arms())
    result, theirs = welch_of(cuped_one(treatment, control).effect), ANSWERS["cuped"]
    assert result.relative_lower is not None
    assert result.relative_upper is not None
    width = theirs["rel_effect_size_ci_upper"] - theirs["rel_effect_size_ci_lower"]
    assert result.relative_upper - result.relative_lower != pytest.approx(width, rel=0.02)


def test_tea_tastings_cuped_of_ratios() -> None:
    result = welch_of(cuped_ratios(*ratio_arms(), Ratio(0, 1), [Ratio(2, 3)]).effect)
    theirs = ANSWERS["cuped_ratio"]
    assert (result.lower, result.upper) == pytest.approx(
        (theirs["effect_size_ci_lower"], theirs["effect_size_ci_upper"]), rel=1e-9
    )


def test_tea_tastings_ranks() -> None:
    control, treatment = (arm["value"] for arm in arms())
    found, theirs = mann_whitney(treatment, control), ANSWERS["ranks"]
    assert found.test.statistic == pytest.approx(theirs["statistic"], rel=1e-12)
    assert found.test.p_value == pytest.approx(theirs["pvalue"], rel=1e-9)
    assert found.p_above == pytest.approx(theirs["treatment"], rel=1e-12)


def test_lin_of_ratios_is_lin_of_the_linearised_values() -> None:
    control, treatment = arms()
    stacked = {name: np.concatenate([treatment[name], control[name]]) for name in control}
    t = np.arange(len(stacked["orders"])) < len(treatment["orders"])
    x = stacked["before"]
    found = lin_ratios(stacked["orders"], stacked["visits"], x, t, target="sample")
    influence = np.empty(len(t))
    for arm in (t, ~t):
        ratio = stacked["orders"][arm].sum() / stacked["visits"][arm].sum()
        influence[arm] = (
            ratio + (stacked["orders"][arm] - ratio * stacked["visits"][arm]) / stacked["visits"][arm].mean()
        )
    centred = x - x.mean()
    fit = sm.OLS(influence, np.column_stack([np.ones(len(t)), t, centred, centred * t])).fit(cov_type="HC2")
    assert found.effect.effect == pytest.approx(fit.params[1], rel=1e-9)
    assert found.effect.se_unpooled == pytest.approx(fit.bse[1], rel=1e-9)
    assert found.effect.control_mean == pytest.approx(
        stacked["orders"][~t].sum() / stacked["visits"][~t].sum(), rel=1e-12
    )


def test_what_a_hole_is_filled_with_does_not_matter() -> None:
    y, x, t = world(6)
    holes = x[:, 0].copy()
    holes[::7] = np.nan
    found = [adjusted(y, impute(holes, fill), t).effect for fill in (None, 0.0, -50.0)]
    for other in found[1:]:
        assert other.effect == pytest.approx(found[0].effect, rel=1e-9)
        assert other.se_unpooled == pytest.approx(found[0].se_unpooled, rel=1e-9)
    assert found[0].n_treatment + found[0].n_control == len(y)


def test_a_redundant_covariate_changes_nothing() -> None:
    y, x, t = world(7)
    once = adjusted(y, x, t).effect
    for twice in (np.column_stack([x, 2 * x[:, 0] + 3]), np.column_stack([x, np.full(len(y), 4.0)])):
        assert adjusted(y, twice, t).effect.effect == pytest.approx(once.effect, rel=1e-9)
        assert lin(y, twice, t).effect.effect == pytest.approx(lin(y, x, t).effect.effect, rel=1e-9)


def test_a_mean_of_a_hundred_million_costs_no_digits() -> None:
    rng = np.random.default_rng(8)
    y, x, t = world(8)
    far = adjusted(y + 1e8, x - 1e8, t).effect
    near = adjusted(y, x, t).effect
    assert far.effect == pytest.approx(near.effect, abs=1e-6)
    assert far.se_unpooled == pytest.approx(near.se_unpooled, rel=1e-6)
    parts = [MultiMoments.from_values(1e8 + rng.normal(0, 1, (k, 2))) for k in (3, 1000, 20)]
    assert MultiMoments.merged(parts).column(0).variance == pytest.approx(1, rel=0.2)


def test_a_covariate_that_is_the_metric_is_refused() -> None:
    y, _, t = world(9)
    with pytest.raises(BadInput, match="explain all of the metric"):
        adjusted(y, 2 * y[:, None] + 1, t)
    with pytest.raises(BadInput, match="explain all of the metric"):
        lin(y, y, t)


def test_a_constant_metric_stays_constant() -> None:
    _, x, t = world(10)
    found = adjusted(np.full(len(t), 7.0), x, t)
    assert found.effect.effect == 0
    assert found.effect.se == 0


def test_phases_of_adjusted_effects_add_up() -> None:
    parts = []
    for seed in (11, 12):
        y, x, t = world(seed)
        parts.append(adjusted(y, x, t).effect)
    whole = combine_phases(parts).effect
    weights = [p.n_treatment * p.n_control / p.n for p in parts]
    expected = sum(w * p.effect for w, p in zip(weights, parts, strict=True)) / sum(weights)
    assert whole.effect == pytest.approx(expected, rel=1e-9)
    variance = sum((w * p.se_unpooled) ** 2 for w, p in zip(weights, parts, strict=True)) / sum(weights) ** 2
    assert whole.se_unpooled == pytest.approx(variance**0.5, rel=1e-9)
    assert min(p.degrees or 0 for p in parts) < (whole.degrees or 0) <= sum(p.degrees or 0 for p in parts)


@pytest.mark.parametrize(
    ("values", "message"),
    [([[1.0, np.nan]], "unit 0, column 1"), ([1.0, 2.0], "two dimensions"), ([[1.0, 2.0], [np.inf, 1.0]], "unit 1")],
)
def test_what_cannot_be_reduced_is_refused(values: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        MultiMoments.from_values(values)  # type: ignore[arg-type]


def test_too_few_units_are_refused() -> None:
    with pytest.raises(BadInput, match="too few to adjust"):
        cuped(MultiMoments.from_values([[1.0, 2.0]]), MultiMoments.from_values([[1.0, 2.0], [3.0, 4.0]]))
    with pytest.raises(BadInput, match="too few for 2 covariates"):
        lin([1.0, 2, 3, 4], np.ones((4, 2)), [True, False, True, False])
    with pytest.raises(BadInput, match="is infinite"):
        impute([1.0, np.inf])
