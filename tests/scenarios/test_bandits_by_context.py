"""A bandit that chooses by context over HTTP: who likes what is learned, after a restart too, and rows say by what."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from seatrial.control.apply import apply
from seatrial.control.queries import history
from seatrial.ledger.reader import Reader
from seatrial.models.register import register
from seatrial.releases.publication import Publication
from seatrial.routing.router import Router
from tests.live import Caller, LiveSystem
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

FILE = """\
deployment: shop
context: {{country: string, age: optional number}}
variants:
  champion:   {{model: "models:/shop/1"}}
  challenger: {{model: "models:/shop/2"}}
outcomes: {{click: {{}}}}
routing:
  - name: everybody
    bandit:
      arms: [champion, challenger]
      policy: {policy}
      context: [{keys}]
      reward: {{outcome: click, within: 500ms, grace: 500ms}}
      every: 2s
      floor: 5%
"""
LIKED = {"DE": "champion", "FR": "challenger"}
KEYS = {"squarecb": "age, country", "linear-thompson": "age, features.a"}
"""Who likes what is told by the context, or by a feature that is the country's."""
A = {"DE": 0.75, "FR": -0.75}
CLICKS = (0.1, 0.6)
"""How often a visitor clicks who met the other variant, and the one that his country likes."""


class Town:
    """Visitors of two countries."""

    def __init__(self, system: LiveSystem) -> None:
        self.system = system
        self.random = random.Random(5)
        self.visits = 0

    def visit(self, caller: Caller) -> tuple[str, str]:
        """One visitor comes, and perhaps clicks; gives country and the variant met."""
        self.visits += 1
        unit, country = f"u{self.visits}", self.random.choice(("DE", "FR"))
        context: dict[str, Any] = {"country": country}
        if self.random.random() < 0.8:
            context["age"] = self.random.gauss(40, 10)
        body = {"unit": unit, "context": context, "features": {"a": A[country], "b": -1.0}}
        answer = caller("POST", "/v1/deployments/shop/predict", body)
        assert answer.status == 200, answer.body
        assert answer.body["reason"] == "bandit"
        variant = str(answer.body["variant"])
        if self.random.random() < CLICKS[variant == LIKED[country]]:
            said = caller("POST", "/v1/outcomes", {"outcome": "click", "unit": unit, "id": f"click-{unit}"})
            assert said.status == 200
        return country, variant

    def shares(self, visitors: int) -> dict[str, float]:
        """By country, how many of so many visitors met what they like."""
        caller = self.system.caller()
        try:
            met = Counter(self.visit(caller) for _ in range(visitors))
        finally:
            caller.close()
        return {
            country: met[country, liked] / sum(met[country, variant] for variant in LIKED.values())
            for country, liked in LIKED.items()
        }


def rows(system: LiveSystem) -> list[dict[str, Any]]:
    with Reader(system.home).open("shop") as view:
        found: list[dict[str, Any]] = view.sql(
            "SELECT request_id, unit, variant, propensity, contested, revision, phase, chances, "
            '"context.country" AS country, "context.age" AS age, "feature.a" AS a FROM rows '
            "WHERE reason = 'bandit' ORDER BY \"at\"",
            {},
        ).to_pylist()
        return found


def check_rows(system: LiveSystem) -> None:
    """What a row says it was drawn by is what its revision does with its context."""
    publication, routers = Publication(system.home), dict[int, Router]()
    drawn = [row for row in rows(system) if row["chances"] is not None]
    assert len({row["phase"] for row in drawn}) > 1
    for row in drawn:
        revision = row["revision"]
        router = routers.get(revision) or routers.setdefault(revision, Router(publication.read("shop", revision)))
        decision = router.decide(row["unit"], (row["country"], row["age"]), {"a": row["a"]})
        assert (decision.variant, list(decision.chances)) == (row["variant"], row["chances"])
        assert row["propensity"] == row["chances"][["champion", "challenger"].index(row["variant"])]
        assert row["contested"]
        assert sum(row["chances"]) == pytest.approx(1)
        assert min(row["chances"]) >= 0.05 - 1e-12


def check_explanation(system: LiveSystem) -> None:
    """A request's story says by which chances its unit was drawn."""
    row = rows(system)[-1]
    done = system.command("explain", row["request_id"], "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["weights"] == dict(zip(("champion", "challenger"), row["chances"], strict=True))
    share = f"{100 * row['propensity']:.4g}% of units of such a context"
    assert share in told["sentence"]
    assert share in system.command("explain", row["request_id"]).stdout


def check_evaluation(system: LiveSystem) -> None:
    """One variant for everybody would earn what half of the visitors like; what was done has earned more."""
    for variant in ("champion", "challenger"):
        done = system.command("bandit", "evaluate", "shop", f"{variant}=100%", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["found"]
        estimates = {one["method"]: one for one in found["estimates"]}
        for method in ("ips", "snips", "doubly-robust", "switch"):
            one = estimates[method]
            assert 0 < one["se"] < 0.1, one
            assert abs(one["value"] - np.mean(CLICKS)) < 4.5 * one["se"], one
        assert found["earned"] > estimates["doubly-robust"]["value"]
    file = system.place / "liked.yaml"
    rules = [
        f"  - {{name: {country}, when: 'context.country == \"{country}\"', to: {liked}}}"
        for country, liked in LIKED.items()
    ]
    running = FILE.format(policy="squarecb", keys="age")
    file.write_text("\n".join([running[: running.index("  - name")].rstrip("\n"), *rules, ""]))
    done = system.command("bandit", "evaluate", "shop", "--file", str(file), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    for one in json.loads(done.stdout)["found"]["estimates"]:
        assert abs(one["value"] - CLICKS[1]) < 4.5 * one["se"], "everybody gets what his country likes"


def learned(shares: dict[str, float]) -> bool:
    return min(shares.values()) > 0.8


@pytest.mark.parametrize("policy", ["squarecb", "linear-thompson"])
def test_each_country_gets_what_it_likes_after_a_restart_too(tmp_path: Path, policy: str) -> None:
    system = LiveSystem(tmp_path)
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    for version in (1, 2):
        frame["label"] = (frame["a"] * version + frame["b"] > 0).astype(int)
        model = LogisticRegression().fit(frame[["a", "b"]], frame["label"])
        register("shop", model, data=frame, target="label", settings=system.settings)
    apply(FILE.format(policy=policy, keys=KEYS[policy]), system.settings, actor="test")
    town = Town(system)
    with system:
        wait_for(lambda: learned(town.shares(80)), seconds=90, what="either country to get what it likes")
    before = len(reweighed(system))
    with system:
        assert learned(town.shares(120))  # the published lines still serve
        wait_for(lambda: len(reweighed(system)) > before, seconds=60, what="an epoch after the restart")
        assert learned(town.shares(120))  # learned anew from the ledger
        done = system.command("bandit", "simulate", str(write(system, policy)), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        said = json.loads(done.stdout)["replayed"]
        assert abs(said["alone"] - np.mean(CLICKS)) < 0.16  # over 4.5 SE of the few that met the other variant
        assert said["by_epoch"][-1] > 0.45
        assert said["gain"]["lower"] > 0
        check_evaluation(system)
        check_explanation(system)
    check_rows(system)


def reweighed(system: LiveSystem) -> list[str]:
    return [entry.decision for entry in history(system.settings, "shop") if entry.action == "reweigh"]


def write(system: LiveSystem, policy: str) -> Path:
    file = system.place / "shop.yaml"
    file.write_text(FILE.format(policy=policy, keys=KEYS[policy]))
    return file
