"""From a request to its answer and its rows.

A request is cut into *parts*: the instances that one variant was assigned to (nearly always there is one part). A part
is attempted by its variant; when that fails, by the default variant; when that fails too, the fallback answers, or
nobody does. Attempts of quick models run here and now on the event loop; the others wait in threads of their own model.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from seatrial.ledger.rows import AnsweredBy, Envelope, Status
from seatrial.protocol.features import Row
from seatrial.routing.assign import draw
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving.caching import PredictionCache
from seatrial.serving.deployed import Counts, Deployed
from seatrial.serving.lookups import attempt_of
from seatrial.serving.recalling import board, land, leave, recall, remember
from seatrial.serving.shadowing import Copy
from seatrial.serving.threads import Shed, Taken
from seatrial.serving.variant import Attempt, Variant
from seatrial.spec.errors import BadInput

FEW_ROWS = 64
"""Up to so many rows are read on the event loop; more are read in the model's thread."""

MANY_ROWS = 256
"""More rows than that are written down by a thread, so that the event loop gets its turn."""

ANSWERED: frozenset[AnsweredBy] = frozenset(("assigned", "default", "cache"))
"""How a variant's own answer is said to have come."""

MAX_RETRY = 60
"""Nobody who is shed is sent away for longer than so many seconds."""
_SAMPLE = b"features"
_NAMED = ("override", "explicit")
_FAILURES = ("error", "timeout")
"""What speaks against a version; a full queue does not."""

Shape = Callable[["Pending"], Any]


class Part:
    """The instances of a request that one variant was assigned to, on their way to an answer.

    Attributes:
        decision: Why that variant; the same for all of them.
        indices: Their places in the request.
        attempt: The attempt under way, or the one that decided.
        first: The assigned variant's own attempt.
        by: How it was answered; None while open.
        deadline: Ticks by which the caller wants an answer; None: whatever the variants' own limits allow.
        overdue: That time passed without one.
        unable: Why a variant, by name, cannot answer in the way that was asked.
    """

    __slots__ = (
        "attempt",
        "by",
        "deadline",
        "decision",
        "first",
        "indices",
        "keys",
        "overdue",
        "people",
        "rows",
        "unable",
    )

    def __init__(
        self,
        decision: Decision,
        variant: Variant,
        indices: Sequence[int],
        keys: Sequence[str | None],
        people: Sequence[Person],
        rows: Sequence[Row],
        places: Sequence[int | None] | None = None,
    ) -> None:
        self.decision = decision
        self.indices = indices
        self.keys = keys
        self.people = people
        self.rows = rows
        self.first = self.attempt = attempt_of(variant, rows, places, keys, people)
        self.by: AnsweredBy | None = None
        self.deadline: int | None = None
        self.overdue = False
        self.unable: Mapping[str, BadInput] = {}

    def is_unable(self) -> bool:
        """Whether the attempt is one of a variant that cannot answer in the way that was asked; then it has failed."""
        why = self.unable.get(self.attempt.variant.name)
        if why is None:
            return False
        self.attempt.refuse(why)
        return True

    def feed(self, rows: Sequence[Row]) -> None:
        """Go on with the rows that a transform made of the request's."""
        self.rows = rows
        self.first = self.attempt = attempt_of(self.first.variant, rows, None, self.keys, self.people)

    def settle(self, deployed: Deployed) -> None:
        """Look at the attempt that ended: answered, on to the next one, or the end of the ladder.

        Rows that the assigned variant refuses and the default one takes are that variant's failure, so that nobody is
        turned away for having been drawn into a test. A variant that the caller named himself refuses for itself.

        Raises:
            BadInput: The rows fit neither what the assigned variant takes nor what the default one does; after a miss
                it is enough that they do not fit the default.
        """
        attempt, first = self.attempt, self.first
        if deployed.transform is not None:
            first.refused = attempt.refused = None  # these rows are the transform's, and no caller sent them
        if attempt.read is not None:
            self.by = "default" if attempt is not first else "cache" if attempt.recalled else "assigned"
        elif first.refused is not None and attempt.refused is not None and self._last(deployed):
            raise first.refused
        elif attempt is first and attempt.variant is not deployed.default:
            self.attempt = attempt_of(deployed.default, self.rows, None, self.keys, self.people)
        elif attempt.refused is not None and first.status == "miss" and deployed.fallback is None:
            raise attempt.refused  # the default computes what the table lacks, and these rows do not fit it
        else:
            self.by = "none" if deployed.fallback is None else "fallback"

    def _last(self, deployed: Deployed) -> bool:
        """Nobody else may be asked whether the rows fit."""
        return self.attempt.variant is deployed.default or self.decision.reason in _NAMED

    def give_up(self, status: Status, error: str) -> None:
        """Stop waiting for the attempt. A thread may still be at it, so what counts from here on is another object."""
        waiting = self.attempt
        settled = Attempt(waiting.variant, self.rows)
        settled.probe = waiting.probe
        settled.encoded = waiting.encoded
        settled.fail(status, error)
        if self.first is waiting:
            self.first = settled
        self.attempt = settled

    def leave(self) -> None:
        """The caller is gone: nobody waits for what is still open."""
        if self.by is None:
            self.give_up("timeout", "the caller left before the answer")
            self.by = "none"


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


