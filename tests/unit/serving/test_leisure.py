"""How much of the interpreter a shadow takes: worlds of time, moved by hand."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.serving.leisure import LEAST, SAVED_NS, SHARE, WINDOW_NS, Clocks, Leisure, clocks_beside

PIECE = 200_000
"""Nanoseconds that the shadow works before it asks again."""


class World:
    """One processor: the shadow, the event loop, and idle time."""

    def __init__(self) -> None:
        self.wall = self.loop = self.own = 0
        self.leisure = Leisure(Clocks(lambda: self.wall, lambda: self.loop, lambda: self.own))

    def works(self, nanoseconds: int, *, live: float) -> None:
        """The shadow works, and the loop as much beside it as ``live`` of that."""
        self.own += nanoseconds
        self.loop += int(nanoseconds * live)
        self.wall += nanoseconds + int(nanoseconds * live)

    def waits(self, seconds: float, *, live: float) -> None:
        nanoseconds = int(seconds * 1e9)
        self.wall += nanoseconds
        self.loop += int(nanoseconds * live)

    def run(self, seconds: float, *, live: float, beside: float) -> float:
        """The shadow always has work; gives the part of all time that it took."""
        began, own = self.wall, self.own
        while self.wall - began < seconds * 1e9:
            pause = self.leisure.pause()
            if pause:
                self.waits(pause, live=live)
            else:
                self.works(PIECE, live=beside)
        return (self.own - own) / (self.wall - began)


def test_beside_a_loop_that_takes_all_there_is_it_gets_next_to_nothing() -> None:
    world = World()
    world.run(1.0, live=1.0, beside=1.0)  # both want all of it, and each gets half while both are at it
    assert world.run(1.0, live=1.0, beside=1.0) < 2 * LEAST


def test_beside_a_loop_that_is_two_fifths_busy_it_takes_its_share_of_the_rest() -> None:
    world = World()
    beside = 0.4 / (SHARE * 0.6)  # the loop works two fifths of all time, whatever the shadow does
    world.run(0.5, live=0.4, beside=beside)
    assert world.run(1.0, live=0.4, beside=beside) <= SHARE * 0.6 + 0.02


def test_alone_it_takes_its_share() -> None:
    world = World()
    assert abs(world.run(2.0, live=0.0, beside=0.0) - SHARE) < 0.02


def test_it_recovers_when_the_loop_is_quiet_again() -> None:
    world = World()
    world.run(1.0, live=1.0, beside=1.0)
    world.run(0.2, live=0.0, beside=0.0)
    assert world.run(1.0, live=0.0, beside=0.0) > SHARE - 0.05


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(1, 20_000_000)), min_size=1, max_size=60))
def test_it_never_spends_more_than_it_earned(steps: list[tuple[float, int]]) -> None:
    world = World()
    for live, nanoseconds in steps:
        if world.leisure.pause():
            world.waits(nanoseconds / 1e9, live=live)
        else:
            world.works(min(nanoseconds, PIECE), live=live)
    assert world.own <= SHARE * world.wall + SAVED_NS + PIECE


def test_a_pause_is_bounded_whatever_it_owes() -> None:
    world = World()
    world.works(10 * WINDOW_NS, live=0.0)
    world.waits(0.02, live=1.0)
    assert 0 < world.leisure.pause() <= 0.05


def test_the_clocks_of_two_threads_are_their_own() -> None:
    clocks = clocks_beside(threading.main_thread().ident or 0)
    assert clocks is not None
    before = clocks.own()
    sum(range(200_000))
    assert clocks.own() > before
    other: list[Clocks | None] = []
    thread = threading.Thread(target=lambda: other.append(clocks_beside(threading.main_thread().ident or 0)))
    thread.start()
    thread.join()
    assert other[0] is not None
    assert other[0].loop() >= before


def test_the_clock_of_a_thread_that_ended_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = clocks_beside(threading.get_ident())
    assert clocks is not None
    before = clocks.loop()

    def gone(_: int) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("seatrial.serving.leisure.time.clock_gettime_ns", gone)
    assert clocks.loop() == before > 0
