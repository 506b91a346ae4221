"""A canary on a fake clock: it climbs on evidence, waits without, and falls on harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.control.decisions import verify
from seatrial.control.perform import Who, pause, promote, resume, rollback
from seatrial.control.queries import reached, status
from seatrial.spec.errors import Conflict, SeatrialError
from seatrial.spec.settings import load_settings
from tests.harbour import PLAIN, RELEASE, gateway_worker
from tests.scenarios.scene import Scene

CANARY = RELEASE.replace(
    "    - shadow: {share: 100%, for: 1d}\n", "    - canary: {steps: [1%, 5%, 25%], bake: 30m, minimum_units: 1000}\n"
).replace("guardrails: {errors", "guardrails: {p99: {relative: 10%}, errors")
ONLY = CANARY.replace("    - test: {share: 50%, at_least: 2d, at_most: 10d}\n", "")
ADA = Who("ada", "because")
FINE = {"errors": "inconclusive", "p99": "inconclusive"}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.world.said = dict(FINE)  # type: ignore[arg-type]
    yield made
    assert verify(made.harbour.state) == [], "the past decides itself again"
    made.close()


def climb(scene: Scene) -> None:
    """As many units and as much time as a step needs."""
    scene.world.fresh = 1_000
    scene.step()
    scene.step(seconds=1800)


def test_a_canary_climbs_step_by_step_and_then_is_tested(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    for share in (0.01, 0.05, 0.25):
        assert scene.harbour.weights == {"champion": 1 - share, "challenger": share}
        assert scene.entry.reason == "canary"
        assert scene.run.state == "step"
        scene.world.fresh = 999
        scene.step(seconds=7200)
        assert scene.run.state == "step", "time alone does not advance"
        scene.world.fresh = 1_000
        scene.step()
        assert scene.run.state == "baking"
        scene.world.fresh = 5_000
        scene.step(seconds=1800)
    assert (scene.stage(), scene.run.state) == ("test", "test")
    assert scene.harbour.weights == {"champion": 0.5, "challenger": 0.5}
    assert scene.entry.reason == "split"
    assert [phase.number for phase in scene.run.phases] == [1, 2, 3, 4]
    assert scene.harbour.actions().count("advance") == 3
    assert "enters step 2 of its canary stage with 5% of the units" in scene.said("advance")[0]


def test_units_alone_do_not_advance(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    scene.world.fresh = 10**6
    scene.step()
    scene.step(seconds=1_600)
    assert (scene.run.step, scene.run.state) == (0, "baking")
    scene.step(seconds=200)
    assert scene.run.step == 1


@pytest.mark.parametrize("said", [{"errors": "inconclusive"}, {**FINE, "p99": "no-data"}])
def test_no_data_never_advances_and_a_missing_metric_is_said_aloud(scene: Scene, said: dict[str, str]) -> None:
    scene.harbour.apply(CANARY)
    scene.world.said = said  # type: ignore[assignment]
    climb(scene)
    scene.step(days=1)
    assert (scene.run.step, scene.run.state) == (0, "baking")
    assert scene.events == ["failure"]
    assert "canary: no data: p99" in scene.harbour.state.alerts.of("churn")[0].sentence
    scene.world.said = dict(FINE)  # type: ignore[arg-type]
    scene.step()
    assert scene.run.step == 1


def test_a_slow_guardrail_gates_the_last_step_only(scene: Scene) -> None:
    slow = CANARY.replace("guardrails: {p99", "guardrails: {visits: {relative: 5%}, p99").replace(
        "metrics:\n", "metrics:\n  visits: {kind: proportion, outcome: purchase, within: 7d}\n"
    )
    scene.harbour.apply(slow)
    climb(scene)
    climb(scene)
    assert scene.run.step == 2
    climb(scene)
    scene.step(days=1)
    assert (scene.run.step, scene.run.state) == (2, "baking")
    scene.world.said["visits"] = "inconclusive"
    scene.step()
    assert scene.stage() == "test"


def test_harm_at_one_percent_goes_back_at_once_with_its_evidence(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    scene.world.recommendation, scene.world.worse, scene.world.fresh = "stop", ("errors",), 300
    scene.step()
    assert scene.status() == "rolled-back"
    assert scene.harbour.versions == {"champion": "churn:1"}
    (sentence,) = scene.said("rollback")
    assert sentence == "churn:2 was taken out; churn:1 stays in command alone. errors: worse."


def test_withheld_waits(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    scene.world.recommendation = "withheld"
    climb(scene)
    assert (scene.run.step, scene.status()) == (0, "running")
    assert scene.events == ["verdict"]


def test_a_canary_alone_may_ship_after_its_last_step(scene: Scene) -> None:
    scene.harbour.apply(ONLY)
    scene.world.recommendation = "ship"
    for _ in range(2):
        climb(scene)
    assert (scene.run.step, scene.status()) == (2, "running"), "what ships early still climbs every step"
    climb(scene)
    assert scene.status() == "promoted"
    assert scene.harbour.versions == {"champion": "churn:2", "previous": "churn:1"}


def test_a_canary_that_nobody_visits_ends_at_the_releases_time(scene: Scene) -> None:
    scene.harbour.apply(CANARY.replace("then: promote", "then: promote\n  at_most: 3d"))
    scene.step(days=2)
    assert scene.status() == "running"
    scene.step(days=1)
    assert scene.status() == "inconclusive"
    assert scene.harbour.weights == {"champion": 1.0}


def test_inconclusive_may_take_the_version_out(scene: Scene) -> None:
    text = CANARY.replace("then: promote", "then: promote\n  at_most: 3d\n  if_inconclusive: roll-back")
    scene.harbour.apply(text)
    scene.step(days=4)
    assert scene.status() == "inconclusive"
    assert scene.harbour.versions == {"champion": "churn:1"}
    assert scene.harbour.state.deployments.get("churn").rolled_back == ("churn:2",)


def test_a_step_that_the_file_changes_begins_again(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    scene.world.fresh = 1_000
    scene.step()
    assert scene.run.state == "baking"
    scene.harbour.apply(CANARY.replace("[1%, 5%, 25%]", "[2%, 5%, 25%]"))
    assert scene.run.state == "step"
    assert scene.harbour.weights == {"champion": 0.98, "challenger": 0.02}
    assert len(scene.run.phases) == 2
    scene.harbour.apply(CANARY.replace("[1%, 5%, 25%]", "[2%, 5%, 30%]"))
    assert len(scene.run.phases) == 2, "the present step stays as it is"


def test_paused_stays_where_it_is_and_bakes_on_when_resumed(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    scene.world.fresh = 1_000
    scene.step()
    pause(scene.harbour.site, "churn", ADA)
    scene.step(days=1)
    assert (scene.run.state, scene.run.step) == ("paused", 0)
    resume(scene.harbour.site, "churn", ADA)
    scene.step()
    scene.step()
    assert scene.run.step == 1


def test_a_person_may_promote_from_a_canary(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    promote(scene.harbour.site, "churn", ADA)
    assert scene.status() == "promoted"


FROZEN = "then: promote\n  calendar: {freeze: [2023-11-14 to 2023-11-16]}"
"""The scene begins on 2023-11-14 at 22:13 UTC."""


def test_a_closed_calendar_keeps_a_release_pending_and_its_version_unloaded(scene: Scene) -> None:
    done = scene.harbour.apply(CANARY.replace("then: promote", FROZEN))
    assert any("waits to begin" in change for change in done.changes)
    assert scene.run.state == "pending"
    assert scene.harbour.versions == {"champion": "churn:1"}
    scene.step(days=1)
    assert (scene.status(), scene.decisions) == ("pending", ["closed"])
    scene.step(days=2)
    assert scene.run.state == "step"
    assert scene.harbour.weights == {"champion": 0.99, "challenger": 0.01}
    assert scene.run.started_at == scene.harbour.clock.now, "waiting is no part of its time"


def test_a_version_that_no_worker_can_load_has_failed(scene: Scene) -> None:
    scene.harbour.apply(CANARY.replace("then: promote", FROZEN))
    refuses = lambda s: "no memory" if any(slot.variant == "challenger" for slot in s.slots) else None  # noqa: E731
    with gateway_worker(scene.harbour.home, refuses=refuses):
        scene.step(days=3)
        assert scene.status() == "failed"
        assert scene.harbour.versions == {"champion": "churn:1"}
        assert "no memory" in scene.said("fail")[0]
        assert scene.events == ["failure", "failure"], "the withdrawn revision, and the release"
        scene.step(days=1)
        assert scene.harbour.actions().count("begin") == 0
    scene.harbour.apply(CANARY.replace("then: promote", FROZEN), retry=True)
    assert scene.run.state == "step"


def test_a_freeze_holds_a_step_and_lets_it_fall(scene: Scene) -> None:
    scene.harbour.apply(CANARY.replace("then: promote", "then: promote\n  calendar: {freeze: [2023-11-15]}"))
    scene.harbour.clock.forward(days=0.2)
    climb(scene)
    assert (scene.run.step, scene.run.state) == (0, "baking")
    assert scene.decisions[-1] == "closed"
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step()
    assert scene.status() == "rolled-back"


def test_a_file_that_would_cost_the_evidence_asks_for_restart(scene: Scene) -> None:
    scene.harbour.apply(CANARY)
    first = scene.run.id
    for text, words in (
        (CANARY.replace("churn/2", "churn/3"), "`challenger` is churn:3 now"),
        (CANARY.replace("churn@champion", "churn/3"), "`champion` is churn:3 now"),
        (CANARY.replace("name: customer", "name: visit"), "another unit, `visit`"),
        (RELEASE, "no canary stage any more"),
    ):
        with pytest.raises(Conflict, match=f"{words}.*apply with --restart"):
            scene.harbour.apply(text)
        with pytest.raises(Conflict, match="--restart"):
            scene.harbour.apply(text, plan_only=True)
        assert (scene.run.id, scene.status()) == (first, "running")
    done = scene.harbour.apply(CANARY.replace("churn/2", "churn/3"), restart=True)
    assert any("ends, because another begins" in change for change in done.changes)
    assert scene.run.id != first
    assert scene.run.challenger_version == "churn:3"
    assert [run.status for run in scene.harbour.state.deployments.releases("churn")] == ["abandoned", "running"]


def test_a_pending_release_has_nothing_to_lose(scene: Scene) -> None:
    frozen = CANARY.replace("then: promote", FROZEN)
    scene.harbour.apply(frozen)
    scene.harbour.apply(frozen.replace("churn/2", "churn/3"))
    assert (scene.run.challenger_version, scene.run.state) == ("churn:3", "pending")


def test_a_release_of_a_version_that_does_not_load_is_kept_as_failed(scene: Scene) -> None:
    scene.harbour.apply(PLAIN)
    refuses = lambda s: "bad graph" if any(slot.variant == "challenger" for slot in s.slots) else None  # noqa: E731
    with gateway_worker(scene.harbour.home, refuses=refuses), pytest.raises(SeatrialError, match="bad graph"):
        scene.harbour.apply(CANARY)
    assert scene.harbour.versions == {"champion": "churn:1"}
    assert scene.harbour.state.deployments.get("churn").run is None, "what is in force stays"
    (run,) = scene.harbour.state.deployments.releases("churn")
    assert (run.state, run.challenger_version) == ("failed", "churn:2")
    (said,) = scene.said("fail")
    assert said == "The release of churn:2 failed before it had traffic: worker w0 could not prepare it: bad graph"
    scene.step()
    assert scene.events == ["failure", "failure"]


def test_what_is_waited_for(scene: Scene) -> None:
    settings = load_settings({"SEATRIAL_HOME": str(scene.harbour.home)}, scene.harbour.home)

    def come() -> set[str]:
        words = ("promoted", "failed", "verdict", "ended", "ship", "stop", "no-difference")
        return {word for word in words if reached(status(settings, "churn"), word)}

    scene.harbour.apply(CANARY)
    assert come() == set()
    scene.world.recommendation = "ship"
    scene.step()
    assert come() == {"verdict", "ship"}
    promote(scene.harbour.site, "churn", ADA)
    assert come() >= {"promoted", "verdict", "ended"}
    assert "failed" not in come()
    rollback(scene.harbour.site, "churn", ADA)
    assert come() >= {"failed", "verdict", "ended"}
    assert "promoted" not in come()


HELD = "then: promote\n  holdout: {share: 2%, for: 90d}"


def test_a_holdout_keeps_a_share_on_the_version_before(scene: Scene) -> None:
    scene.harbour.apply(CANARY.replace("then: promote", HELD))
    first = scene.entry
    promote(scene.harbour.site, "churn", ADA)
    assert scene.harbour.weights == {"previous": 0.02, "champion": 0.98}
    assert scene.harbour.versions == {"champion": "churn:2", "previous": "churn:1"}
    assert scene.entry.release == f"{scene.run.id}/holdout"
    assert scene.entry.salt != first.salt, "who is held out is drawn anew"
    assert "2% of the units stay on churn:1." in scene.said("promote")[0]
    scene.step(days=80)
    assert scene.harbour.weights == {"previous": 0.02, "champion": 0.98}
    assert scene.harbour.apply(CANARY.replace("then: promote", HELD)).changes == ()
    scene.step(days=11)
    assert scene.harbour.weights == {"champion": 1.0}
    assert scene.harbour.versions == {"champion": "churn:2"}
    held = scene.harbour.state.deployments.get("churn").holdout
    assert held is not None
    assert not held.open


def test_a_holdout_ends_with_a_rollback_and_with_the_next_release(scene: Scene) -> None:
    text = CANARY.replace("then: promote", HELD)
    scene.harbour.apply(text)
    promote(scene.harbour.site, "churn", ADA)
    done = scene.harbour.apply(text.replace("churn/2", "churn/3"))
    assert any("nobody is held out" in change for change in done.changes)
    assert scene.harbour.weights == {"champion": 0.99, "challenger": 0.01}
    promote(scene.harbour.site, "churn", ADA)
    assert scene.harbour.weights == {"previous": 0.02, "champion": 0.98}
    rollback(scene.harbour.site, "churn", ADA)
    assert scene.harbour.weights == {"champion": 1.0}
    assert scene.harbour.versions == {"champion": "churn:2"}