class Pending:
    """A request under way.

    Attributes:
        shape: Makes the answer of it once every part is closed.
        at: Server time of the decision, microseconds since 1970 UTC.
        started: Ticks at which it began.
        size: Bytes in which it came; 0 where nobody knows.
        fed: The deployment's transform has made its rows.
    """

    __slots__ = ("at", "deployed", "fed", "latency_us", "parts", "request_id", "sampled", "shape", "size", "started")

    def __init__(
        self,
        deployed: Deployed,
        request_id: str,
        at: int,
        started: int,
        parts: Sequence[Part],
        shape: Shape,
        size: int = 0,
    ) -> None:
        self.deployed = deployed
        self.request_id = request_id
        self.at = at
        self.started = started
        self.parts = parts
        self.shape = shape
        self.size = size
        self.latency_us = 0
        self.sampled = True
        self.fed = False


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

    def begin(self, pending: Pending) -> Any:
        """The answer, when every model is quick; else the same ``pending``, for `finish`.

        Raises:
            BadInput: A row does not fit.
            Unavailable: Nobody answered.
        """
        deployed = pending.deployed
        if deployed.transform is not None and not deployed.transform.now(pending):
            return pending
        for part in pending.parts:
            if not self._advance_now(part, deployed):
                return pending
        self._count(pending)
        self._write(pending)
        self._offer_copies(pending)
        return pending.shape(pending)

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
                    await deployed.transform.later(pending, self._left)
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
                self._write(pending)
            else:
                await asyncio.get_running_loop().run_in_executor(None, self._write, pending)
            if left is not None:
                raise left
            self._offer_copies(pending)
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
            if part.unable and part.is_unable():
                pass
            elif variant.cache is None or blocked or not self._recall(attempt):
                if not variant.engine.fits(rows):
                    return False
                if not blocked or self._tries(attempt):
                    self._run(attempt)
            self._end_attempt(part, deployed)
        return True

    def _recall(self, attempt: Attempt) -> bool:
        """Settle the attempt with an answer that its variant has kept; only short requests are looked for."""
        cache = attempt.variant.cache
        return cache is not None and len(attempt.rows) <= FEW_ROWS and recall(attempt, cache, self._ticks())

    def _run(self, attempt: Attempt) -> None:
        attempt.run()
        if attempt.key is not None and attempt.variant.cache is not None:
            remember(attempt, attempt.variant.cache, self._ticks())

    async def _advance(self, part: Part, deployed: Deployed) -> None:
        rows = len(part.rows)
        while part.by is None:
            attempt = part.attempt
            variant = attempt.variant
            blocked = variant.breaker.blocked
            recalled = variant.cache is not None and not blocked and self._recall(attempt)
            if part.unable and part.is_unable():
                pass
            elif not recalled and (not blocked or self._tries(attempt)):
                if variant.engine.fits(rows):
                    self._run(attempt)
                else:
                    await self._run_in_thread(part, deployed.counts)
            self._end_attempt(part, deployed)

    def _tries(self, attempt: Attempt) -> bool:
        """Whether a breaker that is not closed lets this attempt try; otherwise it has failed."""
        breaker, now = attempt.variant.breaker, self._ticks()
        attempt.probe = breaker.admits(now)
        if not attempt.probe:
            attempt.retry_after = breaker.retry_after(now)
            if breaker.locked:
                attempt.fail("quarantine", breaker.locked)
            else:
                attempt.fail("breaker", f"it kept failing and is left alone for {attempt.retry_after} s")
        return attempt.probe

    def _end_attempt(self, part: Part, deployed: Deployed) -> None:
        """Tell the breaker how the attempt went, then settle what follows of it. Raises as `Part.settle`."""
        attempt = part.attempt
        if attempt.read is None or attempt.probe or attempt is not part.first:
            self._tell_breaker(attempt, part, deployed)
        part.settle(deployed)

    def _tell_breaker(self, attempt: Attempt, part: Part, deployed: Deployed) -> None:
        variant, breaker = attempt.variant, attempt.variant.breaker
        if attempt.recalled:
            return  # the model was not asked, or whoever asked it says how that went
        if attempt.read is not None:
            breaker.stood_in += attempt is not part.first
            if attempt.probe:
                breaker.passed()
        elif attempt.status in _FAILURES and attempt.refused is None and not part.overdue and not attempt.queued:
            answered = deployed.counts.answered_itself(variant.name) + breaker.stood_in
            inputs = attempt.digest() if attempt.status == "error" else None
            breaker.failed(self._ticks(), answered, probe=attempt.probe, inputs=inputs)
        elif attempt.probe:
            breaker.withdrawn()

    async def _run_in_thread(self, part: Part, counts: Counts) -> None:
        attempt = part.attempt
        if attempt.encoded is None and len(attempt.rows) <= FEW_ROWS and not attempt.read_rows():
            return
        variant = attempt.variant
        seconds = variant.timeout if part.deadline is None else self._left(part.deadline, variant.timeout)
        try:
            if attempt.key is None or variant.cache is None:
                future = _start(attempt, seconds)
                await self._wait(part, future, asyncio.wrap_future(future), seconds)
            else:
                await self._fly(part, variant.cache, seconds)
        except Shed as error:
            attempt.fail("shed", str(error))
            attempt.retry_after = max(1, min(MAX_RETRY, math.ceil(error.seconds)))
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
            part.overdue = seconds < timeout
            whose = " that the request left" if part.overdue else ""
            part.give_up("timeout", f"no answer within {seconds * 1000:.4g} ms{whose}")
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

    def _left(self, deadline: int, timeout: float) -> float:
        """Seconds to wait: until the caller's deadline, or the variant's own limit, whichever comes first."""
        return min(timeout, max(0.0, (deadline - self._ticks()) / 1e9))

    def _count(self, pending: Pending) -> None:
        """Count a request's rows as served, before its answer is sent, so that none can go missing unnoticed."""
        counts = pending.deployed.counts
        pending.latency_us = latency_us = (self._ticks() - pending.started) // 1000
        for part in pending.parts:
            first = part.first
            counts.add(counts.served, len(part.rows))
            counts.answered(first.variant.name, part.decision.reason, part.by or "none", first.status, latency_us)
            encoded = first.encoded
            if encoded is not None:
                if encoded.unseen:
                    counts.add(counts.unseen, encoded.unseen)
                if encoded.extra:
                    counts.add(counts.extra, encoded.extra)
        if self._watch is not None:
            self._watch(pending)

    def _write(self, pending: Pending) -> None:
        sample = pending.deployed.snapshot.log.sample
        pending.sampled = sample >= 1.0 or draw(_SAMPLE, pending.request_id.encode()) < sample
        for part in pending.parts:
            _write_part(pending, part, part.by or "none")

    def _offer_copies(self, pending: Pending) -> None:
        """Give the shadows their copies once the event loop has sent the answer."""
        deployed = pending.deployed
        if not deployed.lanes or (deployed.transform is not None and not pending.fed):
            return
        for part in pending.parts:
            for shadow in deployed.router.shadows(part.decision, pending.request_id):
                copy = Copy(
                    shadow,
                    part.decision,
                    pending.request_id,
                    pending.at,
                    part.indices,
                    part.keys,
                    part.people,
                    part.rows,
                    pending.sampled,
                    pending.size,
                )
                asyncio.get_running_loop().call_soon(deployed.lanes[shadow.variant].offer, copy)


def _write_part(pending: Pending, part: Part, by: AnsweredBy) -> None:
    deployed, decision, first = pending.deployed, part.decision, part.first
    answering = part.attempt if by in ANSWERED else None
    logged = answering or first
    variant = logged.variant
    prediction = deployed.fallback_predictions.get(variant.name) if by == "fallback" else None
    answered, version = (variant.name, variant.version) if answering else ("", "")
    for position, index in enumerate(part.indices):
        person = part.people[position]
        envelope = Envelope(
            pending.request_id,
            index,
            "answer",
            part.keys[position],
            pending.at,
            person.unit,
            person.named,
            decision.entry,
            decision.reason,
            decision.variant,
            first.variant.version,
            by,
            answered,
            version,
            decision.propensity,
            decision.contested,
            decision.release,
            decision.phase,
            deployed.revision,
            first.status,
            first.error,
            pending.latency_us,
        )
        variant.write(envelope, person, logged, position, sampled=pending.sampled, prediction=prediction)
