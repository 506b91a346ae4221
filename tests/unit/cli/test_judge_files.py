"""``seatrial judge --data … --outcomes …``: anybody's experiment on the command line, no home, no server."""

import json
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.deciding import exit_code
from seatrial.analysis.judging import judge
from seatrial.cli.app import run
from seatrial.cli.judging import _code as release_code
from tests.unit.experiments import test_forecast

START = pd.Timestamp("2026-03-02", tz="UTC")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "no-home"))
    write(0.1, 0.14)
    return tmp_path


def write(control: float, new: float, units: int = 4000) -> None:
    rng = np.random.default_rng(1)
    variant = np.where(np.arange(units) % 2, "new", "control")
    exposed = pd.DataFrame(
        {
            "unit": [f"u{i}" for i in range(units)],
            "variant": variant,
            "at": START + pd.to_timedelta(rng.uniform(0, 7, units), unit="D"),
        }
    )
    exposed.to_parquet("exposures.parquet")
    exposed.to_csv("exposures.csv", index=False)
    bought = exposed[rng.random(units) < np.where(variant == "new", new, control)]
    bought = pd.DataFrame(
        {
            "unit": bought["unit"],
            "outcome": "purchase",
            "at": bought["at"] + pd.Timedelta("2h"),
            "amount": rng.lognormal(3, 0.4, len(bought)),
        }
    )
    bought.to_parquet("outcomes.parquet")
    bought.to_csv("outcomes.csv", index=False)


def words(suffix: str = "parquet", *more: str) -> list[str]:
    return [
        "judge",
        *("--data", f"exposures.{suffix}", "--outcomes", f"outcomes.{suffix}"),
        *("--metric", "conversion=proportion:purchase,within=1d"),
        *("--metric", "revenue=mean:purchase.amount,within=1d", "--guardrail", "revenue=relative:10%"),
        *more,
    ]


