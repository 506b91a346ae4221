"""What a person is told: what moved, what it costs, what was done, three commands that exist, how to mute."""

import shlex

import msgspec
import pytest
import typer

from seatrial.cli.app import app
from seatrial.releases.records import Alert
from seatrial.spec.events import EVENTS
from seatrial.watch.alerts import Condition
from seatrial.watch.telling import (
    ack_command,
    commands_for,
    in_order,
    message_of,
    mute_command,
    told_of,
    told_recovery,
)


def alert(event: str, number: int = 1, severity: str = "critical", cost: str = "") -> Alert:
    condition = Condition(
        condition="x/champion", edge="begins", severity="major", variant="champion", start=0, end=1, cost=cost
    )
    return Alert(
        deployment="churn",
        at=1_700_000_000_000_000,
        event=event,
        key=f"k{number}",
        severity=severity,  # type: ignore[arg-type]
        sentence=f"Sentence {number}.",
        details=msgspec.json.encode(condition).decode(),
        id=number,
    )


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_alert_says_all_of_it_with_commands_that_the_command_line_takes(event: str) -> None:
    told = told_of("churn", [alert(event)])
    lines = told.text.splitlines()
    assert lines[0] == "Sentence 1."
    for part in ("What it costs: ", "Done already: ", "What you can do:", "It is yours: ", "Not now: "):
        assert sum(line.startswith(part) and len(line) > len(part) - 1 for line in lines) == 1
    assert len(set(told.commands)) == 3
    for command in (*told.commands, ack_command("churn", 1), mute_command("churn", event)):
        _parse(shlex.split(command)[1:])


def _parse(words: list[str]) -> None:
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("seatrial", words)


def test_a_measured_loss_is_told_in_its_own_words_and_an_estimated_one_with_drift() -> None:
    assert "What it costs: 70 fewer." in told_of("churn", [alert("performance.major", cost="70 fewer.")]).text
    assert "no loss of performance is estimated" in told_of("churn", [alert("data.major")]).text
    assert "A loss of performance is estimated" in told_of("churn", [alert("data.major")], estimated=True).text


def test_what_was_declared_and_done_is_told() -> None:
    told = told_of("churn", [alert("guardrail")], done=["churn:7 was taken out"], note="This is the last.")
    assert "Declared: churn:7 was taken out." in told.text
    assert told.text.endswith("This is the last.")


def test_the_most_serious_leads_and_a_broken_column_stands_before_drift() -> None:
    alerts = [alert("data.moderate", 1, "warning"), alert("data.major", 2), alert("quality", 3)]
    assert [a.event for a in in_order(alerts)] == ["quality", "data.major", "data.moderate"]
    told = told_of("churn", alerts)
    assert told.title == "churn: quality (and 2 more)"
    assert told.text.splitlines()[:3] == ["Sentence 3.", "Also: Sentence 2.", "Also: Sentence 1."]
    message = message_of("n", "alert", "churn", alerts, told, 7)
    assert (message.event, message.key, [a["key"] for a in message.alerts]) == ("quality", "k3", ["k3", "k2", "k1"])


def test_a_recovery_asks_for_nothing() -> None:
    told = told_recovery("churn", [alert("performance.major", severity="info")])
    assert told.title == "churn: over: performance.major"
    assert told.commands == ()


def test_other_events_have_commands_of_their_own_or_the_general_ones() -> None:
    assert commands_for("data.moderate", "churn")[0] == "seatrial drift churn"
    assert commands_for("alias.moved", "churn")[0] == "seatrial status churn"
