"""Several treatments, and several metrics, of one experiment from files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from seatrial.analysis.judging import judge
from seatrial.cli.app import app
from tests.unit.analysis.test_judging import exposed

METRICS = {"x": "mean:x"} | {f"m{i}": f"mean:m{i}" for i in range(5)}


def world(seed: int, effect: float = 0.0, variants: tuple[str, ...] = ("control", "a", "b", "c")) -> pd.DataFrame:
    units = exposed(2000, variants=variants)
    rng = np.random.default_rng(seed)
    units["x"] = rng.normal(size=2000) + effect * (units["variant"] == "a")
    return units.assign(**{f"m{i}": rng.normal(size=2000) for i in range(5)})


def test_metrics_that_do_not_decide_are_one_family_over_all_treatments() -> None:
    found = judge(world(1), metrics=METRICS)
    others = [m for c in found.comparisons for m in c.metrics if m.part == "secondary"]
    assert len(others) == 15
    expected = multipletests([m.verdict.p_value for m in others], method="holm")[1]
    assert [m.adjusted_p for m in others] == pytest.approx(expected)
    primaries = [c.primary for c in found.comparisons]
    expected = multipletests([m.verdict.p_value for m in primaries], method="holm")[1]
    assert [m.adjusted_p for m in primaries] == pytest.approx(expected)


def test_a_word_that_does_not_stand_in_its_family_is_taken_back_and_says_so() -> None:
    taken = []
    for seed in range(30):
        for one in judge(world(seed), metrics=METRICS).comparisons:
            for metric in one.metrics:
                assert metric.verdict.word not in ("better", "worse") or (metric.adjusted_p or 1) <= 0.05
                taken += [metric] if "as one of several" in metric.verdict.sentence else []
    assert taken, "of hundreds of metrics some look different alone"
    assert all(m.verdict.word == "inconclusive" and "not decided yet" in m.verdict.sentence for m in taken)


@pytest.mark.parametrize("method", ["fixed", "always-valid"])
@pytest.mark.parametrize("family", ["holm", "e-bh"])
def test_a_treatment_that_is_better_ships_and_the_others_do_not(method: str, family: str) -> None:
    found = judge(world(3, 0.6), metrics={"x": "mean:x"}, method=method, family=family)  # type: ignore[arg-type]
    assert found.family == family
    assert [c.recommendation for c in found.comparisons] == ["ship", "wait", "wait"]
    ships = found.comparison("a").primary.verdict
    assert ships.lower is not None
    assert ships.lower > 0, "the interval is told at the level of the family"
    assert (found.comparison("a").primary.adjusted_p is None) == (family == "e-bh")


@pytest.mark.simulation
@pytest.mark.parametrize("family", ["holm", "e-bh"])
def test_alike_treatments_are_seldom_told_apart(family: str) -> None:
    """Three treatments against one control: any claim about any of them is false."""
    worlds, wrong = 120, 0
    for seed in range(worlds):
        found = judge(world(seed), metrics={"x": "mean:x"}, family=family)  # type: ignore[arg-type]
        wrong += any(c.primary.verdict.word in ("better", "worse") for c in found.comparisons)
    assert wrong / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5


def bought(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    variant = rng.choice(["control", "a", "b", "c"], 4000)
    share = np.select([variant == "a", variant == "b"], [0.12, 0.16], 0.1)
    week = rng.choice(["one", "two"], 4000)
    return pd.DataFrame({"unit": range(4000), "variant": variant, "week": week, "bought": rng.random(4000) < share})


def test_one_test_over_all_variants_stands_beside_a_share() -> None:
    units = bought()
    found = judge(units, metrics={"bought": "proportion:bought"})
    (one,) = found.all_variants
    theirs = stats.chi2_contingency(pd.crosstab(units.variant, units.bought), correction=False)
    assert (one.test.statistic, one.test.degrees) == (pytest.approx(theirs.statistic), 3)
    assert one.test.p_value == pytest.approx(theirs.pvalue)
    assert one.events == units.groupby("variant").bought.sum().to_dict()
    assert one.units == units.variant.value_counts().to_dict()
    assert "bought over all 4 variants: a " in found.to_html()
    assert found.to_dict()["all_variants"][0]["test"]["p_value"] == one.test.p_value
    two = units[units.variant.isin(["control", "a"])]
    assert judge(two, metrics={"bought": "proportion:bought"}).all_variants == ()
    assert (
        judge(units.assign(bought=False), metrics={"bought": "proportion:bought"}).all_variants[0].test.p_value is None
    )


def test_over_several_phases_it_is_within_each() -> None:
    units = bought()
    found = judge(units, metrics={"bought": "proportion:bought"}, phase="week")
    parts = [
        stats.chi2_contingency(pd.crosstab(u.variant, u.bought), correction=False) for _, u in units.groupby("week")
    ]
    test = found.all_variants[0].test
    assert test.statistic == pytest.approx(sum(part.statistic for part in parts))
    assert test.p_value == pytest.approx(stats.chi2.sf(sum(part.statistic for part in parts), 6))


def test_the_terminal_says_it(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    bought().astype({"bought": int}).to_csv(path, index=False)
    done = CliRunner().invoke(app, ["judge", "--data", str(path), "--metric", "bought=proportion:bought"])
    assert "bought over all 4 variants: a " in " ".join(done.output.split())
