"""A bandit over real HTTP: the better arm gets the traffic, after a restart too, and every number is accounted for."""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from seatrial.control.apply import apply
from seatrial.control.queries import history
from seatrial.ledger.reader import Reader
from seatrial.models.register import register
from tests.live import Caller, LiveSystem
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

FILE = """\
deployment: shop
variants:
  champion:   {model: "models:/shop/1"}
  challenger: {model: "models:/shop/2"}
outcomes: {click: {}}
routing:
  - name: everybody
    bandit:
      arms: [champion, challenger]
      reward: {outcome: click, within: 500ms, grace: 500ms}
      every: 2s
      floor: 5%
      minimum_units: 120
"""
CLICKS = {"champion": 0.1, "challenger": 0.6}


class Town:
    """Visitors who click as often as the variant that they met deserves."""

    def __init__(self, system: LiveSystem) -> None:
        self.system = system
        self.random = random.Random(5)
        self.visits = 0

    def visit(self, caller: Caller) -> str:
        """One visitor comes, and perhaps clicks; gives the variant met."""
        self.visits += 1
        unit = f"u{self.visits}"
        answer = caller("POST", "/v1/deployments/shop/predict", {"unit": unit, "features": {"a": 0.25, "b": -1.0}})
        assert answer.status == 200, answer.body
        assert answer.body["reason"] == "bandit"
        variant = str(answer.body["variant"])
        if self.random.random() < CLICKS[variant]:
            said = caller("POST", "/v1/outcomes", {"outcome": "click", "unit": unit, "id": f"click-{unit}"})
            assert said.status == 200
        return variant

    def share(self, visitors: int) -> float:
        """The challenger's share of so many visitors."""
        caller = self.system.caller()
        try:
            met = Counter(self.visit(caller) for _ in range(visitors))
        finally:
            caller.close()
        return met["challenger"] / visitors

    def until_learned(self) -> None:
        """Visitors come until the challenger gets nearly all of them."""
        wait_for(lambda: self.share(60) > 0.85, seconds=90, what="the challenger to get nearly everybody")


def weights(system: LiveSystem) -> list[dict[str, float]]:
    """The weights that each reweighing came to."""
    return [json.loads(entry.decision) for entry in history(system.settings, "shop") if entry.action == "reweigh"]


def check_evaluation(system: LiveSystem) -> None:
    """The past says what the challenger alone would have earned, and by how much it is better."""
    done = system.command("bandit", "evaluate", "shop", "challenger=100%", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for one in said["found"]["estimates"]:
        assert 0 < one["se"] < 0.1, one
        assert abs(one["value"] - CLICKS["challenger"]) < 4.5 * one["se"], one
    (compared,) = said["compared"]
    assert compared["treatment"] == "challenger"
    assert compared["effect"]["lower"] > 0.2
    told = system.command("bandit", "evaluate", "shop", "challenger=100%")
    assert "doubly-robust" in told.stdout
    assert "valid under changing weights" in told.stdout
    assert system.command("bandit", "evaluate", "shop", "challenger=90%").returncode == 2
    assert "'other' is not an arm" in system.command("bandit", "evaluate", "shop", "other=100%").stderr


def check_simulation(system: LiveSystem) -> None:
    """The past's arms, as a plain split would tell them apart; every arm has had its hundred even visitors."""
    file = system.place / "shop.yaml"
    file.write_text(FILE)
    done = system.command("bandit", "simulate", str(file), "--json")
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    for arm, share in CLICKS.items():
        assert said["arms"][arm]["mean"] == pytest.approx(share, abs=0.16), arm  # over 3 SE of 100 units
    assert "An even split would know the better arm after" in said["sentence"]


def test_arms_learn_over_http_and_after_a_restart(tmp_path: Path) -> None:
    system = LiveSystem(tmp_path)
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    for version in (1, 2):
        frame["label"] = (frame["a"] * version + frame["b"] > 0).astype(int)
        model = LogisticRegression().fit(frame[["a", "b"]], frame["label"])
        register("shop", model, data=frame, target="label", settings=system.settings)
    apply(FILE, system.settings, actor="test")
    town = Town(system)
    with system:
        first = town.share(260)  # weights stay even until either arm has 120 matured rewards
        assert 0.38 < first < 0.62
        town.until_learned()
    learned = weights(system)
    assert learned[-1]["challenger"] > 0.85
    with system:
        assert town.share(60) > 0.8  # the published weights still serve
        before = len(weights(system))
        wait_for(lambda: len(weights(system)) > before, seconds=60, what="an epoch after the restart")
        assert weights(system)[-1]["challenger"] > 0.85  # rebuilt from the ledger
        audit = [entry for entry in history(system.settings, "shop") if entry.action == "reweigh"]
        seen = json.loads(audit[-1].observed)
        rewards = sum(arm["rewards"] for arm in seen["arms"].values())
        assert rewards > sum(arm["rewards"] for arm in json.loads(audit[0].observed)["arms"].values())
        assert rewards <= town.visits
        assert seen["arms"]["challenger"]["mean"] == pytest.approx(0.6, abs=0.15)
        check_evaluation(system)
        check_simulation(system)
    with Reader(system.home).open("shop") as view:
        drawn = view.sql(
            "SELECT DISTINCT phase, variant, propensity FROM rows WHERE reason = 'bandit' AND contested", {}
        ).to_pylist()
    assert len({row["phase"] for row in drawn}) > 1
    even = {row["propensity"] for row in drawn if row["phase"] == 1}
    assert even == {0.5}
    # What a row says is what was decided for its epoch.
    decided = {entry["challenger"] for entry in learned} | {0.5}
    told = {row["propensity"] for row in drawn if row["variant"] == "challenger"}
    assert told <= decided | {entry["challenger"] for entry in weights(system)}
