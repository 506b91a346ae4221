"""Copies for a shadow: after the answer, through a bounded queue, in a thread of the shadow's own.

A shadow that hangs fills its queue and loses copies, which are counted; it cannot hold anything else up. It takes part
of the time that live requests leave (`leisure`), in small pieces. An answer that took longer than the variant's
``timeout`` is a failure, as it would be for a caller. Breakers are not asked.

A remote shadow is asked several copies at once, at most `ASKED`, because a slow server answers them beside each other;
live calls of the same server have places of their own.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, overload

from seatrial.ledger.rows import Envelope
from seatrial.models.remote import RemoteRuntime
from seatrial.protocol.features import Row
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.routing.snapshot import Shadow
from seatrial.serving.leisure import Leisure, clocks_beside
from seatrial.serving.lookups import attempt_of
from seatrial.serving.recording import Recorder
from seatrial.serving.shadow_batch import breathe, most_rows, run_together
from seatrial.serving.variant import Attempt, Variant

MAX_COPIES = 1000
MAX_ROWS = 20_000
MAX_BYTES = 32 << 20
"""Bounds of one shadow's queue: requests, rows in them, and the bytes in which they came."""

ASKED = 16
"""Copies that a remote shadow has under way at once."""


class Copy(NamedTuple):
    """A request, or the part of it that one variant was assigned to, for a shadow; ``size`` is the request's bytes."""

    shadow: Shadow
    decision: Decision
    request_id: str
    at: int
    indices: Sequence[int]
    keys: Sequence[str | None]
    people: Sequence[Person]
    rows: Sequence[Row]
    sampled: bool
    size: int


class BodyRows(Sequence[Row]):
    """The one row of a plain body, read when the shadow comes to it.

    Args:
        body: As it came.
        read: Gives its row.
    """

    __slots__ = ("_body", "_read", "_row")

    def __init__(self, body: bytes, read: Callable[[bytes], Row]) -> None:
        self._body = body
        self._read = read
        self._row: Row | None = None

    def __len__(self) -> int:
        return 1

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if self._row is None:
            self._row = self._read(self._body)
        return (self._row,)[index]


