"""From a request to its answer and its rows.

A part of a request is attempted by its variant; when that fails, by the default variant; when that fails too, the
fallback answers, or nobody does. Attempts of quick models run here and now on the event loop; the others wait in
threads of their own model.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from seatrial.serving.booking import count, offer_copies, write
from seatrial.serving.deployed import Deployed
from seatrial.serving.parts import Part, Pending
from seatrial.serving.recalling import recall, remember
from seatrial.serving.trying import tell_breaker, tries
from seatrial.serving.variant import Attempt
from seatrial.serving.waiting import FEW_ROWS, Waiting, keep_time, out_of_time, waited_out

MANY_ROWS = 256
"""More rows than that are written down by a thread, so that the event loop gets its turn."""


class Answering:
    """Takes requests through their attempts and books them.

    Args:
        ticks: Monotonic nanoseconds.
        watch: Told of every request that was answered, or that nobody answered, before the answer is made.
    """

    def __init__(
        self, ticks: Callable[[], int] = time.perf_counter_ns, watch: Callable[[Pending], None] | None = None
    ) -> None:
        self._ticks = ticks
        self._watch = watch
        self._waiting = Waiting(ticks)

    def begin(self, pending: Pending) -> Any:
        """The answer, when every model is quick; else the same ``pending``, for `finish`.

        Raises:
            BadInput: A row does not fit.
            Unavailable: Nobody answered.
        """
        deployed = pending.deployed
        if deployed.transform is not None and not deployed.transform.now(pending, self._ticks):
            return pending
        for part in pending.parts:
            if not self._advance_now(part, deployed):
                return pending
        self._count(pending)
        write(pending)
        offer_copies(pending)
        return pending.shape(pending)

    def resume(self, pending: Pending) -> Any:
        """As `begin`, of a request whose attempts have been made already, and came to nothing."""
        for part in pending.parts:
            self._end_attempt(part, pending.deployed)
        return self.begin(pending)

    async def finish(self, pending: Pending) -> Any:
        """Await what runs in threads, then answer. Raises as `begin`.

        A caller who leaves cancels it: what still waits for him is not computed, and his rows say that he left.
        """
        deployed = pending.deployed
        deployed.pending += 1
        left: asyncio.CancelledError | None = None
        try:
            try:
                if deployed.transform is not None and not pending.fed:
                    await deployed.transform.later(pending, self._waiting.left)
                if len(pending.parts) == 1:
                    await self._advance(pending.parts[0], deployed)
                else:
                    await asyncio.gather(*(self._advance(part, deployed) for part in pending.parts))
            except asyncio.CancelledError as error:
                left = error
                for part in pending.parts:
                    part.leave()
            self._count(pending)
            if sum(len(part.rows) for part in pending.parts) <= MANY_ROWS:
                write(pending)
            else:
                await asyncio.get_running_loop().run_in_executor(None, write, pending)
            if left is not None:
                raise left
            offer_copies(pending)
            return pending.shape(pending)
        finally:
            deployed.pending -= 1

    def _advance_now(self, part: Part, deployed: Deployed) -> bool:
        """Close the part if that takes no thread; False when it does."""
        rows = len(part.rows)
        while part.by is None:
            attempt = part.attempt
            variant = attempt.variant
            blocked = variant.breaker.blocked
            if (part.unable and part.is_unable()) or (part.waited and waited_out(part, deployed.counts)):
                pass
            elif variant.cache is None or blocked or not self._recall(attempt):
                if not variant.engine.fits(rows):
                    return False
                if not blocked or tries(attempt, self._ticks()):
                    self._run(part)
            self._end_attempt(part, deployed)
        return True

    def _recall(self, attempt: Attempt) -> bool:
        """Settle the attempt with an answer that its variant has kept; only short requests are looked for."""
        cache = attempt.variant.cache
        return cache is not None and len(attempt.rows) <= FEW_ROWS and recall(attempt, cache, self._ticks())

    def _run(self, part: Part) -> None:
        """Run the attempt of a part here and now; it has no more time than in a thread."""
        attempt, began = part.attempt, self._ticks()
        if part.deadline is not None and began >= part.deadline:
            out_of_time(part, 0.0)
            return
        attempt.run()
        now = self._ticks()
        keep_time(part, began, now)
        if attempt.key is not None and attempt.variant.cache is not None:
            remember(part.attempt, attempt.variant.cache, now)  # another one where it was late: nothing to keep

    async def _advance(self, part: Part, deployed: Deployed) -> None:
        rows = len(part.rows)
        while part.by is None:
            attempt = part.attempt
            variant = attempt.variant
            blocked = variant.breaker.blocked
            recalled = variant.cache is not None and not blocked and self._recall(attempt)
            if (part.unable and part.is_unable()) or (part.waited and waited_out(part, deployed.counts)):
                pass
            elif not recalled and (not blocked or tries(attempt, self._ticks())):
                if variant.engine.fits(rows):
                    self._run(part)
                else:
                    await self._waiting.run(part, deployed.counts)
            self._end_attempt(part, deployed)

    def _end_attempt(self, part: Part, deployed: Deployed) -> None:
        """Tell the breaker how the attempt went, then settle what follows of it. Raises as `Part.settle`."""
        attempt = part.attempt
        if attempt.read is None or attempt.probe or attempt is not part.first:
            tell_breaker(attempt, part, deployed, self._ticks())
        part.settle(deployed)

    def _count(self, pending: Pending) -> None:
        count(pending, self._ticks())
        if self._watch is not None:
            self._watch(pending)
