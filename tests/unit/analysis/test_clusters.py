"""Clusters drawn whole: cluster-robust regression as the oracle, A/A worlds of alike units, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from seatrial.analysis.files import Files
from seatrial.analysis.judging import judge
from seatrial.analysis.planning import plan_of, with_options
from seatrial.analysis.same_arms import split_files
from seatrial.spec.errors import BadInput

SHOPS = 400
X = {"x": "mean:x"}
START = pd.Timestamp("2026-03-02", tz="UTC")


def world(seed: int, effect: float = 0.0, shops: int = SHOPS, alike: float = 1.0) -> pd.DataFrame:
    """Customers of shops, 1 to 20 a shop, alike inside; shops drawn by lot."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 21, shops)
    shop = np.repeat(np.arange(shops), size)
    new = (rng.permutation(shops) < shops / 2)[shop]
    x = 10 + rng.normal(0, alike, shops)[shop] + rng.normal(0, 1, len(shop)) + effect * new
    return pd.DataFrame(
        {
            "unit": [f"u{i}" for i in range(len(shop))],
            "variant": np.where(new, "new", "control"),
            "shop": [f"s{i}" for i in shop],
            "at": START + pd.to_timedelta(np.arange(len(shop)), unit="min"),
            "x": x,
            "hit": (x > 10).astype(float),
            "items": rng.integers(1, 5, len(shop)),
        }
    )


def test_a_mean_by_cluster_is_cluster_robust_regression() -> None:
    units = world(1, 0.5)
    found = judge(units, metrics={"x": "mean:x", "hit": "proportion:hit"}, cluster="shop").comparison("new")
    for name in ("x", "hit"):
        fit = smf.ols(f"{name} ~ C(variant, Treatment('control'))", units).fit(
            cov_type="cluster", cov_kwds={"groups": pd.factorize(units.shop)[0], "use_correction": False}
        )
        verdict = found.metric(name).verdict
        assert verdict.effect == pytest.approx(fit.params.iloc[1], rel=1e-9)
        half = (verdict.upper - verdict.lower) / 2  # type: ignore[operator]
        assert half == pytest.approx(1.966 * fit.bse.iloc[1], rel=0.01), "t of some 398 degrees; shops, not customers"
        assert verdict.n_treatment == SHOPS / 2
    assert found.metric("x").verdict.word == "better"


def test_a_ratio_and_a_cap_by_cluster() -> None:
    units = world(2)
    metrics = {"r": "ratio:x/items", "c": "mean:x,cap=10"}
    found = judge(units, metrics=metrics, cluster="shop").comparison("new")
    new = units.variant == "new"
    ratio = units.x[new].sum() / units["items"][new].sum() - units.x[~new].sum() / units["items"][~new].sum()
    assert found.metric("r").verdict.effect == pytest.approx(ratio)
    capped = units.x.clip(upper=10)
    assert found.metric("c").verdict.effect == pytest.approx(capped[new].mean() - capped[~new].mean())


def test_outcomes_in_a_file_of_their_own_are_summed_by_cluster() -> None:
    units = world(3)
    outcomes = pd.DataFrame(
        {"unit": units.unit, "outcome": "sale", "at": units["at"] + pd.Timedelta(minutes=1), "value": units.x}
    )
    whole = judge(units, metrics={"x": "mean:x"}, cluster="shop").comparison("new").primary.verdict
    joined = judge(units, outcomes, metrics={"x": "mean:sale"}, cluster="shop").comparison("new").primary.verdict
    assert (joined.effect, joined.lower) == (pytest.approx(whole.effect), pytest.approx(whole.lower))


def test_the_sample_ratio_is_of_clusters() -> None:
    units = world(4)
    big = units[(units.variant == "control") | (units.index % 3 == 0)]
    checks = {check.name: check for check in judge(big, metrics={"x": "mean:x"}, cluster="shop").checks}
    by_unit = {check.name: check for check in judge(big, metrics={"x": "mean:x"}).checks}
    assert not by_unit["sample-ratio"].ok
    assert checks["sample-ratio"].ok


def test_a_cluster_in_two_variants_withholds() -> None:
    units = world(5)
    units.loc[units.index[:1], "variant"] = np.where(units.variant[:1] == "new", "control", "new")
    moved = units[units.shop == units.shop[0]]
    assert moved.variant.nunique() == 2 or len(moved) == 1
    if len(moved) == 1:
        units.loc[units.index[1:2], "shop"] = units.shop[0]
    found = judge(units, metrics={"x": "mean:x"}, cluster="shop")
    check = next(check for check in found.checks if check.name == "both-arms")
    assert not check.ok
    assert "1 cluster met two variants" in check.sentence
    assert found.comparisons[0].recommendation == "withheld"


def test_a_unit_in_two_clusters_is_counted_and_refused() -> None:
    units = world(6)
    again = units[:2].assign(shop="s399")
    outcomes = pd.DataFrame({"unit": units.unit, "outcome": "sale", "at": units["at"], "value": units.x})
    with pytest.raises(BadInput, match=r"2 units are in several of shop \(for example 'u0'\)"):
        judge(pd.concat([units, again]), outcomes, metrics={"x": "mean:sale"}, cluster="shop")
    with pytest.raises(BadInput, match=r"row 3 of .* has no shop"):
        judge(units.assign(shop=units.shop.where(units.index != 2)), metrics={"x": "mean:x"}, cluster="shop")


