"""When a step of the loop is due."""

from collections.abc import Callable

import pytest

from seatrial.control.pulse import Pulse
from seatrial.ledger.quarantine import add_quarantined
from seatrial.ledger.underway import Suspect
from seatrial.releases.records import Command
from tests.harbour import PLAIN, Harbour


class Hand:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def pulse(harbour: Harbour, hand: Hand) -> Pulse:
    """One that has just stepped, over a deployment that is applied."""
    harbour.apply()
    made = Pulse(harbour.another_site(monotonic=hand))
    assert made.is_due()
    made.stepped()
    assert not made.is_due()
    return made


def test_nothing_is_due_for_a_second(pulse: Pulse, hand: Hand) -> None:
    hand.now += 0.99
    assert not pulse.is_due()
    hand.now += 0.01
    assert pulse.is_due()
    assert pulse.is_due()  # until it was made
    pulse.stepped()
    assert not pulse.is_due()


def _applied_anew(harbour: Harbour) -> None:
    harbour.apply(PLAIN.replace("models:/churn@champion", "models:/churn/2"))


def _asked(harbour: Harbour) -> None:
    harbour.state.commands.ask(Command(id="c1", deployment="churn", at=0, kind="rollback", actor="ada"))


def _in_quarantine(harbour: Harbour) -> None:
    add_quarantined(harbour.home, (Suspect("churn", "champion", "sha", True),), 0, "it crashed")


@pytest.mark.parametrize("change", [_applied_anew, _asked, _in_quarantine], ids=["apply", "command", "quarantine"])
def test_a_change_is_due_at_once(harbour: Harbour, pulse: Pulse, change: Callable[[Harbour], None]) -> None:
    change(harbour)
    assert pulse.is_due()


def test_what_comes_during_a_step_makes_another_one_due(harbour: Harbour, pulse: Pulse, hand: Hand) -> None:
    hand.now += 1
    assert pulse.is_due()
    _asked(harbour)
    pulse.stepped()
    assert pulse.is_due()
