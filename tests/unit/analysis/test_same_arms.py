"""``judge --aa``: the control's own units, split by many salts."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.files import Columns, Files
from seatrial.analysis.judged import Judged
from seatrial.analysis.judging import judge
from seatrial.analysis.metrics import Metric
from seatrial.analysis.planning import plan_of
from seatrial.analysis.same_arms import split_files
from seatrial.cli.app import run
from seatrial.experiments.same_arms import split_past
from seatrial.ledger.reader import Reader
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm, Entry
from seatrial.spec.read import load_deployment
from seatrial.stats.verdict import Verdict
from tests.ledger_events import envelope
from tests.trials import FILE, write_trial


def written(path: Path, heavy: float = 0.0) -> str:
    rng = np.random.default_rng(3)
    n = 9000  # halves of the control's are too large to relabel
    values = rng.normal(5, 1, n)
    values[0] += heavy
    frame = pd.DataFrame({"unit": np.arange(n), "variant": np.where(rng.random(n) < 0.5, "new", "control")})
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


def seen_weights(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    drawn: list[float] = []

    def seen(entry: Entry, units: list[str]) -> np.ndarray:
        drawn.extend(arm.weight for arm in entry.arms)
        return assign_many(entry, units)

    monkeypatch.setattr("seatrial.analysis.same_arms.assign_many", seen)
    return drawn


def test_files_are_split_in_the_shares_that_were_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    n = 10_000
    frame = pd.DataFrame({"unit": np.arange(n), "variant": np.where(np.arange(n) < 200, "new", "control")})
    frame["x"] = (rng.random(n) < 0.01) * rng.lognormal(3, 0.5, n)
    frame.to_parquet(tmp_path / "rare.parquet")
    drawn = seen_weights(monkeypatch)
    words = ["judge", "--data", str(tmp_path / "rare.parquet"), "--metric", "x=mean:x", "--aa", "50"]
    assert run(words) == 0
    assert drawn[:2] == [0.5, 0.5]
    drawn.clear()
    # Two of the small arm's units have a value: the experiment relabels them, and keeps its word.
    assert run([*words, "--shares", "control=98%,new=2%"]) == 0
    assert drawn[:2] == pytest.approx([0.98, 0.02])
    assert run([*words, "--shares", "new=2%,other=98%"]) == 2
    assert "must give the control 'control' and a treatment a share above 0" in capsys.readouterr().err


def small_metrics() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 1200
    frame = pd.DataFrame({"unit": np.arange(n), "variant": np.where(np.arange(n) < n // 2, "control", "new")})
    frame["shown"] = (rng.random(n) < 0.005).astype(float)
    frame["spent"] = rng.lognormal(0, 1.5, n)
    frame["few"] = frame["spent"].where(np.arange(n) % (n // 2) < 60)
    frame["below"] = rng.lognormal(0, 1.8, n)
    frame["above"] = rng.normal(2, 2, n)
    return frame


@pytest.mark.parametrize(
    ("metric", "splits", "method"),
    [
        ("proportion:shown", 80, "exact for one look"),
        ("mean:few", 200, "by permutation for one look"),
        ("ratio:above/below", 60, "Fieller's for one look"),
    ],
)
def test_sound_metrics_of_few_units_are_told_by_the_method_that_judges_them(
    metric: str, splits: int, method: str
) -> None:
    frame = small_metrics()
    plan = plan_of({"x": metric}, outcomes=False)
    with Files(frame, None, Columns()) as files:
        (found,) = split_files(files, plan, splits)
    assert method in judge(frame, metrics={"x": metric}).comparisons[0].primary.verdict.method
    assert found.splits > 0.9 * splits
    assert found.trustworthy
    assert found.claims <= 0.05 * splits + 3 * (0.0475 * splits) ** 0.5


@pytest.mark.parametrize("metric", ["mean:few", "proportion:shown", "ratio:above/below"])
def test_a_method_whose_p_values_are_too_small_is_found(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts' own p-values are asked: a twentieth of them, with claims as they are, does not pass."""

    def smaller(judged: Judged, metric: Metric, treatment: str, alpha: float) -> Verdict:
        verdict = told(judged, metric, treatment, alpha)
        return msgspec.structs.replace(verdict, p_value=(verdict.p_value or 0.0) / 20)

    told = Judged.verdict
    monkeypatch.setattr(Judged, "verdict", smaller)
    with Files(small_metrics(), None, Columns()) as files:
        (found,) = split_files(files, plan_of({"x": metric}, outcomes=False), 30)
    assert not found.trustworthy
    assert "not uniform" in found.sentence


def test_files_of_phases_are_split_in_the_shares_of_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"unit": np.arange(6000), "variant": "control", "week": np.repeat(["a", "b"], 3000)})
    frame["x"] = rng.normal(5, 1, 6000)
    frame.loc[::3, "variant"] = "new"
    frame.to_parquet(tmp_path / "ramp.parquet")
    drawn = seen_weights(monkeypatch)
    shares = "a: control=90%,new=10%; b: control=50%,new=50%"
    words = ["judge", "--data", str(tmp_path / "ramp.parquet"), "--metric", "x=mean:x", "--aa", "20"]
    assert run([*words, "--phase", "week", "--shares", shares]) == 0
    assert "ok: x:" in capsys.readouterr().out
    assert drawn[:2] == pytest.approx([0.7, 0.3])
