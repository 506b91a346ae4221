"""Covariates: which value of a unit is read, and what an adjusted effect is, beside statsmodels' own regression."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.experiments.counted import UNITS_A_COVARIATE, covariates_of
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.question import read
from seatrial.experiments.sample import take_sample
from seatrial.experiments.units import NEVER, Units
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.5, 0))
NOW = worlds.START + 100_000 * SECOND
BUY = {"kind": "mean", "outcome": "buy", "within": 60.0, "grace": 10.0}


def at(*seconds: float) -> list[int]:
    return [worlds.START + round(second * SECOND) for second in seconds]


def read_z(rows: list[dict[str, Any]], covariate: str) -> dict[str, float]:
    """The covariate by unit."""
    deployment = worlds.deployment(outcomes={"buy": {}}, metrics={"m": {**BUY, "covariates": [covariate]}})
    units, columns = read(worlds.source(rows), RUN, declared_measures(deployment, RUN), NOW)
    z = columns["m"].z
    assert z is not None
    return dict(zip(units.unit.to_pylist(), z[:, 0].tolist(), strict=True))


def test_a_context_key_is_read_from_the_first_exposing_request_alone() -> None:
    rows = worlds.rows(RUN, ["a", "a", "b"], at(100, 101, 100), **{"context.prior": [3.0, 9.0, None]})
    override = worlds.rows(RUN, ["a"], at(50), reason=["override"], **{"context.prior": [7.0]})
    found = read_z([rows, override], "context.prior")
    assert found["a"] == 3.0, "not the later one, nor one that chance did not decide"
    assert np.isnan(found["b"])


def test_a_missing_value_is_not_filled_from_a_later_request() -> None:
    rows = worlds.rows(RUN, ["a", "a"], at(100, 101), **{"context.prior": [None, 9.0]})
    assert np.isnan(read_z([rows], "context.prior")["a"])


def test_instances_of_one_request_have_an_order() -> None:
    rows = worlds.rows(
        RUN, ["a", "a"], at(100, 100), request_id=["r", "r"], row=[1, 0], **{"context.prior": [5.0, 4.0]}
    )
    assert read_z([rows], "context.prior") == {"a": 4.0}


def test_what_is_no_finite_number_is_missing_and_a_boolean_is_one() -> None:
    rows = worlds.rows(RUN, ["a", "b"], at(100, 101), **{"context.prior": [float("inf"), 2.0]})
    found = read_z([rows], "context.prior")
    assert np.isnan(found["a"])
    assert found["b"] == 2.0
    rows = worlds.rows(RUN, ["a", "b"], at(100, 101), **{"context.prior": [True, False]})
    assert read_z([rows], "context.prior") == {"a": 1.0, "b": 0.0}


def test_a_key_that_came_back_with_another_type_is_one_covariate() -> None:
    rows = worlds.rows(
        RUN, ["a", "b"], at(100, 101), **{"context.prior": [2, None], "context.prior#number": [None, 2.5]}
    )
    assert read_z([rows], "context.prior") == {"a": 2.0, "b": 2.5}


def test_a_key_that_no_row_has_is_missing() -> None:
    assert np.isnan(read_z([worlds.rows(RUN, ["a"], at(100))], "context.prior")["a"])


def test_the_champion_s_last_prediction_strictly_before_the_exposure_is_read_live_or_in_shadow() -> None:
    n = 6
    names = ["a", "a", "a", "b", "c", "d"]
    before = worlds.rows(
        RUN,
        names,
        at(-500, -400, 100, -300, -300, -300),
        variant=np.array(["champion"] * 4 + ["challenger"] + ["champion"], dtype=object),
        role=["answer"] * 3 + ["shadow"] + ["answer"] * 2,
        reason=["rule"] * n,
        version=["digits:1"] * 4 + ["digits:2"] + ["digits:1"],
        status=["ok"] * 5 + ["error"],
        **{"prediction.score": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]},
    )
    drawn = worlds.rows(RUN, ["a", "b", "c", "d"], at(*[100] * 4), **{"prediction.score": [0.9] * 4})
    found = read_z([before, drawn], "prediction")
    assert found["a"] == 0.2, "the one at the very moment is not before"
    assert found["b"] == 0.4, "a shadow of the champion's"
    assert np.isnan(found["c"]), "the challenger's says nothing"
    assert np.isnan(found["d"]), "a failed answer neither"


def exposed(treated: np.ndarray, phase: np.ndarray | None = None) -> Units:
    n = len(treated)
    return Units(
        unit=pa.chunked_array([pa.array(worlds.unit_names(n))]),
        variant=np.where(treated, "challenger", "champion").astype(object),
        phase=np.ones(n, dtype=np.int64) if phase is None else phase,
        first_at=np.full(n, worlds.START),
        moved_at=np.full(n, NEVER),
    )


def column(x: np.ndarray, z: np.ndarray, y: np.ndarray | None = None) -> Column:
    ones, none = np.ones(len(x)), np.zeros(len(x))
    below = ones if y is None else y
    return Column(
        x=x, y=below, x_all=x, y_all=below, labels=ones, wanted=ones, late=none, early=none, z=z.reshape(len(x), -1)
    )


MEASURE = Measure("m", "mean", 60 * SECOND, 10 * SECOND, "", covariates=("context.prior",))


def drawn(seed: int, n: int = 600, share: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z, treated = rng.normal(5, 2, n), rng.random(n) < share
    return treated, z, 3 + z * np.where(treated, 1.2, 0.7) + rng.normal(0, 1, n)


def test_an_adjusted_mean_is_the_interacted_regression_s() -> None:
    treated, z, x = drawn(1)
    sample = take_sample(exposed(treated), column(x, z), MEASURE, RUN, NOW)
    centred, t = z - z.mean(), treated.astype(float)
    fit = sm.OLS(x, np.column_stack([np.ones(len(x)), t, centred, t * centred])).fit(cov_type="HC2")
    assert sample.effect.effect == pytest.approx(fit.params[1], rel=1e-9)
    # Covariates are centred at this sample's mean, and the effect depends on them: one term more than statsmodels'.
    more = fit.params[3] ** 2 * z.var(ddof=1) / len(z)
    assert sample.effect.se_unpooled**2 == pytest.approx(fit.bse[1] ** 2 + more, rel=1e-9)
    assert sample.effect.control_mean == pytest.approx(x[~treated].mean(), rel=1e-12), "the baseline stays unadjusted"
    assert sample.adjustment is not None
    assert sample.adjustment.unadjusted == pytest.approx(x[treated].mean() - x[~treated].mean())
    assert sample.adjustment.variance_ratio is not None
    assert sample.adjustment.variance_ratio < 0.5


def test_missing_covariates_are_filled_and_flagged_and_nobody_is_dropped() -> None:
    treated, z, x = drawn(2)
    z[np.random.default_rng(3).random(len(z)) < 0.2] = np.nan
    sample = take_sample(exposed(treated), column(x, z), MEASURE, RUN, NOW)
    hole, t = np.isnan(z), treated.astype(float)
    filled = np.where(hole, z[~hole].mean(), z)
    centred = [filled - filled.mean(), hole - hole.mean()]
    design = np.column_stack([np.ones(len(x)), t, *centred, *(t * c for c in centred)])
    assert sample.effect.effect == pytest.approx(sm.OLS(x, design).fit().params[1], rel=1e-9)
    assert sample.effect.n == len(x)
    assert sample.adjustment is not None
    assert sample.adjustment.missing == pytest.approx(hole.mean())


def test_several_covariates_are_adjusted_for_together() -> None:
    treated, z, x = drawn(8)
    rng = np.random.default_rng(9)
    w = rng.exponential(2, len(x))
    x = x + w
    holed = np.where(rng.random(len(w)) < 0.1, np.nan, w)
    both = replace(MEASURE, covariates=("context.prior", "prediction"))
    sample = take_sample(exposed(treated), column(x, np.column_stack([z, holed])), both, RUN, NOW)
    hole, t = np.isnan(holed), treated.astype(float)
    filled = np.where(hole, holed[~hole].mean(), holed)
    centred = [each - each.mean() for each in (z, filled, hole.astype(float))]
    design = np.column_stack([np.ones(len(x)), t, *centred, *(t * c for c in centred)])
    fit = sm.OLS(x, design).fit(cov_type="HC2")
    assert sample.effect.effect == pytest.approx(fit.params[1], rel=1e-9)
    one = take_sample(exposed(treated), column(x, z), MEASURE, RUN, NOW)
    assert sample.effect.se_unpooled < 0.8 * one.effect.se_unpooled
    assert sample.adjustment is not None
    assert sample.adjustment.covariates == ("context.prior", "prediction")
    assert sample.adjustment.missing == pytest.approx(hole.mean())


def test_of_several_covariates_one_that_the_variant_moved_refuses_all_by_its_name() -> None:
    treated, z, x = drawn(10, 3000, 0.5)
    moved = np.random.default_rng(11).normal(0, 1, len(x)) + treated
    both = replace(MEASURE, covariates=("context.prior", "context.after"))
    sample = take_sample(exposed(treated), column(x, np.column_stack([z, moved])), both, RUN, NOW)
    assert sample.adjustment is not None
    assert sample.adjustment.refused.startswith("after's mean is not the same in both arms")
    assert sample.effect.effect == pytest.approx(x[treated].mean() - x[~treated].mean())


def test_several_covariates_are_read_in_their_order() -> None:
    rows = worlds.rows(RUN, ["a", "b"], at(100, 101), **{"context.prior": [3.0, 4.0], "context.age": [30.0, 40.0]})
    metric = {**BUY, "covariates": ["context.prior", "context.age"]}
    other = {**BUY, "covariates": ["context.age"]}
    deployment = worlds.deployment(outcomes={"buy": {}}, metrics={"m": metric, "o": other})
    _, columns = read(worlds.source([rows]), RUN, declared_measures(deployment, RUN), NOW)
    assert columns["m"].z is not None
    assert columns["m"].z.tolist() == [[3.0, 30.0], [4.0, 40.0]]
    assert columns["o"].z is not None
    assert columns["o"].z.tolist() == [[30.0], [40.0]]


def test_phases_are_adjusted_by_themselves_and_combined_by_precision() -> None:
    run = worlds.release((0.3, 0), (0.5, 1000))
    treated, z, x = drawn(4, 800)
    phase = np.repeat([1, 2], 400)
    sample = take_sample(exposed(treated, phase), column(x + 10 * phase, z), MEASURE, run, NOW)
    effects, weights = [], []
    for number in (1, 2):
        here = phase == number
        alone = take_sample(exposed(treated[here]), column(x[here], z[here]), MEASURE, RUN, NOW).effect
        effects.append(alone.effect)
        weights.append(alone.n_treatment * alone.n_control / alone.n)
        assert sample.by_phase[number].effect == pytest.approx(alone.effect)
    assert sample.effect.effect == pytest.approx(np.average(effects, weights=weights))


def test_a_small_arm_has_no_slope_of_its_own_and_is_not_adjusted() -> None:
    treated, z, x = drawn(5, 200)
    treated[:] = False
    treated[: UNITS_A_COVARIATE - 1] = True
    sample = take_sample(exposed(treated), column(x, z), MEASURE, RUN, NOW)
    assert sample.effect.effect == pytest.approx(x[treated].mean() - x[~treated].mean())


@settings(max_examples=30)
@given(st.floats(-1e4, 1e4), st.floats(0.01, 100), st.integers(0, 100))
def test_the_unit_in_which_a_covariate_is_measured_changes_nothing(shift: float, scale: float, seed: int) -> None:
    treated, z, x = drawn(seed, 200, 0.5)
    one = take_sample(exposed(treated), column(x, z), MEASURE, RUN, NOW).effect
    other = take_sample(exposed(treated), column(x, shift + scale * z), MEASURE, RUN, NOW).effect
    assert other.effect == pytest.approx(one.effect, rel=1e-5, abs=1e-5)
    assert other.se == pytest.approx(one.se, rel=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(-1e6, 1e6))
def test_a_covariate_that_is_the_same_for_all_changes_nothing(seed: int, value: float) -> None:
    treated, _, x = drawn(seed, 200, 0.5)
    plain = take_sample(exposed(treated), column(x, np.full(200, np.nan)), MEASURE, RUN, NOW)
    constant = take_sample(exposed(treated), column(x, np.full(200, value)), MEASURE, RUN, NOW)
    assert constant.effect == plain.effect
    assert covariates_of(np.full((3, 1), value)).shape == (3, 0)


def test_an_adjusted_ratio_keeps_its_ratio_of_totals_as_the_baseline() -> None:
    treated, z, x = drawn(6)
    y = np.random.default_rng(7).poisson(3, len(x)) + 1.0
    ratio = Measure("m", "ratio", 60 * SECOND, 0, "", covariates=("context.prior",))
    sample = take_sample(exposed(treated), column(x * y, z, y), ratio, RUN, NOW)
    assert sample.effect.control_mean == pytest.approx((x * y)[~treated].sum() / y[~treated].sum())
    assert sample.adjustment is not None
    assert sample.adjustment.variance_ratio is not None
    assert sample.adjustment.variance_ratio < 0.6


def judged(rows: dict[str, Any], spent: np.ndarray) -> Judgement:
    bought = worlds.outcomes("buy", np.asarray(rows["at"]) + SECOND, unit=rows["unit"], value_number=spent)
    metric = {**BUY, "covariates": ["context.prior"]}
    deployment = worlds.deployment(
        outcomes={"buy": {}},
        metrics={"revenue": metric},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.01}},
        },
    )
    return judge(deployment, RUN, worlds.source([rows], [bought]), NOW)


def world(n: int = 3000, seed: int = 1) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]:
    """Rows, whether the unit is the challenger's, a covariate, and noise."""
    rng = np.random.default_rng(seed)
    rows = worlds.rows(RUN, worlds.unit_names(n), np.full(n, worlds.START))
    return rows, rows["variant"] == "challenger", rng.normal(100, 20, n), rng.normal(0, 2, n)


