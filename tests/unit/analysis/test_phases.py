"""Phases of constant weights in files: an oracle for every number, and a ramp that nobody named is never pooled."""

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis, Check
from seatrial.spec.errors import BadInput
from seatrial.stats.chi_squared import chi_squared, chi_squared_within

START = pd.Timestamp("2026-01-05", tz="UTC")
SHARES = {"1": {"control": 90, "new": 10}, "2": {"control": 50, "new": 50}}
METRIC = {"x": "proportion:x"}


def ramp(seed: int, n: int = 20_000, effect: float = 0.0) -> pd.DataFrame:
    """A week at 10 %, a week at 50 %; conversion falls from 20 to 15 %."""
    rng = np.random.default_rng(seed)
    second = rng.random(n) < 0.5
    variant = np.where(rng.random(n) < np.where(second, 0.5, 0.1), "new", "control")
    at = START + pd.to_timedelta(np.where(second, 7, 0) + rng.uniform(0, 7, n), unit="D")
    chance = np.where(second, 0.15, 0.2) + effect * (variant == "new")
    return pd.DataFrame(
        {
            "unit": np.arange(n),
            "variant": variant,
            "at": at,
            "week": 1 + second,
            "x": (rng.random(n) < chance) * 1,
            "y": rng.normal(20, 5, n) - 5 * second,
            "before": rng.normal(0, 1, n),
        }
    )


