"""Quantiles and bounded means from files: against the library called directly, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seatrial.analysis.files import Files
from seatrial.analysis.judging import judge
from seatrial.analysis.planning import plan_of
from seatrial.analysis.same_arms import split_files
from seatrial.cli.app import app
from seatrial.spec.errors import BadInput
from seatrial.stats import compare_bounded, compare_quantiles

START = pd.Timestamp("2026-03-02", tz="UTC")
UNITS = 2400


def exposed(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    at = START + pd.to_timedelta(np.sort(rng.uniform(0, 10, UNITS)), unit="D")
    variant = np.where(rng.random(UNITS) < 0.5, "new", "control")
    wait = rng.lognormal(0, 1, UNITS) * np.where(variant == "new", 2.0, 1.0)
    stars = np.clip(rng.normal(np.where(variant == "new", 3.5, 3.0), 1), 0, 5)
    return pd.DataFrame(
        {"unit": [f"u{i}" for i in range(UNITS)], "variant": variant, "at": at, "wait": wait, "stars": stars}
    )


def test_of_a_file_of_units_they_are_what_the_library_says() -> None:
    units = exposed()
    metrics = {"wait": "quantile:wait,q=90%,want=lower", "stars": "mean:stars,range=0..5"}
    found = judge(units, metrics=metrics, method="always-valid").comparison("new")
    new = (units.variant == "new").to_numpy()
    wait = compare_quantiles(units.wait[new], units.wait[~new], 0.9).verdict
    said = found.metric("wait").verdict
    assert (said.word, said.lower, said.upper, said.p_value) == (wait.word, wait.lower, wait.upper, wait.p_value)
    assert said.word == "worse"
    stars = compare_bounded(units.stars, new, 0.5, 0, 5).verdict
    said = found.metric("stars").verdict
    assert (said.word, said.lower, said.upper) == ("better", pytest.approx(stars.lower), pytest.approx(stars.upper))
    assert "by betting" in said.method
    assert "order statistics" in found.metric("wait").verdict.method


def test_one_look_at_a_quantile_is_the_outer_interval() -> None:
    units = exposed()
    found = judge(units, metrics={"wait": "quantile:wait,q=50%,want=lower"}).comparison("new").metric("wait")
    new = units.variant == "new"
    assert found.verdict.treatment_mean == pytest.approx(np.quantile(units.wait[new], 0.5, method="inverted_cdf"))
    assert found.verdict.word == "worse"
    assert [test.method for test in found.tests] == ["quantiles, outer interval"]
    wide = judge(units, metrics={"wait": "quantile:wait,q=50%"}, method="always-valid").comparison("new").metric("wait")
    assert wide.verdict.upper - wide.verdict.lower > found.verdict.upper - found.verdict.lower  # type: ignore[operator]


def test_medians_at_the_edge_of_a_step_are_not_told_apart() -> None:
    """Of 1 000 ratings 501 are at most 3 in one arm, and 499 in the other: medians of 3 and 4, of versions alike."""
    stars = [3.0] * 501 + [4.0] * 499 + [3.0] * 499 + [4.0] * 501
    units = pd.DataFrame({"unit": range(2000), "variant": ["new"] * 1000 + ["control"] * 1000, "stars": stars})
    found = judge(units, metrics={"stars": "quantile:stars,q=50%"}).comparison("new")
    said = found.metric("stars")
    assert (said.verdict.treatment_mean, said.verdict.control_mean) == (3.0, 4.0)
    assert (said.verdict.word, said.verdict.lower, said.verdict.upper) == ("inconclusive", -1.0, 1.0)
    assert found.recommendation == "wait"
    assert "from order statistics, for one look" in said.verdict.method
    assert said.tests[0].p_value is not None
    assert said.tests[0].p_value > 0.9


def test_splits_of_tied_values_trust_a_quantile_that_claims_too_seldom() -> None:
    rng = np.random.default_rng(2)
    units = pd.DataFrame(
        {
            "unit": range(2000),
            "variant": "control",
            "stars": rng.choice([1, 2, 3, 4, 5], 2000, p=[0.1, 0.1, 0.3, 0.4, 0.1]),
        }
    )
    plan = plan_of({"stars": "quantile:stars,q=50%"}, outcomes=False)
    with Files(units, None) as files:
        (found,) = split_files(files, plan, 60)
    assert found.claims <= 3
    assert found.trustworthy


def test_a_quantile_is_of_each_units_first_outcome_in_its_window() -> None:
    units = exposed()
    day = pd.Timedelta(days=1)
    first = pd.DataFrame({"unit": units.unit, "outcome": "order", "at": units["at"] + 0.1 * day, "value": units.wait})
    again = first.assign(at=first["at"] + 0.1 * day, value=1e6)
    early = first.assign(at=first["at"] - day, value=-1e6)
    outcomes = pd.concat([again, early, first])
    asked = {"wait": "quantile:order,q=75%,within=1h"}
    late = judge(units, outcomes, metrics=asked).comparison("new").metric("wait").verdict
    assert late.control_mean == 0.0, "nobody ordered within the hour"
    asked = {"wait": "quantile:order,q=75%,within=1d"}
    found = judge(units, outcomes, metrics=asked).comparison("new").metric("wait").verdict
    counted = units[units["at"] + day <= outcomes["at"].max()]
    control = counted.wait[counted.variant == "control"]
    assert found.control_mean == pytest.approx(np.quantile(control, 0.75, method="inverted_cdf"))


def test_values_beyond_the_range_count_as_its_ends_and_the_whole_stands_beside() -> None:
    units = exposed()
    asked = {"wait": "mean:wait,range=0..3"}
    found = judge(units, metrics=asked, method="always-valid").comparison("new").metric("wait")
    clipped, new = units.wait.clip(0, 3), units.variant == "new"
    assert found.verdict.effect == pytest.approx(clipped[new].mean() - clipped[~new].mean())
    assert found.uncapped == pytest.approx(units.wait[new].mean() - units.wait[~new].mean())


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("quantile:wait", "needs `q`"),
        ("quantile:wait,q=0%", "no 0% quantile"),
        ("mean:wait,q=50%", "no use for `q`"),
        ("mean:wait,range=5..0", "not two numbers in order"),
        ("mean:wait,range=5", "not two numbers in order"),
        ("proportion:wait,range=0..1", "no use for a range"),
        ("mean:wait,range=0..5,covariate=stars", "takes no covariate"),
        ("mean:wait,range=0..5,cap=3", "takes no cap"),
    ],
)
def test_what_makes_no_sense_is_refused(metric: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        judge(exposed(), metrics={"wait": metric})


def test_without_times_there_is_no_order_to_bet_in() -> None:
    units = exposed().drop(columns="at")
    with pytest.raises(BadInput, match="needs times"):
        judge(units, metrics={"stars": "mean:stars,range=0..5"}, method="always-valid")
    assert judge(units, metrics={"stars": "mean:stars,range=0..5"}).comparison("new").primary.verdict.word == "better"
    outcomes = pd.DataFrame({"unit": units.unit, "outcome": "order", "value": units.wait})
    with pytest.raises(BadInput, match="each unit's first outcome"):
        judge(units, outcomes, metrics={"wait": "quantile:order,q=50%"})


def test_a_metrics_file_says_the_same(tmp_path: Path) -> None:
    units = exposed()
    units.to_parquet(tmp_path / "units.parquet")
    text = """metrics:
  stars: {kind: mean, value: stars, range: [0, 5]}
  wait: {kind: quantile, value: wait, quantile: 90%, want: lower}
