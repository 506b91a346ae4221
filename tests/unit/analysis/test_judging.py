"""Experiments from files: the numbers against scipy and statsmodels, who is counted, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.csv import write_csv
from pyarrow.parquet import write_table
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportions_ztest

import seatrial
from seatrial.analysis.judging import holm_alphas, judge
from seatrial.spec.errors import BadInput
from seatrial.stats import Effect, MultiMoments, PairMoments, cuped

START = pd.Timestamp("2026-03-02", tz="UTC")
DAY = pd.Timedelta(days=1)


def exposed(units: int, seed: int = 1, variants: tuple[str, ...] = ("control", "new")) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "unit": [f"u{i}" for i in range(units)],
            "variant": np.array(variants)[np.arange(units) % len(variants)],
            "at": START + pd.to_timedelta(np.sort(rng.uniform(0, 10, units)), unit="D"),
            "before": rng.normal(5, 2, units),
        }
    )


def happened(units: pd.DataFrame, outcome: str, after_days: float = 1.0, **columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"unit": units["unit"], "outcome": outcome, "at": units["at"] + after_days * DAY, **columns}
    ).reset_index(drop=True)


def purchases(units: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    chance = np.where(units["variant"] == "new", 0.3, 0.2)
    buyers = units[rng.random(len(units)) < chance]
    amounts, items = rng.lognormal(2, 0.5, len(buyers)), rng.integers(1, 5, len(buyers))
    return happened(buyers, "purchase", 0.5, amount=amounts, items=items)


def totals(units: pd.DataFrame, outcomes: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    by_unit = outcomes.groupby("unit")[column].sum().reindex(units["unit"]).fillna(0.0).to_numpy()
    new = (units["variant"] == "new").to_numpy()
    return by_unit[new], by_unit[~new]


def test_a_mean_a_share_and_a_ratio_are_those_of_the_oracles() -> None:
    units = exposed(2000)
    bought = purchases(units)
    found = judge(
        units,
        bought,
        metrics={
            "conversion": "proportion:purchase",
            "revenue": "mean:purchase.amount",
            "basket": "ratio:purchase.amount/purchase.items",
        },
    )
    (comparison,) = found.comparisons
    t, c = totals(units, bought, "amount")
    welch = scipy_stats.ttest_ind(t, c, equal_var=False)
    ends = welch.confidence_interval(0.95)
    revenue = comparison.metric("revenue").verdict
    assert revenue.effect == pytest.approx(t.mean() - c.mean(), rel=1e-9)
    assert (revenue.lower, revenue.upper) == pytest.approx((ends.low, ends.high), rel=1e-9)
    assert revenue.p_value == pytest.approx(welch.pvalue, rel=1e-9)
    z, p = proportions_ztest([(t > 0).sum(), (c > 0).sum()], [1000, 1000])
    share = next(r for r in comparison.metric("conversion").tests if "two-proportion" in r.method)
    assert (share.statistic, share.p_value) == pytest.approx((z, p), rel=1e-9)
    ti, ci = totals(units, bought, "items")
    ratio = Effect.of_ratios(PairMoments.from_values(t, ti), PairMoments.from_values(c, ci))
    basket = comparison.metric("basket").verdict
    assert basket.effect == pytest.approx(ratio.effect, rel=1e-9)
    assert basket.upper - basket.lower == pytest.approx(2 * 1.96 * ratio.se_unpooled, rel=1e-2)
    assert comparison.recommendation == "ship"
    assert all(check.ok for check in found.checks)


def test_a_file_of_units_gives_what_its_outcomes_give() -> None:
    units = exposed(1000)
    bought = purchases(units)
    units["spent"] = bought.groupby("unit")["amount"].sum().reindex(units["unit"]).fillna(0.0).to_numpy()
    units["bought"] = units["spent"] > 0
    long = judge(units, bought, metrics={"revenue": "mean:purchase.amount", "conversion": "proportion:purchase"})
    wide = judge(units, metrics={"revenue": "mean:spent", "conversion": "proportion:bought"})
    for name in ("revenue", "conversion"):
        a, b = long.comparisons[0].metric(name).verdict, wide.comparisons[0].metric(name).verdict
        assert (a.effect, a.lower, a.upper) == pytest.approx((b.effect, b.lower, b.upper), rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1e8]))
def test_moments_hold_their_digits_at_any_level(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    values = level + rng.normal(size=400)
    units = pd.DataFrame({"unit": range(400), "variant": ["control", "new"] * 200, "x": values})
    verdict = judge(units, metrics={"x": "mean:x"}).comparisons[0].primary.verdict
    ends = scipy_stats.ttest_ind(values[1::2] - level, values[::2] - level, equal_var=False).confidence_interval(0.95)
    assert (verdict.lower, verdict.upper) == pytest.approx((ends.low, ends.high), abs=1e-6)


def test_a_covariate_narrows_the_interval_as_cuped_does() -> None:
    units = exposed(2000)
    rng = np.random.default_rng(3)
    units["spent"] = units["before"] + rng.normal(size=2000) + 0.2 * (units["variant"] == "new")
    found = judge(units, metrics={"spent": "mean:spent,covariate=before"}).comparisons[0].primary
    new = units["variant"] == "new"
    arms = [MultiMoments.from_values(units.loc[here, ["spent", "before"]].to_numpy()) for here in (new, ~new)]
    oracle = cuped(*arms)
    assert found.verdict.effect == pytest.approx(oracle.effect.effect, rel=1e-9)
    assert found.variance_ratio == pytest.approx(oracle.variance_ratio, rel=1e-9)
    assert found.variance_ratio == pytest.approx(0.2, abs=0.05)
    units.loc[units.index[:100], "before"] = np.nan
    holed = judge(units, metrics={"spent": "mean:spent,covariate=before"}).comparisons[0].primary
    assert (holed.verdict.n_treatment, holed.verdict.n_control) == (1000, 1000)
    assert holed.variance_ratio == pytest.approx(0.25, abs=0.06)


def test_a_covariate_that_the_variant_moved_is_not_adjusted_for() -> None:
    units = exposed(2000)
    units["before"] += units["variant"] == "new"
    units["spent"] = units["before"]
    found = judge(units, metrics={"spent": "mean:spent,covariate=before"})
    check = next(c for c in found.checks if c.name == "covariates")
    assert not check.ok
    assert "before differed" in check.sentence
    assert found.comparisons[0].primary.variance_ratio is None
    assert found.comparisons[0].recommendation == "ship"


def test_windows_count_what_happened_in_them_of_units_whose_window_is_over() -> None:
    units = exposed(600)
    early, late = happened(units, "click", 0.5), happened(units, "click", 5.0)
    stale = happened(units, "click", -1.0)
    found = judge(units, pd.concat([early, late, stale]), metrics={"clicks": "mean:click,within=2d"})
    finding = found.comparisons[0].primary
    until = late["at"].max()
    waiting = int((units["at"] + 2 * DAY > until).sum())
    assert waiting == finding.waiting == 0
    assert finding.verdict.treatment_mean == 1.0
    shorter = judge(units, early, metrics={"clicks": "mean:click,within=2d"}).comparisons[0].primary
    assert shorter.waiting == int((units["at"] + 2 * DAY > early["at"].max()).sum()) > 0


def test_a_unit_belongs_to_the_variant_of_its_first_exposure() -> None:
    units = exposed(400)
    again = units.assign(at=units["at"] + DAY)
    found = judge(pd.concat([again, units]), happened(units, "click"), metrics={"clicks": "mean:click"})
    assert found.units == {"control": 200, "new": 200}
    again["variant"] = again["variant"].map({"control": "new", "new": "control"})
    crossed = judge(pd.concat([again, units]), happened(units, "click"), metrics={"clicks": "mean:click"})
    assert crossed.units == {"control": 200, "new": 200}
    assert crossed.comparisons[0].recommendation == "withheld"
    assert "400 units met two variants" in crossed.comparisons[0].sentence


def test_a_broken_split_withholds_and_stated_shares_mend_it() -> None:
    units = exposed(3000)
    lost = units[(units["variant"] == "control") | (np.arange(3000) % 10 != 1)]
    broken = judge(lost.assign(x=1.0 * np.arange(len(lost))), metrics={"x": "mean:x"})
    assert broken.comparisons[0].recommendation == "withheld"
    assert broken.comparisons[0].primary.verdict.word == "no-data"
    assert "--shares" in broken.comparisons[0].sentence
    counts = lost["variant"].value_counts()
    check = next(c for c in broken.checks if c.name == "sample-ratio")
    assert check.value == pytest.approx(scipy_stats.chisquare(counts.to_numpy()).pvalue, rel=1e-9)
    shares = {"control": counts["control"], "new": counts["new"]}
    mended = judge(lost.assign(x=1.0 * np.arange(len(lost))), metrics={"x": "mean:x"}, shares=shares)
    assert mended.comparisons[0].recommendation != "withheld"


def test_values_missing_more_often_in_one_variant_withhold() -> None:
    units = exposed(2000).assign(x=np.arange(2000.0))
    units.loc[(units["variant"] == "new") & (units.index % 5 == 0), "x"] = np.nan
    found = judge(units, metrics={"x": "mean:x"})
    assert found.comparisons[0].recommendation == "withheld"
    assert found.comparisons[0].because == ("label-coverage",)
    assert "20.0% of new" in found.comparisons[0].sentence


def test_several_treatments_share_alpha_by_holm() -> None:
    units = exposed(3000, variants=("control", "a", "b"))
    rng = np.random.default_rng(5)
    units["x"] = rng.normal(size=3000) + 0.5 * (units["variant"] == "a")
    found = judge(units, metrics={"x": "mean:x"})
    assert [c.treatment for c in found.comparisons] == ["a", "b"]
    assert [c.primary.verdict.alpha for c in found.comparisons] == [0.025, 0.05]
    assert found.comparison("a").recommendation == "ship"


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1, max_size=6))
def test_holms_steps_reject_what_holm_rejects(p_values: dict[str, float]) -> None:
    from seatrial.stats import holm

    levels = holm_alphas(p_values, 0.05)
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    for name, p in p_values.items():
        if abs(p * len(p_values) - 0.05) > 1e-9 and not any(abs(p / q - 1) < 1e-9 for q in levels.values()):
            assert (p <= levels[name]) == (adjusted[name] <= 0.05)


def test_a_guardrail_that_is_worse_stops() -> None:
    units = exposed(2000).assign(x=np.arange(2000) % 7 + 0.0)
    units.loc[units["variant"] == "new", "x"] += 1.0
    rng = np.random.default_rng(7)
    units["slow"] = rng.normal(10, 1, 2000) + 2 * (units["variant"] == "new")
    found = judge(
        units, metrics={"x": "mean:x", "slow": "mean:slow,want=lower"}, guardrails={"slow": "relative:5%"}
    ).comparisons[0]
    assert found.recommendation == "stop"
    assert found.because == ("slow",)
    assert "Do not ship new" in found.sentence


@pytest.mark.parametrize(
    ("change", "metrics", "says"),
    [
        (lambda t: t.drop(columns="variant"), {"x": "mean:x"}, "no column 'variant', only"),
        (lambda t: t, {"x": "mean:y"}, "no column 'y', only"),
        (lambda t: t.assign(variant="control"), {"x": "mean:x"}, "the one variant 'control'"),
        (lambda t: t.assign(variant="one"), {"x": "mean:x"}, "say which is the control"),
        (lambda t: t.assign(x="much"), {"x": "mean:x"}, "row 1 has 'much'"),
        (lambda t: pd.concat([t, t[:1]]), {"x": "mean:x"}, "the unit 'u0' stands in 2 rows"),
        (lambda t: t.assign(unit=t["unit"].where(t.index != 4)), {"x": "mean:x"}, "row 5 of exposures has no unit"),
        (lambda t: t[:0], {"x": "mean:x"}, "has no rows"),
        (lambda t: t, {}, "there is no metric to judge by"),
        (lambda t: t, {"x": "median:x"}, "unknown kind 'median'"),
        (lambda t: t, {"x": "mean:x,within=7d"}, "has a window, but a file of units holds totals"),
        (lambda t: t, {"x": "mean:x,widthin=7d"}, "unknown option 'widthin=7d'"),
        (lambda t: t, {"x": "ratio:x"}, "needs what is above and below"),
        (lambda t: t, {"x": "proportion:x"}, "row 3 of exposures has the x 2.0, and a proportion takes 0 and 1"),
    ],
)
def test_bad_input_is_refused_with_the_value_and_the_mend(change, metrics, says) -> None:  # type: ignore[no-untyped-def]
    units = exposed(300).assign(x=np.arange(300.0))
    with pytest.raises(BadInput, match=says):
        judge(change(units), metrics=metrics)


def test_a_plain_test_on_what_a_bandit_dealt_is_refused() -> None:
    """Two equal arms under a bandit, as exported: a t-test finds a difference in one world of ten at a level of 5 %."""
    units = exposed(400).assign(x=np.arange(400.0), reason="bandit", propensity=0.7)
    with pytest.raises(BadInput, match=r"row 1 of exposures was drawn by a bandit .* `seatrial bandit evaluate`"):
        judge(units, metrics={"x": "mean:x"})
    some = units.assign(reason=np.where(units.index == 6, "bandit", "split"))
    with pytest.raises(BadInput, match="row 7 of exposures was drawn by a bandit"):
        judge(some, metrics={"x": "mean:x"})
    with pytest.raises(BadInput, match="was drawn by a bandit"):
        judge(units[["unit", "variant", "at", "reason"]], happened(units, "click"), metrics={"x": "proportion:click"})
    by_split, plain = (
        judge(one, metrics={"x": "mean:x"})
        for one in (units.assign(reason="split"), units[["unit", "variant", "at", "x"]])
    )
    assert by_split.comparisons == plain.comparisons


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_values_that_are_not_finite_are_refused_with_their_row(tmp_path: Path, value: float, suffix: str) -> None:
    units = exposed(300)
    bought = happened(units, "purchase", amount=1.0)
    amounts = np.ones(300)
    amounts[41] = value
    path = tmp_path / f"outcomes.{suffix}"
    table = pa.Table.from_pandas(bought).set_column(3, "amount", pa.array(amounts))  # a NaN, where pandas has a gap
    if suffix == "parquet":
        write_table(table, path)
    else:
        write_csv(table.drop_columns([n for n in table.column_names if n.startswith("__")]), path)
    with pytest.raises(BadInput, match=r"row 42 of .*outcomes.* has the amount (nan|-?inf)"):
        judge(units, path, metrics={"revenue": "mean:purchase.amount"})


def test_an_outcome_that_is_in_no_row_is_a_slip_of_the_pen() -> None:
    units = exposed(300)
    with pytest.raises(BadInput, match=r"no outcome 'purchas'; did you mean `purchase`\?"):
        judge(units, happened(units, "purchase"), metrics={"conversion": "proportion:purchas"})


def test_a_metrics_file_says_the_same_as_flags(tmp_path: Path) -> None:
    units = exposed(2000)
    bought = purchases(units)
    file = tmp_path / "metrics.yaml"
    file.write_text(
        "outcomes: {purchase: {fields: {amount: number, items: integer}}}\n"
        "metrics:\n"
        "  conversion: {kind: proportion, outcome: purchase, within: 2d}\n"
        "  revenue: {kind: mean, outcome: purchase, value: amount, within: 2d}\n"
        "primary: {metric: conversion, minimum_effect: {relative: 2%}}\n"
        "guardrails: {revenue: {relative: 5%}}\n"
    )
    by_file = judge(units, bought, metrics=file)
    by_flags = judge(
        units,
        bought,
        metrics={"conversion": "proportion:purchase,within=2d", "revenue": "mean:purchase.amount,within=2d"},
        minimum_effect="relative:2%",
        guardrails={"revenue": "relative:5%"},
    )
    assert by_file == by_flags
    file.write_text("metrics:\n  conversion: {kind: proportion, outcome: purchase, within: 2d}\nprimary: {metric: x}\n")
    with pytest.raises(BadInput, match="line 3"):
        judge(units, bought, metrics=file)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("{kind: ratio, outcome: purchase, numerator: amount, denominator: items, cap: 5}", "no use for `cap`"),
        ("{kind: ratio, outcome: purchase}", "needs `numerator:` and `denominator:`"),
        ("{kind: mean, value: amount}", "names no outcome"),
        ("{kind: accuracy, outcome: purchase, within: 2d}", "files are judged by mean, proportion, ratio"),
        ("{kind: mean, outcome: purchas, value: amount}", "did you mean `purchase`"),
    ],
)
def test_a_metrics_file_is_refused_what_files_cannot_measure(tmp_path: Path, metric: str, says: str) -> None:
    units = exposed(300)
    file = tmp_path / "metrics.yaml"
    file.write_text(
        f"outcomes: {{purchase: {{fields: {{amount: number, items: integer}}}}}}\nmetrics:\n  x: {metric}\n"
    )
    with pytest.raises(BadInput, match=says):
        judge(units, purchases(units), metrics=file)


def test_an_always_valid_interval_is_wider_and_says_so() -> None:
    units = exposed(2000)
    bought = purchases(units)
    metrics = {"conversion": "proportion:purchase"}
    fixed = judge(units, bought, metrics=metrics).comparisons[0].primary.verdict
    always = judge(units, bought, metrics=metrics, method="always-valid").comparisons[0].primary.verdict
    assert always.lower < fixed.lower < fixed.upper < always.upper
    assert "for one look" in fixed.method
    assert "valid at every look" in always.method


def test_the_package_gives_it() -> None:
    assert seatrial.judge is judge
