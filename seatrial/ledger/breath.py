"""Pauses in long work that runs beside an event loop.

A thread that encodes rows wants the interpreter, and on a busy core the processor too, in competition with the loop
that answers requests. Both are given away in slices: the interpreter after half a millisecond, the processor at a
clock tick (4 ms on most kernels), so that work of a few milliseconds in one piece holds answers up for that long. In
short pieces, with a pause after each, it holds them up for one piece.
"""

import time
from collections.abc import Callable

PIECE_NS = 200_000
PAUSE_SECONDS = 0.0003


class Breath:
    """Called between any two steps of the work; pauses where a piece was long enough.

    Args:
        hurried: Whether there is no time for pauses now.
        ticks: Monotonic nanoseconds.
        sleep: Seconds.
    """

    def __init__(
        self,
        hurried: Callable[[], bool] = lambda: False,
        ticks: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.hurried = hurried
        self._ticks = ticks
        self._sleep = sleep
        self._since = ticks()

    def __call__(self) -> None:
        if self._ticks() - self._since >= PIECE_NS:
            if not self.hurried():
                self._sleep(PAUSE_SECONDS)
            self._since = self._ticks()
