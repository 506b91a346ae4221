from pathlib import Path

import pytest

from seatrial.ledger.breath import PAUSE_SECONDS, PIECE_NS, Breath
from tests.ledger_events import PLAIN, append_plain, prediction_log


class Time:
    """A clock that is set by hand, and what was slept on it."""

    def __init__(self) -> None:
        self.now = 0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1e9)


@pytest.mark.parametrize(("piece", "pauses"), [(PIECE_NS - 1, 0), (PIECE_NS, 1), (50 * PIECE_NS, 1)])
def test_it_pauses_once_when_a_piece_was_long_enough(piece: int, pauses: int) -> None:
    time = Time()
    breath = Breath(ticks=lambda: time.now, sleep=time.sleep)
    time.now += piece
    breath()
    breath()
    assert time.slept == [PAUSE_SECONDS] * pauses


def test_short_steps_add_up_to_a_piece() -> None:
    time = Time()
    breath = Breath(ticks=lambda: time.now, sleep=time.sleep)
    for _ in range(40):
        time.now += PIECE_NS // 10
        breath()
    assert len(time.slept) == 4


def test_who_is_hurried_does_not_pause() -> None:
    time, hurried = Time(), True
    breath = Breath(lambda: hurried, lambda: time.now, time.sleep)
    time.now += PIECE_NS
    breath()
    hurried = False
    breath()  # a new piece began
    assert not time.slept
    time.now += PIECE_NS
    breath()
    assert time.slept == [PAUSE_SECONDS]


def test_a_flush_breathes_after_every_column(tmp_path: Path) -> None:
    breaths = 0

    def breathe() -> None:
        nonlocal breaths
        breaths += 1

    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        log.breath = breathe  # type: ignore[assignment]
        append_plain(buffer, range(3))
        log.flush()
    assert breaths >= len(PLAIN.numbers) + len(PLAIN.prediction) + 10


def test_a_log_that_fills_up_or_closes_is_in_a_hurry(tmp_path: Path) -> None:
    with prediction_log(tmp_path, byte_limit=1 << 20) as log:
        assert not log.breath.hurried()
        log.held = (1 << 18) + 1
        assert log.breath.hurried()
        log.held = 0
        log.closed = True
        assert log.breath.hurried()
        log.closed = False
