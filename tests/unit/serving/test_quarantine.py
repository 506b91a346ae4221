"""Workers obey the quarantine file: nothing is loaded or asked, the default answers, the rows say so."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.ledger.quarantine import add_quarantined, lift_quarantine
from seatrial.ledger.underway import Suspect, take_suspects
from seatrial.routing.snapshot import Shadow, Slot
from seatrial.serving.loader import Loader
from tests.gateways import GOOD, Bench, Scripted, bench, quick, slow, snapshot
from tests.unit.serving.test_loader import Following, placed

CHALLENGER = Suspect("churn", "challenger", "digest-2", default=False)
CHAMPION = Suspect("churn", "champion", "digest-1", default=True)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "home") as found:
        yield found


def ask(here: Bench, **more: Any) -> dict[str, Any]:
    return asyncio.run(here.gateway.predict("churn", GOOD, **more))


def test_a_version_goes_in_and_comes_out(here: Bench) -> None:
    following = Following(here)
    following.publish(placed(snapshot({"challenger": 1.0})))
    model = following.models.made[2]
    asked = model.calls
    assert ask(here)["answered_by"] == "assigned"
    add_quarantined(here.home, (CHALLENGER,), 1, "it crashed")
    following.follower.step()
    answer = ask(here)
    assert (answer["variant"], answer["answered_by"], answer["model_version"]) == ("challenger", "default", "churn:1")
    assert model.calls == asked + 1
    (row,) = [row for row in here.rows() if row["request_id"] == answer["request_id"]]
    assert (row["variant"], row["assigned_version"], row["status"], row["answered"]) == (
        "challenger",
        "churn:2",
        "quarantine",
        "champion",
    )
    assert row["error"] == "it is in quarantine: it crashed"
    following.publish(placed(snapshot({"champion": 0.5, "challenger": 0.5}, revision=2)))
    assert ask(here, variant="challenger")["answered_by"] == "default"
    lift_quarantine(here.home, "churn")
    following.follower.step()
    assert ask(here, variant="challenger")["answered_by"] == "assigned"
    following.subscription.leave()


def test_a_worker_that_starts_does_not_load_it_and_loads_it_when_lifted(here: Bench) -> None:
    add_quarantined(here.home, (CHALLENGER,), 1, "it crashed")
    following = Following(here)
    following.publish(placed(snapshot({"challenger": 1.0})))
    assert set(following.models.made) == {1}
    assert ask(here)["answered_by"] == "default"
    lift_quarantine(here.home, "churn")
    following.follower.step()
    assert set(following.models.made) == {1, 2}
    assert ask(here)["answered_by"] == "assigned"
    following.subscription.leave()


def test_the_default_in_quarantine_leaves_the_fallback(here: Bench) -> None:
    add_quarantined(here.home, (CHAMPION,), 1, "it crashed")
    following = Following(here)
    fallback = msgspec.structs.replace(snapshot(), fallback='{"prediction": 0}')
    following.publish(placed(fallback))
    assert ask(here)["answered_by"] == "fallback"
    following.subscription.leave()


def test_a_quarantine_file_that_cannot_be_read_changes_nothing(here: Bench) -> None:
    following = Following(here)
    following.publish(placed(snapshot({"challenger": 1.0})))
    (here.home / "quarantine.json").write_text("{")
    following.follower.step()
    assert ask(here)["answered_by"] == "assigned"
    following.subscription.leave()


def test_shadows_obey_it_too(here: Bench) -> None:
    model = Scripted()
    here.serve(snapshot(shadows=(Shadow(variant="challenger", share=1.0, salt="s"),)), challenger=quick(model))
    add_quarantined(here.home, (CHALLENGER,), 1, "it crashed")
    here.gateway.find("churn").variants["challenger"].breaker.lock("it is in quarantine: it crashed")

    async def run() -> None:
        await here.gateway.predict("churn", GOOD)
        await asyncio.sleep(0)
        await here.gateway.drain(10)

    asyncio.run(run())
    assert model.calls == 0
    assert {row["role"]: row["status"] for row in here.rows()} == {"answer": "ok", "shadow": "quarantine"}


@pytest.mark.parametrize("engine", [quick, slow])
def test_what_runs_is_under_way_and_what_ran_is_not(here: Bench, engine: Any) -> None:
    seen: list[tuple[Suspect, ...]] = []

    class Looking(Scripted):
        def run(self, inputs: Any) -> Any:
            saved = (here.home / "underway" / "w0.underway").read_bytes()
            seen.append(take_suspects(here.home, "w0"))
            (here.home / "underway" / "w0.underway").write_bytes(saved)
            return super().run(inputs)

    here.serve(snapshot({"challenger": 1.0}), challenger=engine(Looking()))
    ask(here)
    assert seen == [(CHALLENGER,)]


def test_what_is_loaded_is_under_way_too(here: Bench) -> None:
    """A file may be such that loading it ends the process."""
    seen: dict[str, tuple[Suspect, ...]] = {}

    def load(slot: Slot) -> Scripted:
        saved = (here.home / "underway" / "w0.underway").read_bytes()
        seen[slot.variant] = take_suspects(here.home, "w0")
        (here.home / "underway" / "w0.underway").write_bytes(saved)
        return Scripted()

    loader = Loader(here.recorder, load=load, digest=lambda path: path.name)
    loader.prepare(placed(snapshot({"champion": 0.5, "challenger": 0.5})))
    assert seen["champion"] == (CHAMPION,)