class ShadowLane:
    """One shadow's queue and thread, and what its server has under way where it is remote.

    Args:
        variant: The shadow.
        deployment, revision: What it shadows in.
        recorder: Where its rows and counts go.
    """

    def __init__(self, variant: Variant, deployment: str, revision: int, recorder: Recorder) -> None:
        self._variant = variant
        self._revision = revision
        self._recorder = recorder
        self._queue: deque[Copy] = deque()
        self._rows = 0
        self._bytes = 0
        self._busy = 0
        self._remote = variant.engine.remote
        self._asked: set[Future[None]] = set()
        self._ended: deque[tuple[Copy, Attempt, int]] = deque()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._served = recorder.served_slot(deployment, "shadow")
        labels = {"deployment": deployment, "variant": variant.name}
        self._delivered, self._dropped, self._failed = (
            recorder.slot("shadow_total", **labels, result=result) for result in ("delivered", "dropped", "failed")
        )

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        with self._condition:
            return not (self._queue or self._busy or self._asked or self._ended)

    @property
    def waiting(self) -> int:
        """Copies that wait."""
        return len(self._queue)

    def offer(self, copy: Copy) -> bool:
        """Queue a copy; False when the queue is full (the copy is dropped and counted). Never blocks."""
        with self._condition:
            if self._closed or self._is_full(copy):
                self._recorder.add_shared(self._dropped)
                return False
            self._queue.append(copy)
            self._rows += len(copy.rows)
            self._bytes += copy.size
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, args=(threading.get_ident(),), name=f"shadow-{self._variant.name}", daemon=True
                )
                self._thread.start()
            if len(self._queue) == 1:  # else it is at work, and looks again
                self._condition.notify()
            return True

    def close(self) -> None:
        """Take no more; what waits is still delivered by the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def abandon(self) -> None:
        """Drop and count what waits, and what a server has not answered yet."""
        with self._condition:
            self._closed = True
            lost = len(self._queue)
            self._queue.clear()
            self._rows = self._bytes = 0
            self._condition.notify()
            asked = list(self._asked)
        for call in asked:
            call.cancel()
        self._recorder.add_shared(self._dropped, lost)

    def _is_full(self, copy: Copy) -> bool:
        return (
            len(self._queue) >= MAX_COPIES
            or self._rows + len(copy.rows) > MAX_ROWS
            or self._bytes + copy.size > MAX_BYTES
        )

    def _work(self, loop: int) -> None:
        """Deliver what comes; ``loop`` is the thread that the live requests are answered in."""
        clocks = clocks_beside(loop)
        leisure = Leisure(clocks) if clocks is not None else None
        while True:
            if leisure is not None and (pause := leisure.pause()):
                time.sleep(pause)
                continue
            with self._condition:
                while not (self._ended or (self._queue and len(self._asked) < ASKED)):
                    if self._closed and not self._asked:
                        return
                    self._condition.wait()
                ended = self._ended.popleft() if self._ended else None
                copies: Sequence[Copy] = () if ended else self._take()
                self._busy = 1
            try:
                if ended is not None:
                    self._book(*ended)
                elif self._remote is None:
                    self._deliver(copies)
                else:
                    self._ask(self._remote, copies[0])
            finally:
                self._busy = 0

    def _ask(self, remote: RemoteRuntime, copy: Copy) -> None:
        """Have the server answer a copy; it is booked when that ended."""
        variant, started = self._variant, time.perf_counter_ns()
        attempt = self._attempt(copy)
        if variant.breaker.locked:
            attempt.fail(variant.breaker.locked_as, variant.breaker.locked)
        if attempt.status != "ok" or not attempt.read_rows():
            self._book(copy, attempt, 0)
            return
        call = remote.send(attempt.ask(remote, variant.timeout))
        with self._condition:
            self._asked.add(call)
        call.add_done_callback(lambda done: self._answered(done, copy, attempt, started))

    def _answered(self, call: "Future[None]", copy: Copy, attempt: Attempt, started: int) -> None:
        """The server's event loop says that a call ended; one that was taken back is a copy dropped."""
        taken = time.perf_counter_ns() - started
        if call.cancelled():
            self._recorder.add_shared(self._dropped)
        with self._condition:
            self._asked.discard(call)
            if not call.cancelled():
                self._ended.append((copy, attempt, taken // 1000))
            self._condition.notify()

    def _attempt(self, copy: Copy) -> Attempt:
        return attempt_of(self._variant, copy.rows, None, copy.keys, copy.people)

    def _take(self) -> list[Copy]:
        """The oldest copy, and those behind it that may be computed with it."""
        copies: list[Copy] = []
        rows, most = 0, most_rows(self._variant)
        while self._queue and (not copies or rows + len(self._queue[0].rows) <= most):
            copy = self._queue.popleft()
            copies.append(copy)
            rows += len(copy.rows)
            self._bytes -= copy.size
        self._rows -= rows
        return copies

    def _deliver(self, copies: Sequence[Copy]) -> None:
        attempts = [self._attempt(copy) for copy in copies]
        started = time.perf_counter_ns()
        locked = self._variant.breaker.locked
        if locked:
            for attempt in attempts:
                attempt.fail(self._variant.breaker.locked_as, locked)
        else:
            run_together(self._variant, attempts)
        taken = time.perf_counter_ns() - started
        if self._variant.batching is not None and not locked:
            self._variant.batching.note(sum(len(copy.rows) for copy in copies), taken)
        for copy, attempt in zip(copies, attempts, strict=True):
            breathe()
            self._book(copy, attempt, taken // 1000)

    def _book(self, copy: Copy, attempt: Attempt, latency_us: int) -> None:
        if attempt.read is not None and latency_us > self._variant.timeout * 1e6:
            attempt.fail("timeout", f"it took {latency_us / 1000:.4g} ms, which nobody would have waited for")
        self._recorder.add_shared(self._served, len(copy.rows))
        for position in range(len(copy.rows)):
            self._write(copy, attempt, position, latency_us)
        self._recorder.add_shared(self._failed if attempt.read is None else self._delivered)

    def _write(self, copy: Copy, attempt: Attempt, position: int, latency_us: int) -> None:
        variant, person, read = self._variant, copy.people[position], attempt.read
        envelope = Envelope(
            request_id=copy.request_id,
            row=copy.indices[position],
            role="shadow",
            key=copy.keys[position],
            at=copy.at,
            unit=person.unit,
            unit_named=person.named,
            entry=copy.decision.entry,
            reason=copy.decision.reason,
            variant=variant.name,
            assigned_version=variant.version,
            answered_by="none" if read is None else "assigned",
            answered="" if read is None else variant.name,
            version="" if read is None else variant.version,
            propensity=0.0,
            contested=False,
            release=copy.shadow.release,
            phase=copy.decision.phase,
            revision=self._revision,
            status=attempt.status,
            error=attempt.error,
            latency_us=latency_us,
        )
        variant.write(envelope, person, attempt, position, sampled=copy.sampled)
