"""A split of several variants on a machine: since which revision it counts, and what `judge` says."""

import json

import pytest
from jsonschema import Draft202012Validator

from seatrial.analysis.documents import judge_schema
from seatrial.cli.app import run
from seatrial.control.contests import contest_of, has_experiment, several_now
from seatrial.spec.errors import NotFound
from tests.harbour import Harbour, gateway_worker
from tests.houses import house_of

FILE = """\
deployment: churn
task: classification
variants:
  champion: {model: "models:/churn/1"}
  challenger: {model: "models:/churn/2"}
routing:
  - {name: everybody, split: {champion: 50%, challenger: 50%}}
context: {country: optional string}
outcomes: {buy: {}}
metrics: {conversion: {kind: proportion, outcome: buy, within: 1h}}
experiment: {in: everybody, primary: {metric: conversion, minimum_effect: {relative: 2%}}}
"""


def test_it_counts_since_the_arms_last_changed(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    harbour = Harbour(tmp_path)
    with gateway_worker(tmp_path):
        harbour.apply(FILE)
        first = harbour.state.deployments.get("churn").revision
        harbour.apply(FILE.replace("within: 1h", "within: 2h") + "log: {keep: 30d}\n")
        contest = contest_of(harbour.site.publication, harbour.state.deployments.get("churn"))
        assert contest.revision == first
        harbour.apply(FILE.replace("champion: 50%, challenger: 50%", "champion: 60%, challenger: 40%"))
        held = harbour.state.deployments.get("churn")
        moved = contest_of(harbour.site.publication, held)
        assert moved.revision == held.revision > first
        settings = house_of(tmp_path, harbour).settings
        assert has_experiment(settings, "churn")
        found = several_now(settings, "churn").several
        assert [one.challenger for one in found.judgements] == ["challenger"]
        assert found.judgements[0].recommendation == "wait"
        monkeypatch.setenv("SEATRIAL_HOME", str(settings.home))
        monkeypatch.setenv("SEATRIAL_STATE_URL", settings.state_url)
        page = tmp_path / "page.html"
        asked = ["judge", "churn", "--segment", "context.country", "--html", str(page)]
        assert run([*asked, "--require", "better"]) == 3
        assert "challenger against champion" in capsys.readouterr().out
        assert "conversion by context.country, challenger" in page.read_text("utf-8")
        assert run([*asked, "--json"]) == 1
        document = json.loads(capsys.readouterr().out)
        assert [one["challenger"] for one in document["segments"]] == ["challenger"]
        Draft202012Validator(judge_schema()).validate(document)
        assert run(["judge", "churn", "--segment", "context.countri"]) == 2
        harbour.apply(FILE[: FILE.index("experiment:")])
        assert not has_experiment(settings, "churn")
        with pytest.raises(NotFound, match="no experiment to judge"):
            several_now(settings, "churn")
        harbour.close()