def test_a_covariate_finds_what_the_plain_difference_does_not() -> None:
    rows, treated, z, noise = world()
    spent = z + noise + treated
    found = judged(rows | {"context.prior": z}, spent).metric("revenue")
    assert found.verdict.word == "better"
    assert "adjusted for prior" in found.sentence
    plain = judged(rows, spent).metric("revenue")
    assert plain.verdict.word == "inconclusive"
    assert plain.adjustment is not None
    assert plain.adjustment.refused == "no unit has a value of it"
    assert found.adjustment is not None
    assert found.adjustment.variance_ratio == pytest.approx(4 / 404, rel=0.1)


def test_a_covariate_that_the_variant_moved_is_refused_and_said() -> None:
    rows, treated, z, noise = world()
    found = judged(rows | {"context.prior": z + 10 * treated}, z + noise + 10 * treated)
    metric = found.metric("revenue")
    assert metric.adjustment is not None
    assert "its mean is not the same in both arms" in metric.adjustment.refused
    assert metric.verdict.effect == pytest.approx(metric.verdict.treatment_mean - metric.verdict.control_mean)  # type: ignore[operator]
    assert metric.verdict.effect == pytest.approx(10, abs=2)
    (check,) = [check for check in found.checks if check.name == "covariates"]
    assert (check.ok, check.withholds) == (False, False)
    assert "revenue is not adjusted for prior" in found.sentence


