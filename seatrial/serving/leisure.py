"""How much of the interpreter a shadow may take: part of what the event loop leaves.

The event loop and a shadow's thread share one interpreter, and Python gives both an equal part of it. So the shadow
keeps an account: it earns `SHARE` of the time in which the event loop was not at work, and spends its own processor
time. When live requests take all there is, it earns next to nothing, its queue fills, and copies are dropped, not
answers delayed: with s the shadow's part of a busy interpreter the loop is seen to leave s, so the next part is at most
`SHARE` of s, and so on down to `LEAST`. Others on the machine want part of what is left too: measured on one core with
0.8, requests at 40 % of capacity waited for seconds. 0.4 is on the safe side, and not settled by a measurement yet.
"""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

SHARE = 0.4
LEAST = 0.01
"""Of all time: a shadow is never quite starved, so that a comparison goes on, slowly."""
WINDOW_NS = 10_000_000
SAVED_NS = 5_000_000
"""What it may have saved up: a burst holds nobody up for longer."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0005, 0.05


class Clocks(NamedTuple):
    """Nanoseconds: time itself, the event loop's processor time, the shadow's own (asked in its thread)."""

    wall: Callable[[], int]
    loop: Callable[[], int]
    own: Callable[[], int]


class Leisure:
    """A shadow's account of time; used by its thread only.

    Args:
        clocks: Where time comes from.
    """

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._rate = SHARE
        self._saved = float(SAVED_NS)
        self._at, self._loop, self._own = clocks.wall(), clocks.loop(), clocks.own()
        self._since = self._at

    def pause(self) -> float:
        """Seconds to wait before more is done; 0: go on."""
        clocks = self._clocks
        now, own = clocks.wall(), clocks.own()
        if now - self._since >= WINDOW_NS:
            loop = clocks.loop()
            busy = min(1.0, (loop - self._loop) / (now - self._since))
            self._rate = max(LEAST, SHARE * (1.0 - busy))
            self._since, self._loop = now, loop
        self._saved = min(float(SAVED_NS), self._saved + self._rate * (now - self._at)) - (own - self._own)
        self._at, self._own = now, own
        return 0.0 if self._saved >= 0 else min(LONGEST_PAUSE, max(SHORTEST_PAUSE, -self._saved / self._rate / 1e9))


def clocks_beside(thread: int) -> Clocks | None:
    """The clocks of a thread that works beside the one of that identity; None where the system has none.

    Called in the working thread.
    """
    try:
        loop = time.pthread_getcpuclockid(thread)
        own = time.pthread_getcpuclockid(threading.get_ident())
        time.clock_gettime_ns(loop)
    except (AttributeError, OSError):
        return None
    return Clocks(time.perf_counter_ns, _Lasting(loop), lambda: time.clock_gettime_ns(own))


class _Lasting:
    """A thread's processor time, which stays what it was when the thread has ended."""

    def __init__(self, clock: int) -> None:
        self._clock = clock
        self._last = 0

    def __call__(self) -> int:
        try:
            self._last = time.clock_gettime_ns(self._clock)
        except OSError:
            pass
        return self._last
