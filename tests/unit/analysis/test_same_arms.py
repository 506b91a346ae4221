"""``judge --aa``: the control's own units, split by many salts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seatrial.cli.app import run
from seatrial.experiments.same_arms import split_past
from seatrial.ledger.reader import Reader
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm, Entry
from seatrial.spec.read import load_deployment
from tests.ledger_events import envelope
from tests.trials import FILE, write_trial


def written(path: Path, heavy: float = 0.0) -> str:
    rng = np.random.default_rng(3)
    values = rng.normal(5, 1, 4000)
    values[0] += heavy
    frame = pd.DataFrame({"unit": np.arange(4000), "variant": np.where(rng.random(4000) < 0.5, "new", "control")})
    frame["x"] = values
    frame.loc[0, "variant"] = "control"
    frame.to_parquet(path)
    return str(path)


def test_an_honest_metric_passes_and_one_heavy_unit_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["judge", "--metric", "x=mean:x", "--aa", "200", "--data"]
    assert run([*words, written(tmp_path / "honest.parquet")]) == 0
    assert "ok: x:" in capsys.readouterr().out
    assert run([*words, written(tmp_path / "heavy.parquet", heavy=1e6)]) == 1
    assert "UNTRUSTWORTHY: x: 0 of 200" in capsys.readouterr().out


def test_a_deployments_past_goes_through_its_own_judge(tmp_path: Path) -> None:
    write_trial(tmp_path, units=3000, better=False)
    release = (
        'variants:\n  challenger: {model: "models:/churn/2"}\n',
        "release: {of: challenger, into: everybody, stages: [test: {share: 50%}], "
        "primary: {metric: conversion, minimum_effect: {relative: 2%}}}\n",
    )
    text = FILE.replace("split: {champion: 50%, challenger: 50%}", "split: {champion: 100%}") + release[1]
    spec = load_deployment(text)
    now = envelope(3000).at + 3 * 86_400_000_000
    run_ = ReleaseRun(
        id="r",
        deployment="churn",
        entry="everybody",
        champion="champion",
        challenger="challenger",
        champion_version="",
        challenger_version="",
        salt="",
        stage="test",
        stage_started_at=now,
        started_at=now,
        phases=(Phase(number=1, arms=(Arm("champion", 1.0),), started_at=now, revision=1),),
    )
    with Reader(tmp_path).open("churn") as view:
        found = {one.metric: one for one in split_past(spec, run_, view, now, 60)}
    assert found["conversion"].splits == 60
    assert found["conversion"].trustworthy
    assert found["conversion"].claims <= 5


def test_files_are_split_in_the_shares_that_were_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    n = 10_000
    frame = pd.DataFrame({"unit": np.arange(n), "variant": np.where(np.arange(n) < 200, "new", "control")})
    frame["x"] = (rng.random(n) < 0.01) * rng.lognormal(3, 0.5, n)
    frame.to_parquet(tmp_path / "rare.parquet")
    words = ["judge", "--data", str(tmp_path / "rare.parquet"), "--metric", "x=mean:x", "--aa", "100"]
    assert run(words) == 0
    assert run([*words, "--shares", "control=98%,new=2%"]) == 1
    assert "UNTRUSTWORTHY" in capsys.readouterr().out
    assert run([*words, "--shares", "new=2%,other=98%"]) == 2
    assert "must give the control 'control' and a treatment a share above 0" in capsys.readouterr().err


def test_files_of_phases_are_split_in_the_shares_of_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"unit": np.arange(6000), "variant": "control", "week": np.repeat(["a", "b"], 3000)})
    frame["x"] = rng.normal(5, 1, 6000)
    frame.loc[::3, "variant"] = "new"
    frame.to_parquet(tmp_path / "ramp.parquet")
    drawn: list[float] = []

    def seen(entry: Entry, units: list[str]) -> np.ndarray:
        drawn.extend(arm.weight for arm in entry.arms)
        return assign_many(entry, units)

    monkeypatch.setattr("seatrial.analysis.same_arms.assign_many", seen)
    shares = "a: control=90%,new=10%; b: control=50%,new=50%"
    words = ["judge", "--data", str(tmp_path / "ramp.parquet"), "--metric", "x=mean:x", "--aa", "20"]
    assert run([*words, "--phase", "week", "--shares", shares]) == 0
    assert "ok: x:" in capsys.readouterr().out
    assert drawn[:2] == pytest.approx([0.7, 0.3])