def check(found: Analysis, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


@pytest.mark.parametrize("method", ["fixed", "always-valid"])
def test_a_ramp_that_nobody_named_withholds_and_says_when_it_climbed(method) -> None:  # type: ignore[no-untyped-def]
    for seed in range(5):
        found = judge(ramp(seed), metrics=METRIC, shares={"control": 0.7, "new": 0.3}, method=method)
        assert found.comparisons[0].recommendation == "withheld"
        said = check(found, "changing-shares")
        assert not said.ok
        assert "of them until 2026-01-1" in said.sentence
        assert "(--phase)" in said.sentence


@pytest.mark.parametrize("method", ["fixed", "always-valid"])
def test_the_effect_is_that_of_the_phases_weighted_by_precision(method) -> None:  # type: ignore[no-untyped-def]
    units = ramp(7, effect=0.05)
    found = judge(units, metrics=METRIC, shares=SHARES, phase="week", method=method)
    effects, weights, variances = [], [], []
    for _, week in units.groupby("week"):
        t, c = (week.x[week.variant == name] for name in ("new", "control"))
        effects.append(t.mean() - c.mean())
        weights.append(len(t) * len(c) / len(week))
        variances.append(t.var() / len(t) + c.var() / len(c))
    w = np.array(weights) / sum(weights)
    primary = found.comparisons[0].primary
    assert primary.verdict.effect == pytest.approx(w @ effects, rel=1e-9)
    assert [one.effect for one in primary.phases] == pytest.approx(effects, rel=1e-9)
    assert [one.name for one in primary.phases] == ["1", "2"]
    if method == "fixed":
        half = 1.96 * np.sqrt(w**2 @ variances)
        assert (primary.verdict.upper - primary.verdict.lower) / 2 == pytest.approx(half, rel=1e-3)  # type: ignore[operator]
    assert primary.verdict.word == "better"
    assert found.comparisons[0].recommendation == "ship"
    assert found.shares["new"] == pytest.approx(0.3, abs=0.01)
    assert all(one.ok for one in found.checks)


def test_a_phase_of_wrong_shares_withholds_and_so_do_equal_ones_that_nobody_stated() -> None:
    units = ramp(1)
    for shares in ({}, {"1": {"control": 80, "new": 20}, "2": {"control": 50, "new": 50}}):
        found = judge(units, metrics=METRIC, shares=shares, phase="week")
        assert not check(found, "sample-ratio").ok
        assert "in week 1 control" in check(found, "sample-ratio").sentence


def test_phases_that_do_not_follow_the_weights_withhold() -> None:
    units = ramp(2).assign(week=1)
    found = judge(units, metrics=METRIC, shares={"control": 7, "new": 3}, phase="week")
    assert "within the phases of week" in check(found, "changing-shares").sentence
    assert found.comparisons[0].recommendation == "withheld"


def test_phases_that_contradict_each_other_are_a_warning() -> None:
    units = ramp(3)
    units["x"] = np.where((units.variant == "new") & (units.week == 2), 1, units["x"])
    found = judge(units, metrics=METRIC, shares=SHARES, phase="week")
    assert not check(found, "phases").ok
    assert not check(found, "phases").withholds


def test_values_lacking_more_in_one_week_are_not_lacking_more_in_one_variant() -> None:
    units = ramp(4)
    lost = np.random.default_rng(1).random(len(units)) < np.where(units.week == 2, 0.4, 0.02)
    found = judge(units.assign(y=units.y.mask(lost)), metrics={"y": "mean:y"}, shares=SHARES, phase="week")
    assert check(found, "label-coverage").ok
    more = lost | ((units.variant == "new") & (np.arange(len(units)) % 5 == 0))
    found = judge(units.assign(y=units.y.mask(more)), metrics={"y": "mean:y"}, shares=SHARES, phase="week")
    assert not check(found, "label-coverage").ok


@pytest.mark.parametrize("method", ["fixed", "always-valid"])
@pytest.mark.parametrize(
    "metric", ["mean:y,covariate=before", "quantile:y,q=50%", "mean:y,range=-10..50", "mean:y,cap=30", "ratio:y/x"]
)
def test_no_kind_takes_the_weeks_for_an_effect(metric: str, method) -> None:  # type: ignore[no-untyped-def]
    units = ramp(5)
    found = judge(units, metrics={"m": metric}, shares=SHARES, phase="week", method=method, over_time=True)
    primary = found.comparisons[0].primary
    assert primary.verdict.word == "inconclusive"
    assert all(look.word in ("inconclusive", "no-data") for look in primary.looks)
    pooled = units.y[units.variant == "new"].mean() - units.y[units.variant == "control"].mean()
    assert abs(pooled) > 1


def test_a_unit_that_new_weights_moved_is_counted_once_and_where_it_was_drawn_first() -> None:
    units = ramp(6)
    back = units[(units.week == 1) & (units.variant == "control")][:500].assign(variant="new", week=2)
    back["at"] = START + pd.Timedelta("9D")
    outcomes = units[units.x == 1][["unit", "at"]].assign(outcome="buy")
    both = pd.concat([units, back])
    found = judge(both, outcomes, metrics={"c": "proportion:buy"}, shares=SHARES, phase="week")
    assert check(found, "both-arms").ok
    assert sum(found.units.values()) == len(units)
    alone = judge(units, outcomes, metrics={"c": "proportion:buy"}, shares=SHARES, phase="week")
    ours, theirs = (one.comparisons[0].primary.verdict for one in (found, alone))
    assert (ours.effect, ours.lower) == pytest.approx((theirs.effect, theirs.lower), rel=1e-9)
    crossed = judge(
        pd.concat([units, back.assign(week=1)]), outcomes, metrics={"c": "proportion:buy"}, shares=SHARES, phase="week"
    )
    assert not check(crossed, "both-arms").ok


def test_clusters_are_of_the_phase_of_their_first_unit() -> None:
    rng = np.random.default_rng(8)
    shop = np.repeat(np.arange(1200), 5)
    week = np.repeat(1 + (np.arange(1200) >= 600), 5)
    new = (rng.random(1200) < np.where(np.arange(1200) < 600, 0.2, 0.5))[shop]
    at = START + pd.to_timedelta(7 * (week - 1) + rng.uniform(0, 7, len(shop)), unit="D")
    units = pd.DataFrame(
        {"unit": np.arange(len(shop)), "variant": np.where(new, "new", "control"), "shop": shop, "week": week, "at": at,
         "y": rng.normal(20, 5, len(shop)) - 5 * (week == 2)}
    )  # fmt: skip
    shares = {"1": {"control": 8, "new": 2}, "2": {"control": 1, "new": 1}}
    found = judge(units, metrics={"y": "mean:y"}, shares=shares, phase="week", cluster="shop")
    assert all(one.ok for one in found.checks if one.withholds)
    assert abs(found.comparisons[0].primary.verdict.effect) < 0.5  # type: ignore[arg-type]
    units.loc[0, "week"] = 2
    with pytest.raises(BadInput, match="the shop '0' is in several phases of 'week'"):
        judge(units.drop(columns="at"), metrics={"y": "mean:y"}, shares=shares, phase="week", cluster="shop")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"shares": SHARES}, "say which column names the phase"),
        ({"phase": "wek"}, "no column 'wek'.*did you mean 'week'"),
        ({"phase": "week", "shares": {"1": {"control": 1, "new": 1}}}, "leave out the phase '2'"),
        ({"phase": "week", "shares": {**SHARES, "3": {"control": 1}}}, "name the phase '3'"),
        ({"phase": "week", "shares": {**SHARES, "2": {"control": 1}}}, "units came to 'new' in the phase '2'"),
        ({"phase": "week", "shares": {**SHARES, "control": 1.0}}, "both for all phases and for some"),
        ({"phase": "week", "shares": {**SHARES, "2": {"control": 1, "new": float("nan")}}}, "the share nan of 'new'"),
    ],
)
def test_what_is_wrong_with_phases_is_said(more, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=says):
        judge(ramp(9, 400), metrics=METRIC, **more)