def test_a_covariate_that_one_arm_lacks_is_refused() -> None:
    rows, treated, z, noise = world()
    found = judged(rows | {"context.prior": np.where(treated & (z > 100), np.nan, z)}, z + noise).metric("revenue")
    assert found.adjustment is not None
    assert "missing in one arm more often" in found.adjustment.refused


def test_a_covariate_that_is_the_metric_itself_is_refused() -> None:
    rows, _, z, _ = world()
    found = judged(rows | {"context.prior": z}, z).metric("revenue")
    assert found.adjustment is not None
    assert "explain all of the metric" in found.adjustment.refused


def test_the_champion_s_earlier_prediction_may_be_the_covariate() -> None:
    rows, treated, z, noise = world()
    earlier = worlds.rows(
        RUN,
        rows["unit"],
        np.full(len(z), worlds.START - 3600 * SECOND),
        variant=np.full(len(z), "champion", dtype=object),
        release=[""] * len(z),
        **{"prediction.value": z},
    )
    both = {name: [*earlier[name], *rows.get(name, [None] * len(z))] for name in earlier}
    spent = z + noise + treated
    metric = {**BUY, "covariates": ["prediction"]}
    deployment = worlds.deployment(
        task="regression",
        outcomes={"buy": {}},
        metrics={"revenue": metric},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.01}},
        },
    )
    bought = worlds.outcomes("buy", np.asarray(rows["at"]) + SECOND, unit=rows["unit"], value_number=spent)
    found = judge(deployment, RUN, worlds.source([both], [bought]), NOW)
    assert found.metric("revenue").verdict.word == "better"
    assert "adjusted for the champion's earlier prediction" in found.sentence


def test_a_relative_interval_knows_that_the_effect_and_the_baseline_share_the_champion_s_units() -> None:
    rows, treated, z, noise = world()
    found = judged(rows | {"context.prior": z}, z + noise + treated).metric("revenue").verdict
    assert found.relative_lower is not None
    assert found.relative_upper is not None
    assert found.effect is not None
    assert found.lower is not None
    assert found.control_mean is not None
    # The baseline's own error is ten times the effect's: without their covariance the interval would be as wide as it.
    width = found.relative_upper - found.relative_lower
    assert width == pytest.approx(2 * (found.effect - found.lower) / found.control_mean, rel=0.05)


def test_a_judgement_with_an_adjustment_is_json_and_comes_back_the_same() -> None:
    rows, treated, z, noise = world(500)
    found = judged(rows | {"context.prior": z}, z + noise + treated)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Judgement) == found
