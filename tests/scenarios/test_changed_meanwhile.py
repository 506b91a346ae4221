"""What was decided on one thing is never done to another: the deployment changes while a release is judged."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.control.actions import Arguments, ask_or_do
from seatrial.control.perform import Saw, Who, promote, seen
from seatrial.experiments.judgement import Judgement
from seatrial.ledger.quarantine import add_quarantined, read_quarantine
from seatrial.ledger.underway import Suspect
from seatrial.releases.publication import PreparationFailed
from seatrial.releases.records import Command
from seatrial.spec.errors import Conflict
from seatrial.spec.read import load_deployment
from tests.harbour import PLAIN, RELEASE, Harbour
from tests.scenarios.scene import Scene

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")
OF_3 = TEST_ONLY.replace("churn/2", "churn/3")
OF_4 = TEST_ONLY.replace("churn/2", "churn/4")
ADA = Who("ada", "because")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """churn:2 is in command, churn:1 before it, and a release of churn:3 is in its test."""
    made = Scene(tmp_path)
    made.harbour.registry.add("churn", 4)
    made.harbour.apply(PLAIN)
    made.harbour.apply(TEST_ONLY)
    promote(made.harbour.site, "churn", ADA)
    made.step(seconds=60)
    made.harbour.apply(OF_3)
    yield made
    made.close()


def during_the_next_judgement(scene: Scene, meddle: Callable[[Harbour], Any]) -> None:
    judge = scene.world.judge

    def judged(*given: Any) -> Judgement:
        found = judge(*given)
        scene.world.judge = judge  # type: ignore[method-assign]
        meddle(scene.harbour)
        return found

    scene.world.judge = judged  # type: ignore[method-assign]


def test_a_file_without_the_release_keeps_its_version_in_command(scene: Scene) -> None:
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    during_the_next_judgement(scene, lambda harbour: harbour.apply(PLAIN.replace("@champion", "/2")))
    scene.step(seconds=60)
    scene.step(seconds=60)
    assert scene.harbour.versions["champion"] == "churn:2"
    assert "churn:2" not in scene.harbour.state.deployments.get("churn").rolled_back


@pytest.mark.parametrize("recommendation", ["stop", "ship"])
def test_a_release_is_not_decided_on_another_one_s_evidence(scene: Scene, recommendation: Any) -> None:
    scene.world.recommendation = recommendation
    scene.world.worse = ("errors",) if recommendation == "stop" else ()

    def restart(harbour: Harbour) -> None:
        harbour.apply(OF_4, restart=True)
        scene.world.recommendation, scene.world.worse = "wait", ()

    during_the_next_judgement(scene, restart)
    scene.step(days=3)
    scene.step(seconds=1)
    assert scene.harbour.versions["champion"] == "churn:2"
    assert scene.harbour.versions["challenger"] == "churn:4"
    assert "churn:4" not in scene.harbour.state.deployments.get("churn").rolled_back


def test_a_command_about_a_release_that_ended_meanwhile_does_nothing_else(scene: Scene) -> None:
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    state = scene.harbour.state.deployments.get("churn")
    saw = msgspec.structs.replace(seen(load_deployment(state.text), state), version=None)
    arguments = Arguments("v3 looks bad", saw=saw)
    command = Command(
        id="c1",
        deployment="churn",
        at=scene.harbour.clock(),
        kind="rollback",
        actor="bob",
        arguments=msgspec.json.encode(arguments).decode(),
    )
    during_the_next_judgement(scene, lambda harbour: harbour.state.commands.ask(command))
    for _ in range(3):
        scene.step(seconds=2)
    assert scene.harbour.versions["champion"] == "churn:2"
    assert scene.harbour.state.deployments.get("churn").rolled_back == ("churn:3",)
    answered = scene.harbour.state.commands.get("c1")
    assert answered.status == "failed"
    assert "the release it was about has ended after this was decided" in answered.answer


def test_who_asks_is_answered_for_what_stood_there_when_he_asked(scene: Scene) -> None:
    saw = Saw(release="", command="churn:1")
    with pytest.raises(Conflict, match="a release has begun after this was decided"):
        promote(scene.harbour.site, "churn", Who("ada", "because", saw))
    release = scene.harbour.state.deployments.get("churn").open_run
    assert release is not None
    with pytest.raises(Conflict, match="churn:2 took command from churn:1 after this was decided"):
        promote(scene.harbour.site, "churn", Who("ada", "because", Saw(release=release.id, command="churn:1")))
    scene.leadership.release()  # nobody leads, so it is done here
    done = ask_or_do(scene.harbour.site, "rollback", "churn", "ada", Arguments("no"))
    assert done.sentence.startswith("churn:3 was taken out")


def test_a_held_out_version_in_quarantine_is_taken_out_and_told(scene: Scene) -> None:
    slot = scene.harbour.state.deployments.get("churn").previous
    assert slot is not None
    suspect = Suspect("churn", slot.slot.variant, slot.slot.digest, default=False)
    add_quarantined(scene.harbour.home, (suspect,), scene.harbour.clock(), "workers crashed")
    scene.step(seconds=60)
    assert scene.harbour.state.deployments.get("churn").previous is None
    assert "previous" not in scene.harbour.versions
    assert "quarantine" in scene.events


def test_retry_lifts_only_what_is_tried_and_only_when_it_is_served(scene: Scene) -> None:
    suspects = tuple(Suspect("churn", "challenger", digest, default=False) for digest in ("feed", f"{4:064x}"))
    add_quarantined(scene.harbour.home, suspects, scene.harbour.clock(), "workers crashed")

    def refuse(*_: object) -> None:
        raise PreparationFailed("churn", 9, "a worker could not")

    site = scene.harbour.another_site()
    publish, site.publication.publish = site.publication.publish, refuse  # type: ignore[method-assign]
    with pytest.raises(PreparationFailed):
        scene.harbour.apply(OF_4, restart=True, retry=True)
    assert len(read_quarantine(scene.harbour.home)) == 2
    site.publication.publish = publish  # type: ignore[method-assign]
    scene.harbour.apply(OF_4, restart=True, retry=True)
    assert [entry.digest for entry in read_quarantine(scene.harbour.home)] == ["feed"]