def test_ranks_need_one_split() -> None:
    with pytest.raises(BadInput, match="ranks, which need one split throughout"):
        judge(ramp(9, 400), metrics={"y": "mean:y,compare=ranks"}, shares=SHARES, phase="week")


def test_tables_that_differ_from_each_other_are_not_taken_for_dependence() -> None:
    early, late = [[90, 10], [900, 100]], [[50, 50], [500, 500]]
    assert chi_squared_within([early, late]) == pytest.approx(1.0)
    assert chi_squared_within([early]) == chi_squared(early).p_value
    assert chi_squared_within([[[5, 0], [7, 0]]]) is None


@pytest.mark.simulation
@pytest.mark.parametrize("method", ["fixed", "always-valid"])
def test_constant_shares_are_seldom_called_changing(method) -> None:  # type: ignore[no-untyped-def]
    wrong = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n = 3000
        at = START + pd.to_timedelta(rng.uniform(0, 9, n) ** 1.3, unit="D")
        variant = np.where(rng.random(n) < 0.05, "new", "control")
        units = pd.DataFrame({"unit": np.arange(n), "variant": variant, "at": at, "x": rng.normal(0, 1, n)})
        found = judge(units, metrics={"x": "mean:x"}, shares={"control": 0.95, "new": 0.05}, method=method)
        wrong += not check(found, "changing-shares").ok
    assert wrong <= 1, "each at 0.001: 2 of 100 have a chance of 0.005"


@pytest.mark.parametrize("method", ["fixed", "always-valid"])
@pytest.mark.parametrize("metric", ["proportion:x", "mean:y", "quantile:y,q=50%", "mean:y,range=-10..50"])
def test_a_phase_in_which_the_treatment_had_no_chance_says_nothing(metric: str, method) -> None:  # type: ignore[no-untyped-def]
    units = ramp(10)
    before = ramp(11, 2000).assign(variant="control", week=0, y=1000.0, x=1)
    before = before.assign(unit=before.unit + 10**6, at=before["at"] - pd.Timedelta("30D"))
    alone = judge(units, metrics={"m": metric}, shares=SHARES, phase="week", method=method)
    both = judge(pd.concat([units, before]), metrics={"m": metric}, shares={**SHARES, "0": {"control": 1}},
                 phase="week", method=method)  # fmt: skip
    a, b = (found.comparisons[0].primary.verdict for found in (alone, both))
    assert (b.effect, b.lower, b.upper) == pytest.approx((a.effect, a.lower, a.upper), rel=1e-9)
    assert both.comparisons[0].recommendation == alone.comparisons[0].recommendation


def test_few_units_of_several_phases_have_no_exact_verdict() -> None:
    units = ramp(12, 400)
    assert (units.variant == "new").sum() < 150
    few = units[(units.variant == "control") | (np.arange(400) % 2 == 0)]
    shares = {"1": {"control": 95, "new": 5}, "2": {"control": 67, "new": 33}}
    for metric in ("mean:y", "proportion:x"):
        found = judge(few, metrics={"m": metric}, shares=shares, phase="week").comparisons[0].primary.verdict
        assert (found.word, found.lower) == ("no-data", None)
        assert "of 100 matured units of new" in (found.reason or "")
