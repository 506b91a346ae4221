"""What ``judge --json`` prints is what its schema says: every document that can come, and no key beside."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.documents import SegmentedJudgement, judge_schema
from seatrial.analysis.judging import judge as judge_data
from seatrial.analysis.power import need
from seatrial.analysis.power_past import stated
from seatrial.cli.app import run
from seatrial.cli.output import plain, print_json
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.stats.contrast import Margin
from seatrial.stats.power import Design
from tests import worlds

SECOND = worlds.SECOND
N = 600


def closed() -> dict[str, Any]:
    """The schema, refusing keys that it does not name."""
    schema = copy.deepcopy(judge_schema())
    for component in schema["$defs"].values():
        if "properties" in component:
            component["additionalProperties"] = False
    return schema


def valid(document: object) -> None:
    jsonschema.Draft202012Validator(closed()).validate(json.loads(json.dumps(document, allow_nan=False)))


def files(folder: Path) -> None:
    rng = np.random.default_rng(3)
    variant = np.where(np.arange(N) % 2, "new", "control")
    at = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(rng.uniform(0, 5, N), unit="D")
    exposed = pd.DataFrame({"unit": np.arange(N), "variant": variant, "at": at, "before": rng.normal(5, 1, N)})
    exposed["country"] = np.where(rng.random(N) < 0.3, "CH", "DE")
    exposed.to_parquet(folder / "exposures.parquet")
    bought = exposed[rng.random(N) < 0.4]
    spent = pd.DataFrame({"unit": bought["unit"], "outcome": "buy", "at": bought["at"], "value": bought["before"]})
    spent.to_parquet(folder / "outcomes.parquet")


WORDS = (
    "--data",
    "exposures.parquet",
    "--outcomes",
    "outcomes.parquet",
    "--metric",
    "paid=mean:buy,within=1d,covariate=before,cap=9",
)


@pytest.mark.parametrize(
    "more",
    [
        (),
        (
            "--metric",
            "bought=proportion:buy,within=1d",
            "--guardrail",
            "bought=relative:5%",
            "--method",
            "always-valid",
        ),
        ("--metric", "each=ratio:buy/buy", "--segment", "country", "--html", "page.html"),
        ("--segment", "variant", "--phase", "country"),
        ("--shares", "control=90%,new=10%"),
        ("--aa", "20"),
    ],
)
def test_what_is_printed_of_files_is_what_the_schema_says(
    more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path)
    assert run(["judge", *WORDS, *more, "--json"]) in (0, 1, 3)
    valid(json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(text)))


def test_what_json_cannot_write_is_printed_as_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.0], "b": {"c": float("-inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.0], "b": {"c": None}}


def judged(seconds: float, *, phases: bool = True) -> Judgement:
    spec = worlds.deployment(
        outcomes={"buy": {}},
        metrics={
            "revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "cap": 50.0},
            "bought": {"kind": "proportion", "outcome": "buy", "within": 30.0},
        },
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.02}},
            "guardrails": {"errors": {"absolute": 0.01}, "p99": {"relative": 0.1}},
        },
    )
    release = worlds.release((0.5, 0)) if phases else worlds.release(stage="shadow")
    at = worlds.START + np.arange(N) * SECOND
    names = worlds.unit_names(N)
    rows = worlds.rows(worlds.release((0.5, 0)), names, at)
    bought = worlds.outcomes("buy", at[::2] + SECOND, unit=names[::2], value_number=np.linspace(1, 90, len(at[::2])))
    return judge(spec, release, worlds.source([rows], [bought]), worlds.START + round(seconds * SECOND))


@pytest.mark.parametrize("seconds", [0.5, 20.0, 900.0])
def test_what_is_printed_of_a_release_is_what_the_schema_says(seconds: float) -> None:
    judgement = judged(seconds)
    valid(plain(judgement))
    valid(plain(SegmentedJudgement(judgement=judgement, segments=())))


def test_a_release_without_exposures_too() -> None:
    valid(plain(judged(100.0, phases=False)))


def test_the_schema_refuses_another_document() -> None:
    broken = plain(judged(900.0)) | {"recommendation": "perhaps"}
    with pytest.raises(jsonschema.ValidationError):
        valid(broken)


def test_every_key_of_a_judgement_is_explained() -> None:
    parts = judge_schema()["$defs"]
    for name in ("Judgement", "MetricJudgement", "Verdict", "Analysis", "Comparison", "Finding", "SameArms"):
        assert all(key.get("description") for key in parts[name]["properties"].values()), name
        assert "Attributes" not in parts[name]["description"]


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "judge"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(judge_schema()))


def test_results_show_themselves_in_a_notebook_as_text_and_table() -> None:
    units = pd.DataFrame({"unit": range(400), "variant": ["control", "new"] * 200, "x": [1.0, 2.0, 3.0, 5.0] * 100})
    past = stated(metric="it", baseline=0.1, mean=None, sd=None, correlation=0.0)
    from seatrial.analysis.power import Forecast

    forecast = Forecast(past=(past,), design="", needs=(need(past, Margin("relative", 0.05), Design()),))
    for found, said in (
        (judge_data(units, metrics={"x": "mean:x"}), "new"),
        (forecast, "units"),
        (judged(900.0), "revenue"),
    ):
        forms = found._repr_mimebundle_()
        assert set(forms) == {"text/plain", "text/html"}
        assert said in forms["text/plain"]
        assert "<table>" in forms["text/html"]
        assert "<script" not in forms["text/html"]
        assert set(found._repr_mimebundle_(include={"text/html"})) == {"text/html"}
        assert set(found._repr_mimebundle_(exclude={"text/html"})) == {"text/plain"}