guardrails: {wait: {relative: 5%}}
"""
    (tmp_path / "metrics.yaml").write_text(text, "utf-8")
    given = ["judge", "--data", str(tmp_path / "units.parquet"), "--file", str(tmp_path / "metrics.yaml")]
    done = CliRunner().invoke(app, [*given, "--method", "always-valid"])
    assert done.exit_code == 1, done.output
    assert "Do not ship new" in done.output
    assert "wait" in done.output


def test_the_past_split_in_two_claims_nothing() -> None:
    metrics = {"wait": "quantile:wait,q=50%", "stars": "mean:stars,range=0..5"}
    with Files(exposed()) as files:
        found = split_files(files, plan_of(metrics, outcomes=False), 40)
    assert [one.trustworthy for one in found] == [True, True]


def test_a_metrics_file_names_segments_that_every_judgement_shows(tmp_path: Path) -> None:
    units = exposed().assign(country=["DE", "FR"] * (UNITS // 2))
    text = "metrics: {stars: {kind: mean, value: stars}}\nsegments: [country]\n"
    (tmp_path / "metrics.yaml").write_text(text, "utf-8")
    found = judge(units, metrics=tmp_path / "metrics.yaml").comparison("new").primary
    assert [one.name for one in found.segments["country"].segments] == ["DE", "FR"]
