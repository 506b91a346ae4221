"""``seatrial batch``: from a file to answers that a gateway looks up, as a user runs it."""

import asyncio
import json
from pathlib import Path

import pytest

from seatrial.cli.app import run
from seatrial.routing.snapshot import Arm, Entry, Lookup
from seatrial.serving.opening import open_gateway
from tests.batches import model, publish, rows, write_parquet

COLUMNS = rows(20)
LINE = ["batch", "churn", "customers.parquet", "--key", "id", "--out", "scores"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose variant ``night`` is looked up in what it scores itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    made = tmp_path / "home"
    slots = (model(made, "champion", 1), model(made, "night", 2, lookup=Lookup(scores="scores", stale_after=3600.0)))
    publish(made, slots=slots, entries=(Entry(name="all", arms=(Arm("night", 1.0),)),))
    write_parquet(tmp_path / "customers.parquet", COLUMNS)
    return made


def test_what_was_scored_is_looked_up(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LINE) == 0
    told = capsys.readouterr().out
    assert "finished: 20 rows, answers: 20 by night" in told
    assert "lookups take table" in told
    gateway = open_gateway(home)
    features = {name: values[3] for name, values in COLUMNS.items() if name != "id"}
    looked_up = asyncio.run(gateway.predict("churn", {}, unit="c3"))
    computed = asyncio.run(gateway.predict("churn", features, unit="stranger"))
    gateway.recorder.close()
    assert (looked_up["model_version"], looked_up["answered_by"]) == ("churn:2", "assigned")
    assert (computed["model_version"], computed["answered_by"]) == ("churn:1", "default")
    assert looked_up["score"] != computed["score"]


@pytest.mark.usefixtures("home")
def test_again_it_stands_and_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LINE) == 0
    capsys.readouterr()
    assert run(LINE) == 0
    assert "standing: 20 rows" in capsys.readouterr().out
    assert run([*LINE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scored"] == {"night": 20}


def test_no_row_at_all_is_no(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_parquet(home.parent / "customers.parquet", COLUMNS | {"feature_0": [None] * 20})
    assert run(LINE) == 1
    assert "set aside: 20" in capsys.readouterr().out
    assert not (home.parent / "scores" / "current").exists()


def test_an_input_that_changed_is_bad_input(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LINE) == 0
    write_parquet(home.parent / "customers.parquet", rows(20, seed=5))
    assert run(LINE) == 2
    assert "--fresh" in capsys.readouterr().err
    assert run([*LINE, "--fresh"]) == 0
