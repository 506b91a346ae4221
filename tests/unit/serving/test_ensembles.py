"""Serving an ensemble: members are loaded once, and one that fails leaves the answer to the default variant."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.control.ensembles import ensemble_slot
from seatrial.ledger.quarantine import add_quarantined, lift_quarantine, read_quarantine
from seatrial.ledger.underway import Suspect
from seatrial.models.runtimes import RuntimeFailure
from seatrial.routing.snapshot import Lookup, Slot, Snapshot
from seatrial.serving.inference import find_version
from seatrial.serving.loader import Loader
from seatrial.spec.deployment import VariantSpec
from seatrial.spec.errors import NotFound
from tests.gateways import GOOD, Bench, Scripted, bench, slot, snapshot


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "home") as found:
        yield found


SCORES = {1: 0.25, 2: 0.75, 3: 0.9}


class Shipyard:
    """Loads scripted models by version, and a snapshot of an ensemble beside its members."""

    def __init__(self, here: Bench) -> None:
        self.made: dict[int, Scripted] = {}
        self.loader = Loader(here.recorder, load=self._load, digest=lambda path: path.name)

    def _load(self, slot: Slot) -> Scripted:
        self.made[slot.version] = Scripted(SCORES[slot.version])
        return self.made[slot.version]


def placed(variant: str, version: int) -> Slot:
    return slot(variant, version, path=f"/nowhere/digest-{version}")


def fleet(revision: int = 1, weights: Any = None, **more: Any) -> Snapshot:
    champion, trees, third = placed("champion", 1), placed("trees", 2), placed("third", 3)
    said = VariantSpec(ensemble=("trees", "third"), **more)
    both = ensemble_slot("both", said, {"trees": trees, "third": third})
    return snapshot(weights or {"both": 1.0}, slots=(champion, trees, third, both), revision=revision)


def ask(here: Bench, **more: Any) -> dict[str, Any]:
    return asyncio.run(here.gateway.predict("churn", GOOD, unit="u1", **more))


def test_an_ensemble_answers_under_its_own_name(here: Bench) -> None:
    here.gateway.activate(here.gateway.prepare(Shipyard(here).loader.prepare(fleet())))
    answer = ask(here)
    assert answer["score"] == pytest.approx(0.825)
    assert (answer["prediction"], answer["variant"], answer["model_version"]) == (1, "both", "both")
    assert ask(here, variant="trees")["model_version"] == "churn:2"
    first = next(row for row in here.rows() if row["variant"] == "both")
    assert (first["version"], first["assigned_version"], first["prediction.score"]) == ("both", "both", 0.825)
    assert first["feature.age"] == 40.0


def test_members_are_loaded_once_and_live_as_long_as_somebody_needs_them(here: Bench) -> None:
    yard = Shipyard(here)
    first = yard.loader.prepare(fleet(1))
    second = yard.loader.prepare(fleet(2, {"champion": 1.0}))
    assert first.engines["both"] is second.engines["both"]
    assert yard.loader.loaded == 4
    alone = yard.loader.prepare(
        snapshot({"both": 1.0}, slots=(placed("champion", 1), fleet().slot("both")), revision=3)
    )
    for old in (first, second):
        yard.loader.retire(old)
    yard.loader.sweep()
    assert not any(yard.made[version].closed for version in (1, 2, 3))
    yard.loader.retire(alone)
    yard.loader.sweep()
    assert yard.loader.loaded == 0
    assert all(model.closed for model in yard.made.values())


def test_an_ensemble_with_another_timeout_takes_members_of_its_own_time(here: Bench) -> None:
    yard = Shipyard(here)
    first = yard.loader.prepare(fleet(1))
    second = yard.loader.prepare(fleet(2, timeout=3.0))
    assert first.engines["both"] is not second.engines["both"]
    yard.loader.retire(first)
    yard.loader.sweep()
    here.gateway.activate(here.gateway.prepare(second))
    assert ask(here)["model_version"] == "both"


def test_a_member_that_fails_leaves_the_answer_to_the_default_and_the_row_names_it(here: Bench) -> None:
    yard = Shipyard(here)
    here.gateway.activate(here.gateway.prepare(yard.loader.prepare(fleet())))
    yard.made[3].failure = RuntimeFailure("out of order")
    answer = ask(here)
    assert (answer["answered_by"], answer["model_version"], answer["score"]) == ("default", "churn:1", 0.25)
    (row,) = here.rows()
    assert (row["status"], row["error"]) == ("error", "member `third` (churn:3): out of order")


def test_an_ensemble_that_is_looked_up_loads_no_member(here: Bench) -> None:
    yard = Shipyard(here)
    given = fleet()
    both = msgspec.structs.replace(given.slot("both"), lookup=Lookup(scores="scores"))
    loaded: list[str] = []
    loader = Loader(
        here.recorder, load=lambda one: loaded.append(one.variant) or Scripted(), digest=lambda path: path.name
    )
    loader.prepare(snapshot(slots=(placed("champion", 1), both)))
    assert loaded == ["champion", "both"]
    assert yard.made == {}


def test_an_ensemble_has_no_number_to_be_addressed_by(here: Bench) -> None:
    deployed = Shipyard(here).loader.prepare(fleet())
    assert find_version(deployed, "both").name == "both"
    with pytest.raises(NotFound):
        find_version(deployed, "0")


@pytest.mark.parametrize("began", ["before", "after"])
def test_an_ensemble_of_a_member_in_quarantine_is_in_it_too(here: Bench, began: str) -> None:
    yard = Shipyard(here)
    if began == "after":
        add_quarantined(here.home, (Suspect("churn", "third", "digest-3", default=False),), 1, "it crashed")
    deployed = here.gateway.prepare(yard.loader.prepare(fleet()))
    here.gateway.activate(deployed)
    if began == "before":
        add_quarantined(here.home, (Suspect("churn", "third", "digest-3", default=False),), 1, "it crashed")
    here.gateway.obey(read_quarantine(here.home))
    answer = ask(here)
    assert (answer["variant"], answer["answered_by"], answer["model_version"]) == ("both", "default", "churn:1")
    lift_quarantine(here.home, "churn")
    again = here.gateway.prepare(yard.loader.prepare(fleet(revision=2)))
    here.gateway.activate(again)
    yard.loader.retire(deployed)
    here.gateway.obey(())
    yard.loader.sweep()
    assert ask(here)["answered_by"] == "assigned"
    assert not yard.made[3].closed
