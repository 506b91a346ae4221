"""An attempt that runs elsewhere, in a thread or at a remote server, and how long its caller waits for it."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future

from seatrial.serving.caching import PredictionCache
from seatrial.serving.deployed import Counts
from seatrial.serving.parts import Part
from seatrial.serving.recalling import board, land, leave
from seatrial.serving.threads import Shed, Taken
from seatrial.serving.variant import Attempt

FEW_ROWS = 64
"""Up to so many rows are read on the event loop; more are read in the model's thread."""

MAX_RETRY = 60
"""Nobody who is shed is sent away for longer than so many seconds."""


class Waiting:
    """Waits on the event loop.

    Args:
        ticks: Monotonic nanoseconds.
    """

    def __init__(self, ticks: Callable[[], int]) -> None:
        self._ticks = ticks

    async def run(self, part: Part, counts: Counts) -> None:
        """Have the attempt of a part run, and wait for it; whatever goes wrong is kept in the attempt."""
        attempt = part.attempt
        if attempt.encoded is None and len(attempt.rows) <= FEW_ROWS and not attempt.read_rows():
            return
        variant = attempt.variant
        seconds = variant.timeout if part.deadline is None else self.left(part.deadline, variant.timeout)
        try:
            if attempt.key is None or variant.cache is None:
                future = _start(attempt, seconds)
                await self._wait(part, future, asyncio.wrap_future(future), seconds)
            else:
                await self._fly(part, variant.cache, seconds)
        except Shed as error:
            attempt.fail("shed", str(error))
            attempt.retry_after = retry_after(error.seconds)
            counts.shed(variant.name, error.reason)

    async def _fly(self, part: Part, cache: PredictionCache, seconds: float) -> None:
        """Run the attempt together with all that ask for the same at this moment."""
        attempt, variant = part.attempt, part.attempt.variant
        patience = seconds if variant.engine.remote is None else variant.timeout  # others may wait for longer
        flight = board(attempt, cache, lambda: _start(attempt, patience))
        try:
            if await self._wait(part, flight.future, flight.landing(), seconds):
                land(attempt, flight, cache, self._ticks())
        finally:
            leave(attempt, flight, cache)

    async def _wait(self, part: Part, future: "Future[None]", done: "asyncio.Future[None]", seconds: float) -> bool:
        """Wait for another thread's answer, and no longer than the caller does; whether it came to an end."""
        attempt, timeout = part.attempt, part.attempt.variant.timeout
        try:
            await asyncio.wait_for(done, seconds)
            part.overdue = attempt.status == "timeout" and seconds < timeout
            return True
        except TimeoutError:
            out_of_time(part, seconds)
            if isinstance(future, Taken):
                ran = 0.0 if future.started is None else (self._ticks() - future.started) / 1e9
                part.attempt.queued = ran < seconds / 2
            if future.cancelled():
                attempt.rows = ()  # it keeps its place in the queue, and need not keep a request's memory
            return False
        except asyncio.CancelledError:
            if not future.cancelled() or caller_left():
                raise
            part.give_up("shed", "the model is being closed")
        return False

    def left(self, deadline: int, timeout: float) -> float:
        """Seconds to wait: until the caller's deadline, or the variant's own limit, whichever comes first."""
        return min(timeout, max(0.0, (deadline - self._ticks()) / 1e9))


def waited_out(part: Part, counts: Counts) -> bool:
    """See whether a request waited for the event loop longer than the variant it came to may take; then it is shed."""
    attempt, seconds = part.attempt, part.waited / 1e9
    if seconds <= attempt.variant.timeout:
        return False
    attempt.fail("shed", waited_too_long(seconds))
    attempt.retry_after = retry_after(seconds)
    counts.shed(attempt.variant.name, "loop")
    return True


def waited_too_long(seconds: float) -> str:
    """What is said of a request that waited so long for the event loop."""
    return f"the request waited {seconds * 1000:.4g} ms before anybody came to it"


def retry_after(seconds: float) -> int:
    """Seconds after which whoever was shed may ask again, where one had to wait so many."""
    return max(1, min(MAX_RETRY, math.ceil(seconds)))


def out_of_time(part: Part, seconds: float) -> None:
    """The attempt of a part had so many seconds for its answer, and they are over."""
    part.overdue = seconds < part.attempt.variant.timeout
    whose = " that the request left" if part.overdue else ""
    part.give_up("timeout", f"no answer within {seconds * 1000:.4g} ms{whose}")


def keep_time(part: Part, began: int, now: int) -> None:
    """See whether an attempt that ran on the event loop took longer than it would have been waited for elsewhere.

    Nobody could leave while it ran, so its answer is there; but a version that needs so long must not pass for one that
    keeps its time.

    Args:
        began, now: Ticks at which it began and ended.
    """
    attempt, taken = part.attempt, (now - began) / 1e9
    patience = attempt.variant.timeout
    if part.deadline is not None:
        patience = min(patience, (part.deadline - began) / 1e9)
    if taken > patience and attempt.refused is None:
        out_of_time(part, patience)


def caller_left() -> bool:
    """Whether the task that runs was cancelled itself, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _start(attempt: Attempt, seconds: float) -> "Future[None]":
    """Have the attempt computed elsewhere: in a thread, or by the remote server. Raises Shed."""
    engine = attempt.variant.engine
    if engine.remote is None:
        return attempt.variant.submit(attempt, seconds)
    return engine.send(engine.remote, attempt.ask(engine.remote, seconds))