@pytest.mark.parametrize("metric", ["quantile:x,q=50%", "mean:x,range=0..20", "mean:x,covariate=items"])
def test_what_is_not_told_by_cluster_is_refused(metric: str) -> None:
    with pytest.raises(BadInput, match="not told by cluster"):
        judge(world(7), metrics={"x": metric}, cluster="shop")


@pytest.mark.simulation
def test_alike_customers_of_alike_shops_are_seldom_told_apart_and_by_unit_they_are() -> None:
    worlds, wrong, naive = 120, 0, 0
    for seed in range(worlds):
        units = world(seed, alike=1.0)
        wrong += (
            judge(units, metrics={"x": "mean:x"}, cluster="shop").comparisons[0].primary.verdict.word != "inconclusive"
        )
        if seed < 40:
            naive += (
                judge(
                    units,
                    metrics={"x": "mean:x"},
                    shares={"new": (units.variant == "new").mean(), "control": (units.variant == "control").mean()},
                )
                .comparisons[0]
                .primary.verdict.word
                != "inconclusive"
            )
    assert wrong / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5
    assert naive / 40 > 0.2


def test_the_past_is_split_by_cluster() -> None:
    plan = with_options(
        plan_of({"x": "mean:x"}, outcomes=False), primary="", minimum_effect=None, guardrails={}, alpha=None,
        method="fixed", control="", shares={}, cluster="shop",
    )  # fmt: skip
    with Files(world(8, shops=600)) as files:
        assert split_files(files, plan, 40)[0].trustworthy


def rare(seed: int, shops: tuple[int, int], per: int = 5, rate: float = 0.002) -> pd.DataFrame:
    """A rare event of customers, equally often in both variants."""
    rng = np.random.default_rng(seed)
    shop = np.repeat(np.arange(sum(shops)), per)
    return pd.DataFrame(
        {
            "unit": np.arange(len(shop)),
            "variant": np.where(shop < shops[0], "new", "control"),
            "shop": shop,
            "x": (rng.random(len(shop)) < rate).astype(int),
            "y": rng.normal(0, 1, len(shop)),
        }
    )


@pytest.mark.parametrize("method", ["fixed", "always-valid"])
def test_a_rare_event_by_cluster_needs_its_events_as_by_unit(method) -> None:  # type: ignore[no-untyped-def]
    for seed in range(10):
        few = judge(rare(seed, (100, 1900)), metrics={"x": "proportion:x"}, shares={"new": 100, "control": 1900},
                    cluster="shop", method=method).comparisons[0].primary  # fmt: skip
        assert few.verdict.word == "no-data"
        assert "of 10 events of each kind" in (few.verdict.reason or "")
        assert (few.verdict.lower, few.verdict.upper) == (None, None)
        assert few.kind == "proportion"
        kept = judge(rare(seed, (120, 120)), metrics={"y": "mean:y", "x": "proportion:x,want=lower"},
                     guardrails={"x": "absolute:0.5%"}, cluster="shop", method=method)  # fmt: skip
        assert kept.comparisons[0].metric("x").verdict.word == "no-data"


def test_a_share_of_other_numbers_is_refused_by_cluster_too() -> None:
    with pytest.raises(BadInput, match=r"has the x 3\.0, and a proportion takes 0 and 1"):
        judge(rare(1, (120, 120), rate=0.1).assign(x=lambda f: 7 * f.x + 3), metrics={"x": "proportion:x"},
              cluster="shop")  # fmt: skip


def test_segments_of_clusters_are_of_the_units_in_them() -> None:
    rng = np.random.default_rng(0)
    shop = np.repeat(np.arange(600), 20)
    new = (rng.random(600) < 0.5)[shop]
    kind = np.where(np.tile(np.arange(20), 600) < 2, "f", "m")
    x = 10 + rng.normal(0, 1, 600)[shop] + rng.normal(0, 1, len(shop)) + (new & (kind == "m"))
    units = pd.DataFrame({"unit": np.arange(len(shop)), "variant": np.where(new, "new", "control"), "shop": shop,
                          "x": x, "kind": kind})  # fmt: skip
    found = judge(units, metrics={"x": "mean:x"}, segments=["kind"], cluster="shop").comparisons[0].primary
    told = {one.name: one for one in found.segments["kind"].segments}
    assert told.keys() == {"f", "m"}
    for name, one in told.items():
        part = units[units.kind == name]
        alone = judge(part, metrics={"x": "mean:x"}, cluster="shop").comparisons[0].primary.verdict
        assert one.effect == pytest.approx(alone.effect, rel=1e-9)
        fit = smf.ols("x ~ C(variant, Treatment('control'))", part).fit(
            cov_type="cluster", cov_kwds={"groups": part.shop, "use_correction": False}
        )
        assert one.se == pytest.approx(fit.bse.iloc[1], rel=0.02)
    assert told["m"].differs


def test_a_segment_of_whole_clusters_is_what_it_was() -> None:
    units = world(9)
    units["side"] = np.where(units["shop"].str[1:].astype(int) % 2, "east", "west")
    units["week"] = 1
    found = judge(units, metrics={"x": "mean:x"}, segments=["side"], cluster="shop", phase="week")
    effects = {one.name: one.effect for one in found.comparisons[0].primary.segments["side"].segments}
    for side, effect in effects.items():
        alone = judge(units[units.side == side], metrics={"x": "mean:x"}, cluster="shop").comparisons[0]
        assert effect == pytest.approx(alone.primary.verdict.effect, rel=1e-9)
