"""Alerts on a fake clock: woken or not, held at night, muted, taken on, summed up once a day, acted upon."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.control import heeding
from seatrial.control.digests import standing_of
from seatrial.control.heeding import Tried
from seatrial.control.loop import Loop
from seatrial.control.perform import Who
from seatrial.drift import FeatureDrift, Finding, Severity
from seatrial.ledger import layout
from seatrial.ledger.counters import BREAKERS_OPEN, CounterFile, read_counters, series
from seatrial.releases.records import WindowRecord
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.read import load_deployment
from seatrial.watch.alerts import event_alert
from seatrial.watch.digest import line_of
from seatrial.watch.window import Signal, Usual, Window
from tests.harbour import PLAIN, RELEASE, SECOND
from tests.scenarios.scene import Scene
from tests.waiting import wait_for

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")
PERFORMANCE = "monitors: {performance: {metric: conversion}}\n"
PAGER = 'alerts: [{to: "json://127.0.0.1:9000/hook", digest: off}]\n'
ADA = Who("ada", "because")
MAJOR, NONE = Signal("major", "major", False), Signal()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def messages(scene: Scene) -> list[dict[str, Any]]:
    return [json.loads(body) for body in scene.posted]


def _column(name: str, moved: bool) -> FeatureDrift:
    mean = 0.8 if moved else 0.0
    finding = Finding("mean", mean, mean - 0.05, mean + 0.05, 0.5, moved, "major" if moved else "none")
    severity: Severity = "major" if moved else "none"
    return FeatureDrift(feature=name, state="measured", rows=500, severity=severity, findings=(finding,))


def see(
    scene: Scene,
    *,
    drift: Signal = NONE,
    monitor: str = "data",
    moved: tuple[str, ...] = (),
    usual: Usual | None = None,
    variant: str = "champion",
    version: str = "churn:1",
) -> None:
    """One more window of an hour, read at the next step."""
    start = scene.harbour.clock.now // (3600 * SECOND) * 3600 * SECOND
    window = Window(
        deployment="churn",
        monitor=monitor,  # type: ignore[arg-type]
        variant=variant,
        version=version,
        start=start,
        end=start + 3600 * SECOND,
        rows=500,
        drift=drift,
        features=tuple(_column(name, name in moved) for name in ("tenure", "note", "price")),
        usual=usual,
        sentence="It moved." if moved else "As it was.",
    )
    scene.world.watch = lambda *_: (window,)  # type: ignore[method-assign]
    scene.step(seconds=3600)
    scene.world.watch = lambda *_: ()  # type: ignore[method-assign]


def keep(scene: Scene, event: str, key: str = "k", severity: str = "warning") -> int:
    """Keep an alert as something in the house would; its number."""
    alert = event_alert("churn", event, key, f"{event} happened.", scene.harbour.clock.now, severity=severity)  # type: ignore[arg-type]
    assert scene.harbour.state.alerts.add(alert)
    return scene.harbour.state.alerts.of("churn")[-1].id


def test_one_window_of_drift_is_nothing_two_of_three_stand_in_the_summary_and_two_features_wake(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    see(scene, drift=MAJOR, moved=("tenure",))
    assert scene.events == []
    see(scene, drift=MAJOR, moved=("tenure",))
    (alert,) = scene.harbour.state.alerts.of("churn")
    assert (alert.event, alert.fate) == ("data.major", "digest")
    assert scene.posted == []


def test_two_features_that_matter_wake_and_the_recovery_is_told_once(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    for _ in range(3):
        see(scene, drift=MAJOR, moved=("tenure", "note"))
    assert [m["kind"] for m in messages(scene)] == ["alert"]
    assert messages(scene)[0]["event"] == "data.major"
    for _ in range(3):
        see(scene)
    assert [m["kind"] for m in messages(scene)] == ["alert", "recovery"]
    for _ in range(2):
        see(scene, drift=MAJOR, moved=("tenure", "note"))
    assert len(scene.posted) == 2, "within the cool-down it is not told again"
    assert scene.harbour.state.alerts.of("churn")[-1].fate == "", "it waits"
    for _ in range(3):
        see(scene)
    assert len(scene.posted) == 2, "what was over before is not told"
    for _ in range(26):
        see(scene, drift=MAJOR, moved=("tenure", "note"))
    assert [m["kind"] for m in messages(scene)] == ["alert", "recovery", "alert"], "what stays is told"


def test_a_rhythm_is_told_once_and_a_shift_on_top_of_it_at_once_until_it_stands_in_the_summary(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    night, as_before = ("tenure", "note"), Usual(days=1, calm=True)
    unlike = Usual(days=4, moved=dict.fromkeys(night, "major"))
    for day in range(4):
        for hour in range(24):
            usual = as_before if day else Usual(moved=dict.fromkeys(night, "major"))
            see(scene, **({"drift": MAJOR, "moved": night, "usual": usual} if hour < 8 else {}))  # type: ignore[arg-type]
    assert [m["kind"] for m in messages(scene)] == ["alert", "recovery"], "the first night only"
    assert heeding.standing(scene.harbour.site, "churn").unheeded == ()
    for hour in range(48):
        if 8 <= hour % 24 < 12:
            see(scene, usual=Usual(days=4, calm=False))  # like training, and unlike these hours
        else:
            see(scene, drift=MAJOR, moved=night, usual=unlike)
    assert [m["kind"] for m in messages(scene)] == ["alert", "recovery", "alert"]
    assert heeding.standing(scene.harbour.site, "churn").unheeded == ("data/champion",)
    see(scene, drift=MAJOR, moved=night, usual=Usual(days=28, calm=True))
    assert len(scene.posted) == 3
    standing = standing_of(scene.harbour.site, load_deployment(PLAIN), scene.harbour.clock.now)
    assert standing.stands == ("data/champion major",)
    assert "stands against training, as on days before: data/champion major" in line_of(standing)
    for _ in range(24):
        see(scene)
    assert [m["kind"] for m in messages(scene)][3:] == ["recovery"]


def test_a_rollback_and_its_guardrail_come_in_one_message_with_what_was_done(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY + PAGER)
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step(seconds=120)
    (message,) = messages(scene)
    assert {alert["event"] for alert in message["alerts"]} == {"rollback", "guardrail"}
    assert "churn:2 was taken out" in message["text"]
    assert len(message["commands"]) == 3
    assert "seatrial alerts mute churn" in message["text"]
    (told,) = scene.said("tell")
    assert message["id"] in told


def test_a_fall_of_a_challenger_that_is_taken_out_does_not_stay_open(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY + PERFORMANCE + PAGER)
    see(scene, drift=MAJOR, monitor="performance", variant="challenger", version="churn:2")
    assert set(heeding.standing(scene.harbour.site, "churn").open) == {"performance/challenger"}
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    for _ in range(3):
        scene.step(seconds=120)
    assert heeding.standing(scene.harbour.site, "churn").open == {}
    (left,) = [alert for alert in scene.harbour.state.alerts.of("churn") if "/left/" in alert.key]
    assert "churn:2 is not in challenger any more" in left.sentence
    assert messages(scene)[-1]["title"] == "churn: not watched any more: performance.major"


def test_monitors_that_fail_silence_no_rollback_and_are_told(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY + PAGER)

    def cannot(*_: object) -> tuple[Window, ...]:
        raise RuntimeError("a column of another type")

    scene.world.watch = cannot  # type: ignore[method-assign]
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step(seconds=7200)
    assert {alert["event"] for alert in messages(scene)[0]["alerts"]} == {"rollback", "guardrail"}
    assert set(scene.events) == {"rollback", "guardrail"}, "what fails once is not told"
    scene.step(seconds=120)
    assert messages(scene)[-1]["event"] == "failure.watch"
    assert "a column of another type" in messages(scene)[-1]["sentence"]


def test_at_night_only_what_is_critical_goes_out_and_the_rest_in_the_morning(scene: Scene) -> None:
    quiet = "alerting: {quiet: [mon-sun 22:00-24:00, mon-sun 00:00-07:00]}\n"
    receiver = 'alerts: [{to: "json://127.0.0.1:9000/hook", events: [verdict, rollback]}]\n'
    scene.harbour.apply(PLAIN + quiet + receiver)
    assert scene.harbour.clock.now // (3600 * SECOND) % 24 == 22
    keep(scene, "verdict")
    scene.step(seconds=3600)
    assert scene.posted == []
    keep(scene, "rollback", "r", severity="critical")
    scene.step(seconds=60)
    assert [m["event"] for m in messages(scene)] == ["rollback"]
    scene.step(seconds=8 * 3600)
    assert [m["event"] for m in messages(scene)] == ["rollback", "verdict"]


def test_what_is_muted_is_silent_until_the_mute_ends(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    site = scene.harbour.site
    heeding.mute(site, "churn", "rollback", 3600.0, actor="ada", why="a drill")
    keep(scene, "rollback", "a")
    scene.step()
    assert scene.posted == []
    assert heeding.standing(site, "churn").mutes[0].why == "a drill"
    scene.step(seconds=3600)
    keep(scene, "rollback", "b")
    scene.step()
    assert len(scene.posted) == 1
    heeding.mute(site, "churn", "all", 3600.0, actor="ada", why="a drill")
    assert heeding.unmute(site, "churn", "all", actor="ada", why="over") == 1
    keep(scene, "rollback", "c")
    scene.step()
    assert len(scene.posted) == 2
    assert scene.said("mute") == ["Muted `rollback` for 1h.", "Muted `all` for 1h."]


@pytest.mark.parametrize(
    ("what", "seconds", "why", "says"),
    [
        ("datta", 60.0, "x", "did you mean `data`"),
        ("data", 1e9, "x", "at most 90d"),
        ("data", 60.0, " ", "a reason must be given"),
    ],
)
def test_a_mute_of_nothing_for_ever_or_without_a_reason_is_refused(
    scene: Scene, what: str, seconds: float, why: str, says: str
) -> None:
    scene.harbour.apply(PLAIN)
    with pytest.raises(BadInput, match=says):
        heeding.mute(scene.harbour.site, "churn", what, seconds, actor="ada", why=why)


def test_what_is_open_waits_for_somebody_until_it_is_taken_on(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    see(scene, drift=MAJOR, monitor="performance")
    site = scene.harbour.site
    stands = heeding.standing(site, "churn")
    assert (stands.open, stands.unheeded) == ({"performance/champion": "major"}, ("performance/champion",))
    taken = heeding.acknowledge(site, "churn", stands.alerts[0].id, actor="ada", why="on it")
    assert taken.acked_by == "ada"
    assert heeding.standing(site, "churn").unheeded == ()
    with pytest.raises(NotFound):
        heeding.acknowledge(site, "churn", 999, actor="ada", why="on it")


@pytest.mark.parametrize("how", ["ack", "mute"])
def test_what_waits_to_be_sent_is_withdrawn_when_somebody_heeds_it(scene: Scene, how: str) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    scene.refuse = True
    site, alert = scene.harbour.site, keep(scene, "rollback", "a")
    scene.step()
    assert scene.posted == []
    assert heeding.standing(site, "churn").waiting == 1
    if how == "ack":
        heeding.acknowledge(site, "churn", alert, actor="ada", why="on it")
    else:
        heeding.mute(site, "churn", "rollback", 3600.0, actor="ada", why="a drill")
    assert heeding.standing(site, "churn").waiting == 0
    assert scene.said(how)[0].endswith("Withdrawn before it was sent: 1 message.")
    assert scene.harbour.state.alerts.get("churn", alert).fate == "digest"
    scene.refuse = False
    scene.step(days=1)
    assert scene.posted == []


def test_a_message_that_holds_another_alert_too_still_goes_out(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    scene.refuse = True
    keep(scene, "guardrail", "a")
    alert = keep(scene, "rollback", "b")
    scene.step()
    heeding.acknowledge(scene.harbour.site, "churn", alert, actor="ada", why="on it")
    assert heeding.standing(scene.harbour.site, "churn").waiting == 1
    scene.refuse = False
    scene.step(seconds=60)
    assert len(scene.posted) == 1


def test_nobody_is_sent_more_than_the_ceiling_in_a_day(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    site = scene.harbour.another_site(alerts_at_most=2)
    scene.loop = Loop(site, scene.world, scene.leadership, post=scene._post)
    for n in range(4):
        keep(scene, "rollback", f"{n}")
        scene.step()
    assert len(scene.posted) == 2
    assert "the last of 2 alerts" in messages(scene)[1]["text"]
    assert [alert.fate for alert in scene.harbour.state.alerts.of("churn")] == ["told", "told", "digest", "digest"]
    scene.step(days=1)
    keep(scene, "rollback", "later")
    scene.step()
    assert len(scene.posted) == 3


def test_a_summary_comes_once_a_day_with_a_line_for_each_deployment(scene: Scene) -> None:
    receiver = 'alerts: [{to: "json://127.0.0.1:9000/team", digest: 08:30}]\n'
    scene.harbour.apply(TEST_ONLY + receiver)
    scene.harbour.apply(PLAIN.replace("deployment: churn", "deployment: other") + receiver)
    scene.step()
    keep(scene, "verdict")
    scene.step()
    assert scene.posted == []
    for _ in range(2 * 24 * 2):
        scene.step(seconds=1800)
    sent = messages(scene)
    assert [m["kind"] for m in sent] == ["digest", "digest"]
    lines = sent[0]["text"].splitlines()
    assert lines[0].startswith("churn: churn:1 in command; release of churn:2: ")
    assert "days left at most" in lines[0]
    assert "verdict (digest)" in lines[0]
    assert lines[1].startswith("other: churn:1 in command; no release; ")
    assert len({m["id"] for m in sent}) == 2


def test_a_summary_that_comes_late_has_all_since_the_last(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + 'alerts: [{to: "json://127.0.0.1:9000/hook"}]\n')
    scene.step()
    scene.step(seconds=86_400)
    assert [m["kind"] for m in messages(scene)] == ["digest"]
    keep(scene, "verdict")
    scene.step()
    scene.harbour.clock.forward(days=2)  # nobody led
    scene.loop = scene.another_loop()
    scene.step()
    assert [m["kind"] for m in messages(scene)] == ["digest", "digest"]
    assert "alerts: verdict (digest)" in messages(scene)[-1]["text"]


def test_an_open_breaker_of_the_default_variant_is_told_and_its_end_too(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    layout.counters(scene.harbour.home).mkdir(parents=True, exist_ok=True)
    counters = CounterFile(layout.counters(scene.harbour.home) / "w0.counters")
    slot = counters.slot(series(BREAKERS_OPEN, deployment="churn", variant="champion"))
    scene.step()
    counters.put(slot, 2)
    scene.step(seconds=6)
    scene.step(seconds=6)
    (message,) = messages(scene)
    assert (message["event"], message["severity"]) == ("breaker", "critical")
    assert message["sentence"] == "2 workers leave `champion` alone, because it kept failing."
    counters.put(slot, 0)
    scene.step(seconds=6)
    counters.put(slot, 1)
    scene.step(seconds=30)
    counters.put(slot, 0)
    scene.step(seconds=6)
    assert len(scene.posted) == 1, "a breaker that tries again and fails is no end"
    scene.step(seconds=61)
    assert [m["kind"] for m in messages(scene)] == ["alert", "recovery"]
    counters.close()


def test_what_was_told_is_counted_for_prometheus(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    keep(scene, "rollback", "a")
    keep(scene, "verdict", "b")
    scene.step()
    scene.step()
    found = read_counters(layout.counters(scene.harbour.home))
    assert found[series("alerts_total", deployment="churn", event="rollback", fate="told")] == 1
    assert found[series("alerts_total", deployment="churn", event="verdict", fate="digest")] == 1
    assert found[series("notices_total", deployment="churn", kind="alert", result="sent")] == 1
    assert found["notices_waiting"] == 0


def test_a_message_is_given_up_after_a_week_and_that_is_audited(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    scene.loop = Loop(scene.harbour.site, scene.world, scene.leadership, post=lambda _address, _body: 503)
    keep(scene, "rollback")
    for _ in range(10):
        scene.step(days=1)
    (notice,) = scene.harbour.state.notices.of("churn")
    assert notice.given_up_at is not None
    assert notice.attempts == 8
    (said,) = scene.said("tell-failed")
    assert said.endswith("after 8 tries, the last: it answered 503.")


def test_a_message_that_is_refused_holds_up_no_other_and_is_given_up_within_the_hour(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    tried: list[str] = []

    def post(_address: str, body: bytes) -> int:
        tried.append(json.loads(body)["event"])
        return 400 if tried[-1] == "breaker" else 200

    scene.loop = Loop(scene.harbour.site, scene.world, scene.leadership, post=post)
    keep(scene, "breaker", "a", "critical")
    scene.step()
    keep(scene, "rollback", "b", "critical")
    for _ in range(3):
        scene.step(seconds=60)
    assert "rollback" in tried
    scene.step(seconds=7200)
    assert scene.harbour.state.notices.open() == ()
    (said,) = scene.said("tell-failed")
    assert said.endswith("the last: it answered 400.")


def test_what_is_critical_goes_first_and_a_receiver_that_fails_is_left_alone_for_a_moment(scene: Scene) -> None:
    receiver = 'alerts: [{to: "json://127.0.0.1:9000/hook", events: [verdict, rollback]}]\n'
    scene.harbour.apply(PLAIN + receiver)
    tried: list[str] = []

    def post(_address: str, body: bytes) -> int:
        tried.append(json.loads(body)["event"])
        return 503 if len(tried) < 3 else 200

    scene.loop = Loop(scene.harbour.site, scene.world, scene.leadership, post=post)
    keep(scene, "verdict", "a")
    scene.step()
    keep(scene, "rollback", "b", "critical")
    scene.step(seconds=1)
    assert tried == ["verdict"], "it failed a moment ago"
    for _ in range(30):
        scene.step(seconds=1)
    assert tried[:2] == ["verdict", "rollback"]
    scene.step(seconds=600)
    scene.step(seconds=600)
    assert scene.harbour.state.notices.open() == ()


def test_a_test_is_sent_to_everybody_and_says_who_did_not_take_it(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + 'alerts: [{to: "json://a/x"}, {to: "json://${GONE}/y"}, {to: "json://a/x"}]\n')

    def post(_address: str, body: bytes) -> int:
        assert json.loads(body)["kind"] == "test"
        return 200

    tried = heeding.try_out(scene.harbour.another_site(environ={}), "churn", actor="ada", post=post)
    assert tried[0] == Tried("json://a/x", "")
    assert "`GONE`" in tried[1].error
    assert scene.said("test") == ["Sent a test to 2 receivers; not taken by json://${GONE}/y."]
    scene.harbour.apply(PLAIN)
    with pytest.raises(BadInput, match="names nobody to tell"):
        heeding.try_out(scene.harbour.site, "churn", actor="ada", post=post)


def test_a_release_is_stopped_as_declared_and_only_once(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY + PAGER + "actions: [{on: [outcomes.stalled], stop: release}]\n")
    scene.step()
    keep(scene, "outcomes.stalled")
    scene.step()
    assert scene.status() == "rolled-back"
    assert scene.said("react") == ["Churn:2 was taken out; churn:1 stays in command alone."]
    scene.step()
    keep(scene, "outcomes.stalled", "again")
    scene.step()
    assert len(scene.said("react")) == 1, "once a day at most"
    scene.step(days=1)
    keep(scene, "outcomes.stalled", "tomorrow")
    scene.step()
    assert scene.said("react")[1:] == ["No release is under way, so there was none to stop."]


def test_a_named_version_takes_command_as_declared(scene: Scene) -> None:
    scene.harbour.apply(
        PLAIN.replace("@champion", "/3") + PAGER + 'actions: [{on: [performance], fall_back: "churn:1"}]\n'
    )
    see(scene, drift=MAJOR, monitor="performance", version="churn:2")
    assert scene.harbour.versions["champion"] == "churn:3", "it fell before churn:3 was there"
    see(scene, drift=MAJOR, monitor="performance", version="churn:3")
    assert scene.harbour.versions["champion"] == "churn:1"
    assert scene.said("fall-back") == ["churn:1 took command back from churn:3."]
    assert "churn:3" in scene.harbour.state.deployments.get("churn").rolled_back
    assert any("Declared: Churn:1 took command back from churn:3." in message["text"] for message in messages(scene))
    scene.step()
    assert scene.events[-1] == "rollback"


def test_a_challenger_that_falls_takes_out_no_champion_and_a_champion_stops_no_release(scene: Scene) -> None:
    back = 'actions: [{on: [performance], fall_back: "churn:1"}, {on: [performance], stop: release}]\n'
    scene.harbour.apply(TEST_ONLY.replace("@champion", "/3") + PERFORMANCE + PAGER + back)
    scene.step()
    see(scene, drift=MAJOR, monitor="performance", variant="champion", version="churn:1")
    assert scene.said("react") == []
    see(scene, drift=MAJOR, monitor="performance", variant="challenger", version="churn:2")
    assert scene.harbour.versions["champion"] == "churn:3"
    assert scene.status() == "rolled-back"
    assert scene.said("react") == ["Churn:2 was taken out; churn:3 stays in command alone."]


def test_a_version_that_is_not_there_cannot_take_command_and_that_is_said(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + 'actions: [{on: [performance], fall_back: "churn:1"}]\n')
    see(scene, drift=MAJOR, monitor="performance")
    assert scene.said("react") == ["Could not fall back to churn:1: churn:1 is in command of 'churn' already."]


def test_a_command_is_started_with_the_alert_and_its_end_is_audited(scene: Scene) -> None:
    actions = scene.harbour.home / "actions"
    actions.mkdir()
    (actions / "retrain").write_text("#!/bin/sh\ncat > told.json\necho trained\n")
    os.chmod(actions / "retrain", 0o755)
    (actions / "fail").write_text("#!/bin/sh\nexit 3\n")
    os.chmod(actions / "fail", 0o755)
    names = ("retrain", "fail", "absent")
    declared = ", ".join(f"{{on: [data, quality], run: {name}}}" for name in names)
    scene.harbour.apply(PLAIN + f"actions: [{declared}]\n")
    keep(scene, "quality")
    scene.step()
    wait_for(lambda: len(scene.said("react")) == 5, what="the ends of both commands")
    said = set(scene.said("react"))
    assert {"Started retrain, which has 1h.", "Retrain succeeded and said: trained."} <= said
    assert "Fail failed with exit code 3." in said
    assert any("Could not run absent: there is no executable" in one for one in said)
    assert json.loads((scene.harbour.home / "told.json").read_text())["event"] == "quality"


def test_a_command_that_takes_too_long_is_ended_with_its_children(scene: Scene) -> None:
    actions = scene.harbour.home / "actions"
    actions.mkdir()
    (actions / "slow").write_text("#!/bin/sh\nsleep 600 &\nwait\n")
    os.chmod(actions / "slow", 0o755)
    scene.harbour.apply(PLAIN + "actions: [{on: [quality], run: slow, timeout: 100ms}]\n")
    keep(scene, "quality")
    scene.step()
    wait_for(lambda: len(scene.said("react")) == 2, what="the end of the command")
    assert scene.said("react")[1] == "Slow was ended, because it took longer than 100ms."


def test_a_killed_process_sends_the_same_message_again_and_acts_once(scene: Scene) -> None:
    scene.harbour.apply(TEST_ONLY + PAGER + "actions: [{on: [outcomes.stalled], stop: release}]\n")

    class KilledError(BaseException):
        """The process ends in the middle of sending."""

    def killed(_address: str, body: bytes) -> int:
        scene.posted.append(body)
        raise KilledError

    scene.step()
    keep(scene, "rollback")
    keep(scene, "outcomes.stalled", "s")
    scene.loop = Loop(scene.harbour.site, scene.world, scene.leadership, post=killed)
    with pytest.raises(KilledError):
        scene.step()
    scene.loop = scene.another_loop()
    scene.step()
    scene.step()
    first, *later = messages(scene)
    assert first in later
    assert len(scene.said("react")) == 1
    rollback_told = [alert for alert in scene.harbour.state.alerts.of("churn") if alert.fate == "told"]
    assert all(alert.sent_at is not None for alert in rollback_told[:1])


def test_strong_drift_of_one_feature_wakes_when_the_newest_estimate_is_a_loss(scene: Scene) -> None:
    scene.harbour.apply(PLAIN + PAGER)
    now = scene.harbour.clock.now
    estimates = [
        WindowRecord(
            deployment="churn",
            monitor="estimate",
            variant="champion",
            version="churn:1",
            start=now - hours * 3600 * SECOND,
            end=now - (hours - 1) * 3600 * SECOND,
            severity=severity,
            window="{}",
        )
        for hours, severity in ((3, "none"), (2, "moderate"))
    ]
    scene.harbour.state.windows.add(estimates, deployment="churn", marks={})
    for _ in range(2):
        see(scene, drift=MAJOR, moved=("tenure",))
    (message,) = messages(scene)
    assert "A loss of performance is estimated" in message["text"]
    fine = msgspec.structs.replace(estimates[0], start=now, end=now + 3600 * SECOND)
    scene.harbour.state.windows.add([fine], deployment="churn", marks={})
    see(scene)
    assert [m["kind"] for m in messages(scene)] == ["alert", "recovery"]
