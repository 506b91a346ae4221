"""``seatrial power``: units and days by flags and by the past, against statsmodels; and the inverse."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower

from seatrial.analysis.power import Past, need, visible
from seatrial.cli.app import run
from seatrial.control.powering import standard_error
from seatrial.stats import Effect, Moments, Question, judge_primary
from seatrial.stats.contrast import Margin
from seatrial.stats.power import Design

ORACLE = NormalIndPower()


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(["power", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def oracle(size: float, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0) -> float:
    """Units of both arms for a standardised difference of means."""
    one = ORACLE.solve_power(effect_size=size, alpha=alpha, power=power, ratio=ratio, alternative="two-sided")
    return float(one) * (1 + ratio)


def test_a_mean_takes_what_statsmodels_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "relative:5%", "--units-a-day", "1000")
    (needed,) = found["needs"]
    assert needed["fixed"] == pytest.approx(oracle(1 / 35), rel=1e-3)
    assert needed["fixed_days"] == pytest.approx(needed["fixed"] / 1000, rel=1e-9)
    assert needed["always_valid"] > 1.5 * needed["fixed"]
    unequal = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "relative:5%", "--share", "20%")["needs"][0]
    assert unequal["fixed"] == pytest.approx(oracle(1 / 35, ratio=4.0), rel=1e-3)


def test_several_treatments_share_alpha_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "relative:5%", "--treatments", "3")["needs"][0]
    two = oracle(1 / 35, alpha=0.05 / 3)
    assert found["fixed"] == pytest.approx(2 * two, rel=1e-3)


def test_non_inferiority_is_one_sided(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "--mean", "20", "--sd", "35", "--margin", "absolute:1")["needs"][0]
    one = ORACLE.solve_power(effect_size=1 / 35, alpha=0.05, power=0.8, alternative="larger")
    assert found["goal"] == "non-inferior"
    assert found["fixed"] == pytest.approx(2 * one, rel=1e-3)


def test_covariates_take_their_part_off(capsys: pytest.CaptureFixture[str]) -> None:
    plain = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "absolute:1")["needs"][0]["fixed"]
    less = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "absolute:1", "--correlation", "0.6")["needs"][0]
    assert less["fixed"] == pytest.approx(plain * (1 - 0.36), rel=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.001, 0.5), st.floats(0.02, 0.5), st.sampled_from([0.5, 0.1]))
def test_the_inverse_takes_back_what_the_need_said(baseline: float, relative: float, share: float) -> None:
    past = Past(metric="x", kind="proportion", mean=baseline, sd=math.sqrt(baseline * (1 - baseline)))
    design = Design(share=share)
    units = need(past, Margin("relative", relative), design).fixed
    assert units is not None
    assert visible(past, units, design).effect == pytest.approx(relative * baseline, rel=0.01)


def test_the_past_says_mean_spread_gain_and_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    n = 7000
    prior = rng.normal(10, 3, n)
    past = pd.DataFrame(
        {
            "unit": np.arange(n),
            "variant": "control",
            "at": pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.linspace(0, 7, n), unit="D"),
            "prior": prior,
            "spent": prior + rng.normal(0, 4, n),
        }
    )
    past.to_parquet("past.parquet")
    words = ["--data", "past.parquet", "--effect", "relative:1%"]
    found = asked(capsys, *words, "--metric", "spent=mean:spent,covariate=prior")
    (known,) = found["past"]
    assert known["mean"] == pytest.approx(past["spent"].mean())
    assert known["sd"] == pytest.approx(past["spent"].std())
    assert known["correlation"] == pytest.approx(np.corrcoef(past["spent"], prior)[0, 1], rel=1e-9)
    assert known["units_a_day"] == pytest.approx(1000)
    size = 0.01 * past["spent"].mean() / past["spent"].std() / math.sqrt(1 - known["correlation"] ** 2)
    assert found["needs"][0]["fixed"] == pytest.approx(oracle(size), rel=1e-3)
    assert run(["power", *words, "--metric", "spent=mean:spent", "--html", "page.html"]) == 0
    told = capsys.readouterr().out
    assert "7 000 units of the past" in told
    assert "1 000 units come a day" in told
    assert "vega" in Path("page.html").read_text()
    seen = asked(capsys, "--data", "past.parquet", "--metric", "spent=mean:spent", "--days", "14d")["needs"]
    assert seen[0]["fixed"] == pytest.approx(14000, rel=1e-3)
    assert seen[0]["effect"] < seen[1]["effect"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "say what there is now"),
        (["--baseline", "10%"], "say what is to be shown"),
        (["--baseline", "0.1", "--effect", "relative:2%"], "a share is written with a percent sign"),
        (["--baseline", "0%", "--effect", "relative:2%"], "no share between"),
        (["--baseline", "10%", "--effect", "2%"], "write `relative:2%`"),
        (["--baseline", "10%", "--effect", "relative:0%"], "a difference of 0"),
        (["--baseline", "10%", "--effect", "relative:2%", "--margin", "relative:1%"], "say what is to be shown"),
        (["--baseline", "10%", "--effect", "relative:2%", "--units", "500"], "leave --effect and --margin out"),
        (["--baseline", "10%", "--days", "14d"], "needs the traffic"),
        (["--mean", "3", "--effect", "relative:2%"], "say what there is now"),
        (["--baseline", "10%", "--effect", "relative:2%", "--share", "50%", "--treatments", "2"], "no units"),
        (["churn", "--baseline", "10%"], "give one of the two"),
        (["--by", "2026-12-24"], "name its deployment"),
        (["--data", "nowhere.parquet", "--metric", "x=mean:x", "--effect", "relative:2%"], "there is no file"),
    ],
)
def test_bad_usage_ends_with_two(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["power", *words]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")


def test_the_standard_error_behind_a_sequence_is_read_back() -> None:
    rng = np.random.default_rng(1)
    effect = Effect.of_means(Moments.from_values(rng.normal(1, 2, 900)), Moments.from_values(rng.normal(0, 2, 1100)))
    for want in ("higher", "lower"):
        asked_ = Question(metric="x", want=want, alpha_worse=0.02)  # type: ignore[arg-type]
        assert standard_error(judge_primary(effect, asked_), 5000) == pytest.approx(effect.se, rel=1e-9)
        assert standard_error(judge_primary(effect, asked_, method="fixed"), 5000) is None
