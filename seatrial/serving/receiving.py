"""How many gRPC messages arrive at once: each may hold as much memory as a whole one before anybody sees a byte of it.

A call that has no place yet is not read, and gRPC takes no more of it than a window. The newest call that waits is
served first: in a flood of calls that never end, whoever has waited longest is likeliest one of them. And while others
wait and no place comes free, those that have had theirs longest lose it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from seatrial.spec.errors import Overloaded

MOST_WAITING = 1024
"""Calls without a place; with one more, the one that has waited longest is turned away."""

PATIENCE = 1.0
"""Seconds that a message may take to come when others wait for its place."""

LOOK = 0.1
"""Seconds in which no place came free, until one is taken away."""

T = TypeVar("T")


class Receiving:
    """The places of one event loop.

    Args:
        most: Messages that may arrive at once.
        waiting: As `MOST_WAITING`.
        patience: As `PATIENCE`.

    Attributes:
        taken: Places that are taken now.
    """

    def __init__(self, most: int, *, waiting: int = MOST_WAITING, patience: float = PATIENCE) -> None:
        self.most = most
        self.taken = 0
        self._most_waiting = waiting
        self._patience = patience
        self._since: dict[asyncio.Task[Any], float] = {}
        self._lost: set[asyncio.Task[Any]] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._moved = False
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self, read: Callable[[], Awaitable[T]]) -> T:
        """What ``read`` gives, once there is a place for it.

        Raises:
            Overloaded: There was none, or it was lost to others.
        """
        task = asyncio.current_task()
        assert task is not None
        if self.taken < self.most:
            self.taken += 1
        else:
            await self._wait()
        self._since[task] = task.get_loop().time()
        try:
            return await read()
        except asyncio.CancelledError:
            if task not in self._lost:
                raise
            task.uncancel()
            raise Overloaded("others waited while this message came; send it again, and quicker") from None
        finally:
            del self._since[task]
            self._lost.discard(task)
            self._pass_on()

    async def _wait(self) -> None:
        """Until a place is passed on to this call. Raises Overloaded."""
        loop = asyncio.get_running_loop()
        if len(self._waiting) >= self._most_waiting:
            oldest = self._waiting.popleft()
            if not oldest.done():
                oldest.set_exception(Overloaded(f"{self._most_waiting} calls wait to be read; send this one again"))
        if self._timer is None:
            self._moved = False
            self._timer = loop.call_later(LOOK, self._look)
        place = loop.create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place in self._waiting:
                self._waiting.remove(place)
            elif place.done() and not place.cancelled() and place.exception() is None:
                self._pass_on()  # it came too late
            raise

    def _pass_on(self) -> None:
        self._moved = True
        while self._waiting:
            newest = self._waiting.pop()
            if not newest.done():
                newest.set_result(None)
                return
        self.taken -= 1

    def _look(self) -> None:
        """While others wait and none comes free, take away the places that were held too long."""
        self._timer = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        if not self._moved:
            late = loop.time() - self._patience
            for task in [task for task, since in self._since.items() if since < late][: len(self._waiting)]:
                self._lost.add(task)
                task.cancel()
        self._moved = False
        self._timer = loop.call_later(LOOK, self._look)
