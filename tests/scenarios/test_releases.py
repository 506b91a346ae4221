"""A release on a fake clock: step the loop, change the world, step again, look at what gateways serve."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import requests

from seatrial.control.actions import Arguments, ask_or_do
from seatrial.control.decisions import verify
from seatrial.control.loop import Loop
from seatrial.control.perform import Done, Who, pause, promote, resume, rollback
from seatrial.experiments.checks import Losses
from seatrial.releases.leadership import Leadership
from seatrial.releases.records import Command
from seatrial.spec.errors import Conflict, SeatrialError, Unavailable
from tests.harbour import PLAIN, RELEASE, gateway_worker
from tests.scenarios.scene import Scene
from tests.waiting import wait_for

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")
ASK = TEST_ONLY.replace("then: promote", "then: ask")
ADA = Who("ada", "because")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    assert verify(made.harbour.state) == [], "the past decides itself again"
    made.close()


def test_shadow_then_test_then_command(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    scene.world.pairs = 5_000
    scene.step()
    assert scene.harbour.weights == {"champion": 1.0}
    scene.step(days=1)
    assert scene.stage() == "test"
    assert scene.harbour.weights == {"champion": 0.5, "challenger": 0.5}
    assert scene.harbour.serving.shadows == ()
    scene.world.recommendation = "ship"
    scene.step(days=1)
    assert scene.status() == "running", "at_least has not passed"
    scene.step(days=1)
    assert scene.status() == "promoted"
    assert scene.harbour.versions == {"champion": "churn:2", "previous": "churn:1"}
    assert scene.harbour.weights == {"champion": 1.0}
    assert scene.harbour.registry.named["churn"]["champion"] == 2
    scene.step()
    assert scene.events == ["promotion"]
    assert scene.decisions == ["shadow: too short", "shadow: done", "too early", "ship: promote"]
    scene.step(days=2)
    assert scene.harbour.versions == {"champion": "churn:2"}, "the rollback window is over"
    assert scene.harbour.apply(RELEASE).changes == (), "the unchanged file changes nothing"


def test_shadow_waits_for_its_pairs(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    scene.step(days=30)
    assert scene.stage() == "shadow"
    assert scene.decisions == ["shadow: too few pairs"]
    scene.world.pairs = 100
    scene.step()
    assert scene.stage() == "test"


def test_shadow_that_is_shown_worse_goes_back(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    scene.world.pairs, scene.world.shadow_word = 500, "worse"
    scene.step()
    assert scene.status() == "rolled-back"
    assert scene.harbour.versions == {"champion": "churn:1"}
    assert scene.events == ["rollback"]


def test_shadow_that_fails_waits_and_tells(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    scene.world.pairs, scene.world.failures = 1_000, 2  # tolerated: the guardrail's 0.1%
    scene.step(days=2)
    scene.step(days=2)
    assert scene.stage() == "shadow"
    assert scene.events == ["guardrail"]
    scene.world.failures = 1
    scene.step()
    assert scene.stage() == "test"


def test_shown_worse_rolls_back_by_itself(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step()
    assert scene.status() == "rolled-back"
    assert scene.harbour.weights == {"champion": 1.0}
    assert scene.harbour.versions == {"champion": "churn:1"}
    assert sorted(scene.events) == ["guardrail", "rollback"]
    last = scene.harbour.state.audit.of("churn")[-1]
    assert (last.action, last.actor, last.why) == ("rollback", "seatrial", "shown worse")
    scene.step(days=1)
    assert scene.harbour.actions().count("rollback") == 1


@pytest.mark.parametrize("then", ["ask", "nothing"])
def test_stop_rolls_back_whatever_then_says(scene: Scene, then: str) -> None:
    scene.harbour.apply(TEST_ONLY.replace("then: promote", f"then: {then}"))
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step()
    assert scene.status() == "rolled-back"


@pytest.mark.parametrize("recommendation", ["withheld", "no-difference", "wait"])
def test_nothing_but_ship_promotes(scene: Scene, recommendation: str) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.world.recommendation = recommendation  # type: ignore[assignment]
    for _ in range(9):
        scene.step(days=1)
        assert scene.status() == "running"
        assert scene.harbour.weights == {"champion": 0.5, "challenger": 0.5}
    scene.step(days=1)
    assert scene.status() == "inconclusive"
    assert scene.harbour.weights == {"champion": 1.0}
    assert scene.harbour.versions == {"champion": "churn:1", "challenger": "churn:2"}, "still loaded, without traffic"
    assert "verdict" in scene.events


def test_ship_without_matured_units_does_not_promote(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.world.recommendation, scene.world.matured = "ship", 0
    scene.step(days=5)
    assert scene.status() == "running"


def test_judgement_that_cannot_be_made_decides_nothing_and_is_said_aloud(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.world.broken = Unavailable("the ledger cannot be read")
    scene.step(days=20)
    scene.world.broken = ZeroDivisionError("a bug")
    scene.step(days=20)
    assert scene.status() == "running"
    assert scene.decisions == ["not judged"]
    assert scene.events == ["failure"]
    assert "the ledger cannot be read" in scene.harbour.state.alerts.of("churn")[0].sentence
    scene.world.broken = None
    scene.step()
    assert scene.status() == "inconclusive"


def test_ask_proposes_once_and_a_person_promotes(scene: Scene) -> None:
    scene.harbour.apply(ASK)
    scene.world.recommendation = "ship"
    for _ in range(4):
        scene.step(days=1)
    assert scene.status() == "proposed"
    assert scene.harbour.actions().count("propose") == 1
    assert scene.events == ["verdict"]
    scene.step(days=20)
    assert scene.status() == "proposed", "a question that was asked stays open"
    promote(scene.harbour.site, "churn", ADA)
    assert scene.harbour.versions["champion"] == "churn:2"
    assert scene.status() == "promoted"


def test_proposal_is_taken_back_when_the_evidence_is(scene: Scene) -> None:
    scene.harbour.apply(ASK)
    scene.world.recommendation = "ship"
    scene.step(days=3)
    scene.world.broken = Unavailable("away")
    scene.step()
    assert scene.status() == "proposed", "not looking is no evidence"
    scene.world.broken, scene.world.recommendation = None, "wait"
    scene.step()
    assert scene.status() == "running"


def test_then_nothing_leaves_it_to_people_until_time_is_up(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY.replace("then: promote", "then: nothing"))
    scene.world.recommendation = "ship"
    scene.step(days=5)
    scene.step(days=4)
    assert scene.status() == "running"
    assert scene.events == ["verdict"]
    scene.step(days=1)
    assert scene.status() == "inconclusive"


def test_paused_does_nothing_until_resumed(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    pause(scene.harbour.site, "churn", ADA)
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step(days=20)
    assert scene.status() == "paused"
    assert scene.harbour.weights == {"champion": 0.5, "challenger": 0.5}
    with pytest.raises(Conflict, match="is paused already"):
        pause(scene.harbour.site, "churn", ADA)
    resume(scene.harbour.site, "churn", ADA)
    scene.step()
    assert scene.status() == "rolled-back"
    with pytest.raises(Conflict, match="no release under way"):
        resume(scene.harbour.site, "churn", ADA)


def test_rollback_after_promotion_is_one_swap_and_moves_the_alias_back(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    promote(scene.harbour.site, "churn", ADA)
    assert scene.harbour.registry.named["churn"]["champion"] == 2
    done = rollback(scene.harbour.site, "churn", Who("grace", "customers complain"))
    assert done.sentence == "churn:1 took command back from churn:2."
    assert scene.harbour.versions == {"champion": "churn:1"}
    assert scene.harbour.registry.named["churn"]["champion"] == 1
    assert scene.status() == "rolled-back"
    last = scene.harbour.state.audit.of("churn", action="rollback")[-1]
    assert (last.actor, last.why) == ("grace", "customers complain")
    with pytest.raises(Conflict, match="nothing to go back to"):
        rollback(scene.harbour.site, "churn", ADA)
    scene.step()
    assert scene.events == ["promotion", "rollback"], "told also when done by hand"


def test_previous_is_unloaded_when_the_rollback_window_is_over(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    promote(scene.harbour.site, "churn", ADA)
    scene.step(seconds=60)
    assert scene.harbour.state.deployments.get("churn").previous is not None
    scene.step(days=2)
    scene.step()
    assert scene.harbour.state.deployments.get("churn").previous is None
    with pytest.raises(Conflict, match="nothing to go back to"):
        rollback(scene.harbour.site, "churn", ADA)


def test_retry_after_a_promotion_went_back_begins_another_release(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    promote(scene.harbour.site, "churn", ADA)
    rollback(scene.harbour.site, "churn", ADA)
    assert scene.harbour.apply(TEST_ONLY).changes == ()
    scene.harbour.apply(TEST_ONLY, retry=True)
    assert scene.status() == "running"
    assert scene.harbour.versions == {"champion": "churn:1", "challenger": "churn:2"}
    first, second = scene.harbour.state.deployments.releases("churn")
    assert (first.status, second.status) == ("rolled-back", "running")
    assert first.salt != second.salt


def test_promotion_by_hand_without_a_release(scene: Scene) -> None:
    text = PLAIN + '  other: {model: "models:/churn/2"}\n  third: {model: "models:/churn/3"}\n'
    scene.harbour.apply(text + "routing: [{name: everybody, split: {champion: 50%, other: 30%, third: 20%}}]\n")
    with pytest.raises(Conflict, match="say which one shall take command"):
        promote(scene.harbour.site, "churn", ADA)
    promote(scene.harbour.site, "churn", ADA, variant="other")
    assert scene.harbour.versions == {"champion": "churn:2", "third": "churn:3", "previous": "churn:1"}
    assert scene.harbour.weights == pytest.approx({"champion": 0.8, "third": 0.2})
    with pytest.raises(Conflict, match="'other' is empty"):
        promote(scene.harbour.site, "churn", ADA, variant="other")


def test_promotion_with_nothing_to_promote(scene: Scene) -> None:
    scene.harbour.apply()
    with pytest.raises(Conflict, match="no challenger loaded"):
        promote(scene.harbour.site, "churn", ADA)
    with pytest.raises(Conflict, match="no release under way"):
        pause(scene.harbour.site, "churn", ADA)


def test_challenger_that_cannot_be_loaded_in_command_leaves_the_champion(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    with gateway_worker(scene.harbour.home, refuses=lambda s: "no memory" if s.revision > 1 else None):
        with pytest.raises(SeatrialError, match="no memory"):
            promote(scene.harbour.site, "churn", ADA)
        assert scene.harbour.weights == {"champion": 0.5, "challenger": 0.5}
    assert scene.status() == "running"
    promote(scene.harbour.site, "churn", ADA)
    assert scene.status() == "promoted"


def test_failing_promotion_is_tried_again_with_pauses(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.world.recommendation = "ship"
    with gateway_worker(scene.harbour.home, refuses=lambda s: "no memory" if s.revision > 1 else None):
        scene.step(days=3)
        scene.step(seconds=1)
        assert scene.harbour.actions().count("withdrawn") == 1, "a moment later it is left alone"
        scene.step(seconds=60)
        assert scene.harbour.actions().count("withdrawn") == 2
    scene.step(seconds=600)
    assert scene.status() == "promoted"
    assert "failure" in scene.events


def test_alias_moved_by_somebody_else_is_told_once_and_not_served(scene: Scene) -> None:
    scene.harbour.apply()
    scene.harbour.registry.named["churn"]["champion"] = 3
    for _ in range(3):
        scene.step()
    assert scene.harbour.versions == {"champion": "churn:1"}
    assert scene.harbour.actions().count("alias-moved") == 1
    assert scene.events == ["alias.moved"]
    scene.harbour.registry.named["churn"]["champion"] = 1
    scene.step()
    assert scene.harbour.state.deployments.get("churn").alias_strayed == 0
    scene.harbour.registry.named["churn"]["champion"] = 3
    scene.step()
    assert scene.harbour.actions().count("alias-moved") == 2


def test_alias_is_followed_when_the_file_says_so(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + "alias_moved: follow\n")
    scene.harbour.registry.named["churn"]["champion"] = 3
    scene.step()
    assert scene.harbour.versions == {"champion": "churn:3", "previous": "churn:1"}
    scene.step()
    assert scene.harbour.actions().count("follow") == 1


def test_registry_that_is_away_is_no_moved_alias_and_no_reason_to_wait(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.harbour.registry.away = Unavailable("the registry is away")
    scene.world.recommendation = "ship"
    scene.step(days=3)
    assert scene.harbour.versions["champion"] == "churn:2"
    scene.step()
    assert scene.harbour.actions().count("alias-moved") == 0
    scene.harbour.registry.away = None
    scene.step()
    assert scene.harbour.registry.named["churn"]["champion"] == 2
    assert scene.harbour.actions().count("alias-moved") == 0


def test_caps_are_fixed_at_the_first_look(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.world.caps = {"p99": 1_000.0}
    scene.step()
    scene.world.caps = {"p99": 2_000.0, "revenue": 5.0}
    scene.step()
    assert scene.run.caps == {"p99": 1_000.0, "revenue": 5.0}
    assert scene.world.judged[-1].caps == {"p99": 1_000.0}
    assert scene.harbour.actions().count("fix") == 2


def test_rows_lost_before_the_release_are_not_held_against_it(scene: Scene) -> None:
    scene.world.lost = 7
    scene.harbour.apply(TEST_ONLY)
    scene.step()
    scene.world.lost = 9
    scene.loop = scene.another_loop()
    scene.step()
    lost = Losses(dropped=7, by_variant={"champion": 0, "challenger": 7})
    assert [before.since(Losses()) for before in scene.world.lost_before][1] == lost
    assert Losses(dropped=9, by_variant={"challenger": 9}).since(lost) == Losses(
        dropped=2, by_variant={"challenger": 2}
    )


def test_judgements_over_time_are_kept_but_not_every_one(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.step(days=0.1)
    for _ in range(60):
        scene.step(seconds=10)
    assert len(scene.world.judged) == 21  # every half minute: the release is hours old
    kept = len(scene.harbour.state.verdicts.of("churn"))
    assert 5 <= kept <= 10
    scene.world.recommendation = "withheld"
    scene.step(seconds=31)
    assert scene.harbour.state.verdicts.of("churn")[-1].recommendation == "withheld"
    assert len(scene.harbour.state.verdicts.of("churn")) == kept + 1


def test_another_loop_goes_on_where_the_first_stopped(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    scene.world.pairs, scene.world.recommendation = 1_000, "wait"
    for days in (1, 1, 1):
        scene.loop = scene.another_loop()
        scene.step(days=days)
    scene.world.recommendation = "ship"
    scene.loop = scene.another_loop()
    scene.step()
    assert scene.status() == "promoted"
    assert scene.events == ["promotion"]


def test_who_does_not_lead_does_nothing(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.world.recommendation = "stop"
    with Leadership(scene.harbour.home, scene.harbour.url) as other:
        assert other.take()
        assert not scene.loop.step(scene.harbour.clock())
        assert scene.status() == "running"
    assert scene.loop.step(scene.harbour.clock())
    assert scene.status() == "rolled-back"


def test_action_by_hand_goes_through_the_leader(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.step()

    def lead(_seconds: float) -> None:
        scene.step()

    site = scene.harbour.another_site(sleep=lead)
    done = ask_or_do(site, "promote", "churn", "ada", Arguments("the numbers are clear"))
    assert isinstance(done, Done)
    assert scene.harbour.versions["champion"] == "churn:2"
    entry = scene.harbour.state.audit.of("churn", action="promote")[-1]
    assert (entry.actor, entry.why) == ("ada", "the numbers are clear")
    with pytest.raises(Conflict, match="no challenger loaded"):
        ask_or_do(site, "promote", "churn", "ada", Arguments("again"))


def test_action_by_hand_without_a_leader_is_done_at_once(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    done = ask_or_do(scene.harbour.site, "rollback", "churn", "ada", Arguments("no"))
    assert done.sentence == "churn:2 was taken out; churn:1 stays in command alone."
    assert scene.harbour.state.commands.open() == ()
    scene.step()


def test_action_by_hand_when_the_leader_dies_meanwhile(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    leader = Leadership(scene.harbour.home, scene.harbour.url)
    assert leader.take()
    site = scene.harbour.another_site(sleep=lambda _: leader.release())
    ask_or_do(site, "rollback", "churn", "ada", Arguments("no"))
    assert scene.status() == "rolled-back"


def test_action_by_hand_with_a_leader_that_does_not_answer(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    with Leadership(scene.harbour.home, scene.harbour.url) as leader:
        assert leader.take()
        with pytest.raises(Unavailable, match="has not answered rollback"):
            ask_or_do(scene.harbour.site, "rollback", "churn", "ada", Arguments("no"), patience=0.05)


def test_command_that_a_killed_leader_had_taken_is_answered(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.harbour.state.commands.ask(
        Command(id="c", deployment="churn", at=1, kind="promote", actor="ada", arguments='{"why": ""}')
    )
    scene.harbour.state.commands.take("c")
    scene.step()
    answered = scene.harbour.state.commands.get("c")
    assert answered.status == "failed"
    assert "the leader ended while it did this" in answered.answer


def test_alerts_are_sent_once_and_tried_again_when_nobody_answers(scene: Scene) -> None:
    hook = 'alerts: [{to: "json://127.0.0.1:9000/hook", events: [rollback]}]\n'
    scene.harbour.apply(TEST_ONLY + hook)
    answers: Iterator[Exception | int] = iter([requests.ConnectionError("refused"), 500, 200])
    posted: list[bytes] = []

    def post(_address: str, body: bytes) -> int:
        posted.append(body)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    scene.loop = Loop(scene.harbour.site, scene.world, scene.leadership, post=post)
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    for _ in range(6):
        scene.step(seconds=120)
    assert len(posted) == 3
    sent = [msgspec.json.decode(body) for body in posted]
    assert {message["id"] for message in sent} == {sent[0]["id"]}, "a repeat is recognised by its id"
    assert sent[0]["event"] == "rollback"
    alerts = {alert.event: alert for alert in scene.harbour.state.alerts.of("churn")}
    assert (alerts["rollback"].fate, alerts["rollback"].attempts) == ("told", 3)
    assert alerts["rollback"].sent_at is not None
    assert (alerts["guardrail"].fate, alerts["guardrail"].attempts) == ("digest", 0), "nobody asked for it"
    (said,) = scene.said("tell")
    assert said.startswith("Told json://127.0.0.1:9000/hook (alert ")


def test_secret_of_an_alert_is_put_in_when_sending_and_kept_nowhere(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY + 'alerts: [{to: "json://127.0.0.1:9000/${HOOK}"}]\n')
    addresses: list[str] = []

    def post(address: str, _body: bytes) -> int:
        addresses.append(address)
        return 403

    site = scene.harbour.another_site(environ={"HOOK": "s3cret"})
    scene.loop = Loop(site, scene.world, scene.leadership, post=post)
    rollback(scene.harbour.site, "churn", ADA)
    scene.step()
    assert addresses == ["http://127.0.0.1:9000/s3cret"]
    (alert,) = scene.harbour.state.alerts.of("churn")
    assert alert.error == "it answered 403"
    (notice,) = scene.harbour.state.notices.open()
    assert notice.to == "json://127.0.0.1:9000/${HOOK}"
    assert b"s3cret" not in b"".join(p.read_bytes() for p in scene.harbour.home.rglob("*") if p.is_file())


def test_secret_in_an_address_that_is_none_is_not_kept(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY + 'alerts: [{to: "json://127.0.0.1:${HOOK}/hook"}]\n')
    site = scene.harbour.another_site(environ={"HOOK": "s3cret"})
    scene.loop = Loop(site, scene.world, scene.leadership)
    rollback(scene.harbour.site, "churn", ADA)
    scene.step()
    wait_for(lambda: scene.harbour.state.alerts.of("churn")[0].error, what="the try")
    assert scene.harbour.state.alerts.of("churn")[0].error == "it is not a web address"


def test_ledger_is_told_how_long_to_keep_rows(scene: Scene) -> None:
    from seatrial.ledger.retention import read_retention

    scene.harbour.apply(PLAIN + "log: {keep: 30d}\n")
    scene.step()
    assert read_retention(scene.harbour.home).keep == {"churn": 30 * 86400.0}
    scene.harbour.apply(PLAIN + "log: {keep: 60d}\n")
    scene.step()
    assert read_retention(scene.harbour.home).keep == {"churn": 60 * 86400.0}


def test_trouble_with_one_deployment_does_not_stop_another(scene: Scene) -> None:
    scene.harbour.apply(PLAIN.replace("deployment: churn", "deployment: broken"))
    scene.harbour.apply(TEST_ONLY)
    windows = scene.world.watch

    def watch(spec: object, *rest: object) -> object:
        if spec.deployment == "broken":  # type: ignore[attr-defined]
            raise ValueError("a bug")
        return windows(spec, *rest)

    scene.world.watch = watch  # type: ignore[method-assign,assignment]
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step(days=1)
    assert scene.status() == "rolled-back"
    scene.step(days=1)
    assert [alert.event for alert in scene.harbour.state.alerts.of("broken")] == ["failure.watch"]


def test_a_test_without_an_end_ends_before_its_first_rows_are_deleted(scene: Scene) -> None:
    endless = TEST_ONLY.replace(", at_most: 10d", "")
    assert endless != TEST_ONLY
    scene.harbour.apply(endless)
    scene.step(days=80)
    assert scene.status() == "running"
    scene.step(days=11)
    assert scene.status() == "inconclusive"


def test_a_rollback_that_somebody_else_held_up_comes_at_the_next_step(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY)
    scene.step(days=1)  # a release so old is judged every half minute only
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    with scene.harbour.another_site().changing("churn"):
        scene.step(seconds=60)
        scene.step(seconds=1)
    assert scene.status() != "rolled-back"
    scene.step(seconds=1)
    assert scene.status() == "rolled-back"
    assert scene.decisions.count("shown worse") == 1
