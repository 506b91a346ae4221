"""A bandit over real HTTP: the better arm gets the traffic, after a restart too, and every number is accounted for."""

import json
import random
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from seatrial.control.queries import history
from seatrial.ledger.reader import Reader
from tests.live import Caller, LiveSystem
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def parts(block: str) -> list[str]:
    """Commands, each with what it prints."""
    return [shown.removeprefix("$ ") for shown in re.split(r"^(?=\$ )", block, flags=re.M) if shown]


def outline(text: str) -> str:
    """Without numbers and how wide columns are."""
    return re.sub(r"[ ]+", " ", re.sub(r"[+-]?\d[\d.]*(e-\d+)?( \d{3})*", "#", text)).strip()


PAGE = (Path(__file__).parents[2] / "docs" / "bandits.md").read_text("utf-8")
START = PAGE[PAGE.index("## A start") : PAGE.index("## Epochs")]
FILES = {
    body.split("\n", 1)[0].removeprefix("# "): body
    for body in re.findall(r"^```(?:python|yaml)\n(.*?)^```", START, re.M | re.S)
}
SHOWN = [
    shown.split("\n", 1)
    for block in re.findall(r"^```console\n(.*?)^```", START, re.M | re.S)
    for shown in parts(block)
]
CLICKS = {"champion": {"DE": 0.4, "FR": 0.1}, "challenger": {"DE": 0.3, "FR": 0.9}}
"""How often a visitor clicks, by what he meets and his country, as on the page; every other one is of either."""
EARNS = {variant: sum(by_country.values()) / 2 for variant, by_country in CLICKS.items()}


class Town:
    """Visitors who click as often as the variant that they met deserves."""

    def __init__(self, system: LiveSystem) -> None:
        self.system = system
        self.random = random.Random(5)
        self.visits = 0

    def visit(self, caller: Caller) -> str:
        """One visitor comes, and perhaps clicks; gives the variant met."""
        self.visits += 1
        unit, country = f"u{self.visits}", self.random.choice(("DE", "FR"))
        body = {"unit": unit, "context": {"country": country}, "features": {"price": 0.25, "stars": -1.0}}
        answer = caller("POST", "/v1/deployments/shop/predict", body)
        assert answer.status == 200, answer.body
        assert answer.body["reason"] == "bandit"
        variant = str(answer.body["variant"])
        if self.random.random() < CLICKS[variant][country]:
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
        assert abs(one["value"] - EARNS["challenger"]) < 4.5 * one["se"], one
    (compared,) = said["compared"]
    assert compared["treatment"] == "challenger"
    assert compared["effect"]["lower"] > 0.1
    assert system.command("bandit", "evaluate", "shop", "challenger=90%").returncode == 2
    assert "'other' is not an arm" in system.command("bandit", "evaluate", "shop", "other=100%").stderr


def check_simulation(system: LiveSystem) -> None:
    """The past's arms, as a plain split would tell them apart; every arm has had its hundred even visitors."""
    done = system.command("bandit", "simulate", "shop.yaml", "--json")
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    for arm, share in EARNS.items():
        assert said["arms"][arm]["mean"] == pytest.approx(share, abs=0.16), arm  # over 3 SE of 100 units
    assert "An even split would know the better arm after" in said["sentence"]


def said(system: LiveSystem, line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a line of the page prints; its programs run in this process, to which all they import has come already."""
    program, *words = shlex.split(line)
    if program == "python":
        capsys.readouterr()
        exec(compile(FILES[words[0]].replace("127.0.0.1:8080", system.running.http), words[0], "exec"), {})
        return capsys.readouterr().out
    done = system.command(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def follow_the_page(system: LiveSystem, capsys: pytest.CaptureFixture[str]) -> int:
    """Every command of the page prints what the page says, but for the numbers; gives how many visitors came."""
    for name in ("shop.yaml", "rules.yaml"):
        (system.place / name).write_text(FILES[name])
    came = 0
    for line, shown in SHOWN:
        told = said(system, line, capsys)
        assert outline(told) == outline(shown), told
        if line == "python visit.py":
            came = int(told.split()[1])
    return came


def test_the_page_then_arms_go_on_learning_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    system = LiveSystem(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(system.home))
    monkeypatch.chdir(tmp_path)
    town = Town(system)
    with system:
        came = follow_the_page(system, capsys)
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
        assert rewards <= came + town.visits
        assert seen["arms"]["challenger"]["mean"] == pytest.approx(EARNS["challenger"], abs=0.15)
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