def test_a_better_variant_is_told_so_from_parquet_and_csv_alike(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for suffix in ("parquet", "csv"):
        assert run(words(suffix, "--require", "better")) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "Ship new: conversion: new is better than control by" in said[0]
    assert "revenue keeps its margin" in said[0]
    assert "for one look" in said[0]
    assert not (files / "no-home").exists()


@pytest.mark.usefixtures("files")
def test_exit_codes_say_yes_no_and_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    write(0.1, 0.1)
    assert run(words("parquet", "--require", "better")) == 1
    assert "Not shown: conversion: new against control is not decided yet" in capsys.readouterr().out
    assert run(words("parquet", "--require", "not-worse", "--minimum-effect", "relative:40%")) == 0
    assert run(words("parquet", "--require", "not-worse", "--minimum-effect", "relative:5%")) == 1
    files = ("--data", "exposures.parquet", "--outcomes", "outcomes.parquet")
    assert run(["judge", *files, "--metric", "c=proportion:purchase,within=30d", "--require", "better"]) == 3
    assert "no data yet" in capsys.readouterr().out


@pytest.mark.usefixtures("files")
def test_json_has_every_number_and_only_finite_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words("parquet", "--json")) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(text))
    (comparison,) = document["comparisons"]
    assert comparison["recommendation"] == "ship"
    assert {m["name"]: m["verdict"]["word"] for m in comparison["metrics"]} == {
        "conversion": "better",
        "revenue": "non-inferior",
    }
    assert document["shares"] == {"control": 0.5, "new": 0.5}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["judge"], "give a deployment, or --data"),
        (["judge", "churn", "--data", "exposures.parquet"], "give one of the two"),
        (["judge", "--data", "exposure.parquet", "--metric", "x=mean:x"], "there is no file 'exposure.parquet'"),
        (["judge", "--data", "exposures.txt", "--metric", "x=mean:x"], "neither .parquet nor .csv"),
        (["judge", "--data", "exposures.parquet", "--metric", "x"], "is not NAME=..."),
        (["judge", "--data", "exposures.parquet", "--metric", "x=mean:x", "--file", "m.yaml"], "give one of the two"),
        (["judge", "--data", "exposures.parquet", "--file", "m.yaml"], "there is no metrics file 'm.yaml'"),
        (["judge", "--data", "exposures.parquet", "--metric", "x=mean:varian"], "did you mean 'variant'?"),
        (["judge", "--data", "exposures.csv", "--unit-column", "customer", "--metric", "x=mean:x"], "'customer'"),
        (words("parquet", "--guardrail", "revenu=relative:1%"), "did you mean `revenue`?"),
        (words("parquet", "--minimum-effect", "2%"), "write `relative:2%`"),
        (words("parquet", "--shares", "control=50"), "a share is written with a percent sign"),
        (words("parquet", "--control", "old"), "no unit was exposed to the control 'old'"),
    ],
)
def test_bad_usage_ends_with_two_and_says_what_to_do(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.usefixtures("files")
def test_a_ramp_is_judged_within_its_phases(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    second = rng.random(8000) < 0.5
    units = pd.DataFrame(
        {
            "unit": range(8000),
            "variant": np.where(rng.random(8000) < np.where(second, 0.5, 0.1), "new", "control"),
            "at": START + pd.to_timedelta(7 * second + rng.uniform(0, 7, 8000), unit="D"),
            "week": np.where(second, "second", "first"),
            "x": rng.normal(20, 5, 8000) - 5 * second,
        }
    )
    units.to_parquet("ramp.parquet")
    asked = ["judge", "--data", "ramp.parquet", "--metric", "x=mean:x"]
    assert run([*asked, "--shares", "control=70%,new=30%"]) == 1
    assert run([*asked, "--shares", "control=70%,new=30%", "--require", "better"]) == 3
    assert "name the column that says which weights held when (--phase)" in capsys.readouterr().out
    named = [*asked, "--phase", "week", "--shares", "first: control=90%,new=10%; second: control=50%, new=50%"]
    assert run(named) == 1
    out = capsys.readouterr().out
    assert "x: the difference by phase is first " in out
    assert "The phases do not contradict each other." in out
    for wrong, says in (
        ("first: control=90%; control=50%", "is not PHASE: A=90%,B=10%"),
        ("a: x=100%; a: x=100%", "names the phase 'a' twice"),
    ):
        assert run([*asked, "--phase", "week", "--shares", wrong]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize("require", [None, "better", "not-worse"])
def test_files_and_releases_end_with_the_same_codes(require: Literal["better", "not-worse"] | None) -> None:
    judgement, _ = test_forecast.judged(0.3)
    assert judgement.recommendation == "ship"
    assert release_code(judgement, require) == 0
    assert release_code(msgspec.structs.replace(judgement, ended="rolled-back"), require) == 1
    withheld = 1 if require is None else 3
    assert release_code(msgspec.structs.replace(judgement, recommendation="withheld"), require) == withheld
    units = pd.DataFrame({"unit": range(400), "variant": ["control", "new"] * 200, "x": [1.0, 2.0, 3.0, 5.0] * 100})
    assert exit_code(judge(units, metrics={"x": "mean:x"}), require) == 0
    assert exit_code(judge(units, metrics={"x": "mean:x"}, shares={"control": 9, "new": 1}), require) == withheld


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("cap=nan", "the cap nan"),
        ("cap=inf", "the cap inf"),
        ("cap=0", "the cap 0"),
        ("cap=-5", "the cap -5"),
        ("range=0..inf", "the range 0..inf"),
        ("range=nan..5", "the range 'nan..5'"),
    ],
)
@pytest.mark.usefixtures("files")
def test_a_limit_that_limits_nothing_is_bad_usage(option: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    metric = f"r=mean:purchase.amount,{option}"
    assert run(["judge", "--data", "exposures.parquet", "--outcomes", "outcomes.parquet", "--metric", metric]) == 2
    assert says in capsys.readouterr().err


def test_a_metrics_file_may_name_a_covariate(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exposed = pd.read_parquet("exposures.parquet")
    exposed["before"] = np.random.default_rng(3).normal(size=len(exposed))
    exposed.to_parquet("exposures.parquet")
    metric = "{kind: mean, outcome: purchase, value: amount, within: 1d, covariate: context.before}"
    (files / "m.yaml").write_text(f"metrics:\n  revenue: {metric}\n")
    names = ["judge", "--data", "exposures.parquet", "--outcomes", "outcomes.parquet"]
    assert run([*names, "--file", "m.yaml"]) in (0, 1)
    by_file = capsys.readouterr().out
    assert "revenue: adjusted for before" in by_file
    assert run([*names, "--metric", "revenue=mean:purchase.amount,within=1d,covariate=before"]) in (0, 1)
    assert capsys.readouterr().out == by_file


def test_segments_are_told_in_the_terminal_and_what_is_too_small_is_named(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exposed = pd.read_parquet("exposures.parquet")
    exposed["country"] = np.where(
        np.arange(len(exposed)) < 60, "LI", np.where(np.arange(len(exposed)) % 4 < 2, "DE", "US")
    )
    exposed["before"] = np.random.default_rng(3).normal(size=len(exposed))
    exposed.to_parquet("exposures.parquet")
    names = ["judge", "--data", "exposures.parquet", "--outcomes", "outcomes.parquet", "--segment", "country"]
    metrics = ("conversion=proportion:purchase,within=1d", "revenue=mean:purchase.amount,within=1d,covariate=before")
    assert run([*names, *(word for metric in metrics for word in ("--metric", metric))]) in (0, 1)
    said = capsys.readouterr().out
    assert (
        "conversion by country: No segment is shown to differ. Effects are drawn towards the common one, +0.0" in said
    )
    assert "revenue by country: No segment is shown to differ." in said
    assert said.count("They are not adjusted for covariates.") == 1
    assert said.count("Too few units: LI.") == 2
    assert said.count("drawn to the others") == 2
    assert run([*names, "--metric", metrics[0], "--html", "page.html"]) in (0, 1)
    assert "Too few units: LI." in (files / "page.html").read_text()
