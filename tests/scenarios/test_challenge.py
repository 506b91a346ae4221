"""Champion and challengers for ever, on a fake clock: the newest version challenges, within an error budget."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.control.decisions import verify
from seatrial.control.perform import Who, promote, rollback
from seatrial.control.queries import status_at
from seatrial.spec.errors import SeatrialError
from tests.harbour import RELEASE, signature
from tests.scenarios.scene import Scene

FOR_EVER = RELEASE.replace("models:/churn/2", "models:/churn/latest").replace(
    "  then: promote", "  challenge: {every: 14d, budget: 20%, per: 90d}\n  then: promote"
)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    assert verify(made.harbour.state) == [], "the past decides itself again"
    made.close()


def wins(scene: Scene) -> None:
    """The release under way goes through its stages and takes command."""
    scene.world.pairs, scene.world.recommendation = 1_000, "ship"
    scene.step(days=2)
    scene.step(days=3)
    assert scene.status() == "promoted"
    scene.world.recommendation = "wait"


def loses(scene: Scene) -> None:
    scene.world.recommendation = "stop"
    scene.step()
    assert scene.status() == "rolled-back"
    scene.world.recommendation = "wait"


def in_command(scene: Scene) -> str:
    return scene.harbour.versions["champion"]


def test_the_newest_version_is_the_challenger_when_the_file_is_applied(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    assert scene.harbour.versions == {"champion": "churn:1", "challenger": "churn:3"}


def test_every_version_that_is_registered_challenges_and_command_changes_at_most_once_in_a_time(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    wins(scene)
    assert in_command(scene) == "churn:3"
    scene.step(days=5)
    assert scene.run.challenger_version == "churn:3", "nothing newer is registered"
    assert (
        "The next version of churn that is registered challenges it." in status_at(scene.harbour.site, "churn").sentence
    )
    scene.harbour.registry.add("churn", 4)
    scene.step(days=8)
    assert not scene.run.open, "command changed 13 days ago"
    said = status_at(scene.harbour.site, "churn").sentence
    assert "churn:4 challenges next, but command changed less than 14d ago, and may again in" in said
    scene.step(days=2)
    assert (scene.run.challenger_version, scene.status(), scene.stage()) == ("churn:4", "running", "shadow")
    assert scene.harbour.state.audit.of("churn", action="apply")[-1].why == "the newest challenges"
    wins(scene)
    assert in_command(scene) == "churn:4"
    assert scene.harbour.registry.aliases("churn")["champion"] == 4


def test_a_version_is_tried_once_and_a_newer_one_waits_for_the_one_under_way(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    scene.harbour.registry.add("churn", 4)
    scene.harbour.registry.add("churn", 5)
    scene.step()
    assert scene.run.challenger_version == "churn:3", "evidence that is gathered is not thrown away"
    loses(scene)
    scene.step()
    assert scene.run.challenger_version == "churn:5", "the newest, not every one in between; nobody took command"
    loses(scene)
    for _ in range(3):
        scene.step(days=1)
    assert not scene.run.open
    assert [run.challenger_version for run in scene.harbour.state.deployments.releases("churn")] == [
        "churn:3",
        "churn:5",
    ]


def test_releases_spend_an_error_budget_which_comes_back_with_time(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    for version in range(4, 7):
        loses(scene)
        scene.harbour.registry.add("churn", version)
        scene.step(days=1)
        assert scene.run.challenger_version == f"churn:{version}"
    loses(scene)
    scene.harbour.registry.add("churn", 7)
    scene.step(days=1)
    assert not scene.run.open
    said = status_at(scene.harbour.site, "churn").sentence
    assert "have spent 20% of the error budget of 20%, and another needs 5%" in said
    scene.step(days=85)
    assert scene.run.challenger_version == "churn:6"
    scene.step(days=2)
    assert (scene.run.challenger_version, scene.status()) == ("churn:7", "running"), "90 days after the first began"


def test_what_a_person_took_back_does_not_challenge_again(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    wins(scene)
    rollback(scene.harbour.site, "churn", Who("ada", "customers complain"))
    for _ in range(3):
        scene.step(days=10)
    assert in_command(scene) == "churn:1"
    assert not scene.run.open


def test_a_registry_that_is_away_holds_nothing_up(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    loses(scene)
    scene.harbour.registry.add("churn", 4)
    scene.harbour.registry.away = SeatrialError("the registry is away")
    scene.step(days=1)
    assert not scene.run.open
    assert scene.events == ["rollback"], "no failure is told"
    scene.harbour.registry.away = None
    scene.step(days=1)
    assert scene.run.challenger_version == "churn:4"


def test_applying_the_file_again_changes_nothing_even_when_something_newer_is_registered(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    scene.harbour.registry.add("churn", 4)
    assert scene.harbour.apply(FOR_EVER).changes == ()


def test_a_rollback_is_a_change_of_command_too(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    wins(scene)
    scene.step(days=0.9)
    rollback(scene.harbour.site, "churn", Who("ada", "customers complain"))
    scene.harbour.registry.add("churn", 4)
    scene.step(days=13.6)
    assert not scene.run.open, "command was taken back less than 14 days ago"
    scene.step(days=1)
    assert scene.run.challenger_version == "churn:4"


@pytest.mark.parametrize("way", ["a file", "an alias that is followed", "a promotion by hand"])
def test_command_that_passes_without_a_release_holds_the_next_one_up_too(scene: Scene, way: str) -> None:
    following = FOR_EVER + "alias_moved: follow\n"
    scene.harbour.apply(following)
    loses(scene)
    if way == "a file":
        scene.harbour.apply(following.replace("models:/churn@champion", "models:/churn/2"))
    elif way == "an alias that is followed":
        scene.harbour.registry.named["churn"]["champion"] = 2
        scene.step(days=0.1)
    else:
        scene.harbour.apply(following.replace("variants:\n", 'variants:\n  spare: {model: "models:/churn/2"}\n'))
        promote(scene.harbour.site, "churn", Who("ada", "better"), variant="spare")
    assert in_command(scene) == "churn:2"
    scene.harbour.registry.add("churn", 4)
    scene.step(days=13.5)
    assert not scene.run.open, "command changed less than 14 days ago"
    scene.step(days=1)
    assert scene.run.challenger_version == "churn:4"


def test_command_that_goes_back_after_a_newer_release_began_is_a_change_too(scene: Scene) -> None:
    scene.harbour.apply(re.sub("rollback_window: .*", "rollback_window: 60d", FOR_EVER))
    wins(scene)
    scene.harbour.registry.add("churn", 4)
    scene.step(days=15)
    assert scene.run.challenger_version == "churn:4"
    loses(scene)
    rollback(scene.harbour.site, "churn", Who("ada", "customers complain"))
    assert in_command(scene) == "churn:1"
    scene.harbour.registry.add("churn", 5)
    scene.step(days=13.5)
    assert not scene.run.open, "command went back less than 14 days ago"
    scene.step(days=1)
    assert scene.run.challenger_version == "churn:5"


def test_a_version_that_is_the_one_in_command_is_tried_once(scene: Scene) -> None:
    """Registered again under another number: there is nothing to test, which is said once."""
    scene.harbour.apply(FOR_EVER)
    loses(scene)
    scene.harbour.registry.add("churn", 4)
    scene.harbour.registry.copies["churn", 4] = 1
    for _ in range(4):
        scene.step(days=1)
    assert scene.said("fail") == ["churn:4 cannot challenge: it is the very model that is in command as churn:1."]
    run = scene.harbour.state.deployments.releases("churn")[-1]
    assert (run.challenger_version, run.status) == ("churn:4", "failed")
    scene.harbour.registry.add("churn", 5)
    scene.step(days=1)
    assert scene.run.challenger_version == "churn:5"


def test_a_version_that_cannot_be_applied_is_tried_once_and_spends_nothing(scene: Scene) -> None:
    scene.harbour.apply(FOR_EVER)
    loses(scene)
    scene.harbour.registry.add("churn", 4, signature=signature("regression"))
    for _ in range(5):
        scene.step(days=1)
    releases = scene.harbour.state.deployments.releases("churn")
    assert [(run.challenger_version, run.status) for run in releases][-1] == ("churn:4", "failed")
    assert scene.decisions.count("no release") == 1
    scene.harbour.registry.add("churn", 5)
    scene.step(days=1)
    assert scene.run.challenger_version == "churn:5"


def test_a_file_that_holds_nobody_out_ends_the_holdout_and_says_so(scene: Scene) -> None:
    held = FOR_EVER.replace("  then: promote", "  holdout: {share: 2%, for: 90d}\n  then: promote")
    scene.harbour.apply(held)
    wins(scene)
    assert scene.harbour.weights == {"previous": 0.02, "champion": 0.98}
    applied = scene.harbour.apply(FOR_EVER)
    assert any("nobody is held out on the version before any more" in change for change in applied.changes)
    assert scene.harbour.weights == {"champion": 1.0}


def test_another_champion_ends_the_holdout(scene: Scene) -> None:
    held = FOR_EVER.replace("  then: promote", "  holdout: {share: 2%, for: 90d}\n  then: promote")
    scene.harbour.apply(held)
    wins(scene)
    applied = scene.harbour.apply(held.replace("models:/churn@champion", "models:/churn/2"))
    assert any("churn:2 is in command now" in change for change in applied.changes)
    state = scene.harbour.state.deployments.get("churn")
    assert state.holdout is not None
    assert not state.holdout.open


def test_a_version_that_a_file_put_in_command_and_took_out_again_does_not_challenge(scene: Scene) -> None:
    """By hand, with no release of its own: it was in command, so it has nothing to challenge for."""
    scene.harbour.apply(FOR_EVER)
    loses(scene)
    scene.harbour.registry.add("churn", 4)
    by_hand = FOR_EVER.replace("models:/churn@champion", "models:/churn/4")
    assert scene.harbour.apply(by_hand).changes
    assert in_command(scene) == "churn:4"
    scene.harbour.apply(FOR_EVER.replace("models:/churn@champion", "models:/churn/1"))
    for _ in range(3):
        scene.step(days=10)
    assert in_command(scene) == "churn:1"
    assert not scene.run.open


def test_an_automatic_challenge_takes_the_lists_as_they_were_applied(scene: Scene) -> None:
    """Nobody applied a list that was edited since, and one that was deleted stops no version from challenging."""
    staff = scene.harbour.home.parent / "staff.txt"
    staff.write_text("ann\n")
    listed = FOR_EVER.replace("routing:\n", "routing:\n  - {name: staff, units_from: staff.txt, to: champion}\n")
    scene.harbour.apply(listed)
    applied = dict(scene.harbour.state.deployments.get("churn").lists)
    for version, edit in ((4, lambda: staff.write_text("ann\nbob\n")), (5, staff.unlink)):
        loses(scene)
        edit()
        scene.harbour.registry.add("churn", version)
        scene.step(days=15)
        assert scene.run.challenger_version == f"churn:{version}"
        assert scene.harbour.state.deployments.get("churn").lists == applied
