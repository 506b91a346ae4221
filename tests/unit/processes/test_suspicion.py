"""Whose fault a crash is: a pure account of what was under way."""

import signal

import pytest

from seatrial.ledger.underway import Suspect
from seatrial.processes.suspicion import Suspicion, ended

SEGV, KILL = -signal.SIGSEGV, -signal.SIGKILL
CHAMPION = Suspect("churn", "champion", "aa", default=True)
CHALLENGER = Suspect("churn", "challenger", "bb", default=False)
OTHER = Suspect("mail", "champion", "cc", default=True)


def guilty(*crashes: tuple[float, tuple[Suspect, ...], int]) -> list[list[Suspect]]:
    suspicion = Suspicion()
    return [list(suspicion.crash(suspects, "w0", code, at)) for at, suspects, code in crashes]


def test_two_crashes_in_a_minute() -> None:
    assert guilty((0, (CHALLENGER,), SEGV), (60, (CHALLENGER,), SEGV)) == [[], [CHALLENGER]]


def test_crashes_that_lie_apart_are_two_accidents() -> None:
    assert guilty((0, (CHALLENGER,), SEGV), (61, (CHALLENGER,), SEGV), (121, (CHALLENGER,), SEGV))[:2] == [[], []]


def test_hangs_count_from_when_they_began_and_the_default_is_blamed_for_them() -> None:
    suspicion = Suspicion()
    assert suspicion.crash((CHAMPION,), "w0", KILL, 40.0, silent=30.0) == {}
    assert suspicion.crash((CHAMPION,), "w0", KILL, 101.0, silent=0.0) == {}
    assert list(suspicion.crash((CHAMPION,), "w0", KILL, 130.0, silent=30.0)) == [CHAMPION]


def test_what_was_not_under_way_is_innocent() -> None:
    assert guilty((0, (CHALLENGER,), SEGV), (1, (), SEGV), (2, (OTHER,), SEGV)) == [[], [], []]


def test_the_default_is_blamed_last() -> None:
    both = (CHAMPION, CHALLENGER)
    assert guilty((0, both, SEGV), (1, both, SEGV), (2, (CHAMPION,), SEGV), (3, (CHAMPION,), SEGV)) == [
        [],
        [CHALLENGER],
        [],
        [CHAMPION],
    ]


@pytest.mark.parametrize("code", [SEGV, -signal.SIGABRT, 1, 139])
def test_a_default_alone_goes_too(code: int) -> None:
    assert guilty((0, (CHAMPION,), code), (1, (CHAMPION,), code)) == [[], [CHAMPION]]


def test_who_is_killed_from_outside_keeps_its_default() -> None:
    assert guilty(*[(at, (CHAMPION,), KILL) for at in range(10)]) == [[]] * 10
    assert guilty((0, (CHAMPION, CHALLENGER), KILL), (1, (CHAMPION, CHALLENGER), KILL)) == [[], [CHALLENGER]]


def test_the_crashes_are_told_in_words() -> None:
    suspicion = Suspicion()
    suspicion.crash((CHALLENGER,), "w0 by SIGSEGV", SEGV, 0)
    found = suspicion.crash((CHALLENGER,), "w1 by exit code 3", 3, 1)
    assert found == {CHALLENGER: ("w0 by SIGSEGV", "w1 by exit code 3")}


def test_endings_in_words() -> None:
    assert [ended(-11), ended(-200), ended(3)] == ["SIGSEGV", "signal 200", "exit code 3"]
