"""``seatrial profile``: what a version's world looked like."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from seatrial.cli.app import run
from seatrial.models.register import register
from seatrial.spec.settings import load_settings
from tests.registries import give_registry


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"age": rng.normal(40, 10, 400), "items": rng.integers(0, 3, 400).astype(float)})
    return frame.assign(gone=(frame["age"] + rng.normal(0, 5, 400) > 40).astype(int))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    give_registry(tmp_path / "home")
    return tmp_path / "home"


def registered(frame: pd.DataFrame, home: Path, *, holdout: int = 200) -> None:
    inputs, target = frame[["age", "items"]], frame["gone"]
    model = LogisticRegression().fit(inputs, target)
    settings = load_settings({"SEATRIAL_HOME": str(home)}, home.parent)
    held = frame.iloc[:holdout] if holdout else None
    register("churn", model, data=frame, target="gone", holdout=held, settings=settings)


def test_a_profile_is_told_column_by_column(
    frame: pd.DataFrame, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(frame, home)
    assert run(["profile", "churn"]) == 0
    told = capsys.readouterr().out
    assert "inputs: 400 rows of reference data" in told
    assert "predictions: 200 rows of holdout" in told
    assert "performance: accuracy 0." in told
    assert "performance without labels: from scores, calibrated on the holdout" in told
    line = next(line for line in told.splitlines() if line.startswith("age"))
    assert f"{frame['age'].mean():.4g}" in line
    assert f"{frame['age'].std():.4g}" in line


def test_without_a_holdout_it_says_what_is_needed(
    frame: pd.DataFrame, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(frame, home, holdout=0)
    assert run(["profile", "churn:1"]) == 0
    assert capsys.readouterr().out.count("no-data: needs a holdout\n") == 3


def test_a_holdout_that_is_too_small_to_learn_from_says_so(
    frame: pd.DataFrame, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(frame, home, holdout=49)
    assert run(["profile", "churn"]) == 0
    assert "performance without labels: no-data: needs a holdout of at least 50 rows" in capsys.readouterr().out


def test_the_cells_of_one_column(frame: pd.DataFrame, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registered(frame, home)
    assert run(["profile", "churn", "--feature", "items"]) == 0
    lines = capsys.readouterr().out.splitlines()
    zero = next(line.split() for line in lines if line.startswith("0 "))
    assert zero[1] == str(int((frame["items"] == 0).sum()))
    assert run(["profile", "churn", "--feature", "score", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 200


def test_a_column_that_is_not_there_is_named(
    frame: pd.DataFrame, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(frame, home)
    assert run(["profile", "churn", "--feature", "agee"]) == 2
    assert "no column 'agee'; it has age, items, label, score" in capsys.readouterr().err


def test_a_regressor_has_a_tree_of_its_errors(
    frame: pd.DataFrame, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = frame[["items"]]
    settings = load_settings({"SEATRIAL_HOME": str(home)}, home.parent)
    model = LinearRegression().fit(inputs, frame["age"])
    both = frame[["items", "age"]]
    register("age", model, data=both, target="age", holdout=both, settings=settings)
    assert run(["profile", "age", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    errors = np.abs(model.predict(inputs) - frame["age"])
    assert found["performance"]["mae"]["value"] == pytest.approx(errors.mean(), rel=1e-4)
    assert [column["name"] for column in found["lesson"]["features"]] == ["items"]
    assert sum(leaf["n"] for leaf in found["lesson"]["tree"]["leaves"]) == 200
