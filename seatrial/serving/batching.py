"""Calls of one loaded model that run together: an idle model runs a call at once, a busy one lets a batch form.

While a batch runs, the calls that come wait; whoever finishes takes those that fit together, oldest first, as the next
batch. So the size of a batch follows the load, and nobody waits for company that may not come (unless the variant asks
for that with ``delay``).

Calls are merged when they are of one *kind*: of one variant, so of one version, with tensors of the same shapes but for
the number of rows. One thread more than those that run keeps watch: when a batch takes much longer than usual, the
calls that wait are not held up by it, and the next batch starts beside it.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Protocol

from seatrial.models.runtimes import Tensors
from seatrial.serving.threads import Beside, Shed, Taken, Threads, too_long

FIRST_ROWS = 4
"""The size of a batch at first; it doubles while batches stay well within the variant's timeout."""

_WEIGHT = 0.2


class Call(Protocol):
    """What may be merged: rows that want an answer. Whatever goes wrong is kept, never raised."""

    def run(self) -> None:
        """Answer it by itself."""
        ...

    def take(self, outputs: Tensors, rows: int) -> None:
        """Read its answer out of its rows of a batch's outputs."""
        ...

    def blame(self, error: str) -> None:
        """Count a failure as this call's, though it has its answer."""
        ...

    @property
    def answered(self) -> bool:
        """It has its answer."""
        ...


class Counted(Protocol):
    """Where a variant's batches are counted; told by any thread."""

    def ran(self, rows: int) -> None:
        """The model was asked for so many rows at once."""
        ...

    def waited(self, nanoseconds: int) -> None:
        """The oldest call of a batch waited so long for its start."""
        ...


class Marked(Protocol):
    """Where a variant says that its model runs, in case that ends the process."""

    def on(self) -> None: ...
    def off(self) -> None: ...


class Batching:
    """How the calls of one variant are batched.

    The file's ``rows`` is the most. A model that does not gain from batches would let the first caller of a large one
    wait for all of it, so a batch may take a quarter of the variant's ``timeout``, and shrinks when it takes half.

    Args:
        rows: The most rows of one batch.
        delay: Seconds that an idle model waits for company.
        timeout: Seconds that a caller waits.
        underway: Told when a batch begins, and when it ended.

    Attributes:
        size: How many rows a batch may have, now.
    """

    def __init__(
        self, rows: int, delay: float, timeout: float, counts: Counted, underway: Marked | None = None
    ) -> None:
        self.underway = underway
        self.delay = int(delay * 1e9)
        self.timeout = int(timeout * 1e9)
        self.size = min(rows, FIRST_ROWS)
        self.counts = counts
        self._most = rows

    def note(self, rows: int, taken: int) -> None:
        """A batch of so many rows took so many nanoseconds."""
        if taken > self.timeout // 2:
            self.size = max(1, min(self.size, rows) // 2)
        elif rows >= self.size and taken <= self.timeout // 4:
            self.size = min(self._most, 2 * self.size)

    def ticket(self, call: Call, tensors: Tensors, rows: int) -> "Ticket":
        """A call of this variant. Only those of equal shapes, but for the number of rows, are merged."""
        shapes = tuple((name, tensor.dtype, tensor.shape[1:]) for name, tensor in tensors.items())
        return Ticket(call, tensors, rows, (self, shapes), self)


class Ticket:
    """A call that waits for its turn.

    Attributes:
        future: Done when the call was answered. Its caller cancels it when he leaves; then it is not computed.
        kind: Calls of equal kinds may be merged.
        since: Ticks at which it came.
    """

    __slots__ = ("batching", "call", "future", "kind", "rows", "since", "tensors")

    def __init__(self, call: Call, tensors: Tensors, rows: int, kind: Hashable, batching: Batching) -> None:
        self.call = call
        self.tensors = tensors
        self.rows = rows
        self.kind = kind
        self.batching = batching
        self.future: Taken[None] = Taken()
        self.since = 0

    def tell(self, error: BaseException | None = None) -> None:
        """Its turn is over; tell its caller, if he is still there."""
        future = self.future
        if not future.done() and (future.running() or future.set_running_or_notify_cancel()):
            future.set_result(None) if error is None else future.set_exception(error)


class Batches:
    """The calls that wait for one model.

    Args:
        threads: Where batches run; a call that waits or runs holds one of their places.
        answer: Answers tickets of one kind, all of them, and never raises; gives back those still to be told.
        abreast: Batches that run at once while they are as quick as usual: the cores that this process has for it.
        ticks: Monotonic nanoseconds.
    """

    def __init__(
        self,
        threads: Threads,
        answer: Callable[[Sequence[Ticket]], Sequence[Ticket]],
        *,
        abreast: int,
        ticks: Callable[[], int],
    ) -> None:
        self._threads = threads
        self._answer = answer
        self._abreast = min(abreast, threads.size)
        self._ticks = ticks
        self._changed = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._since: dict[int, int] = {}
        self._coming = 0
        self._watched = False
        self._usual = 0
        self._closed = False

    @property
    def running(self) -> int:
        """Batches that run now."""
        return len(self._since)

    @property
    def beside(self) -> Beside:
        """What a call that runs alone waits for: the threads are the same."""
        with self._changed:
            if not self._since:
                return Beside()
            return Beside(tuple(self._since.values()), self._batches_before(1) - 1, self._usual / 1e9)

    def join(self, ticket: Ticket, patience: float | None = None) -> Taken[None]:
        """Wait for a turn.

        Args:
            patience: Seconds that the caller waits; None: for ever.

        Raises:
            Shed: Too many wait, it would be answered later than the caller waits, or the model is being closed.
        """
        wait, lasts = self._expected(ticket.rows)
        self._threads.admit(wait)
        try:
            if patience is not None and wait > 0 and wait + lasts > patience:
                raise too_long(self._threads.held - 1, wait, lasts, patience)
            with self._changed:
                if self._closed:
                    raise Shed("closing", "the model is being closed")
                if not self._watched and not self._coming:
                    self._call_thread()
                ticket.since = self._ticks()
                self._waiting.append(ticket)
                if self._watched and self._to_wait(ticket.since) <= 0:
                    self._changed.notify()
        except Shed:
            self._threads.release()
            raise
        return ticket.future

    def close(self) -> None:
        """Take no more, and cancel what waits."""
        with self._changed:
            self._closed = True
            for ticket in self._waiting:
                ticket.future.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def _expected(self, rows: int) -> tuple[float, float]:
        """Seconds until a new call's batch would start and then last, about: of those before it each as long as usual.

        Those that run now last no less than they have lasted already, so that a model which stopped answering is
        noticed though nothing comes back from it.
        """
        with self._changed:
            others = self._threads.running
            busy = len(self._since) + others
            if not busy or (len(self._since) < self._abreast and busy < self._threads.size):
                return 0.0, self._usual / 1e9
            before = self._batches_before(rows)
            youngest = max(*self._since.values(), self._threads.youngest, 0)
            each = max(self._usual, self._ticks() - youngest) / 1e9
            return each * before / busy, each

    def _batches_before(self, rows: int) -> int:
        """Batches that run, one after the other, before one more call of so many rows is in one."""
        size = self._waiting[0].batching.size if self._waiting else rows
        return 1 + sum(ticket.rows for ticket in self._waiting) // max(1, size)

    def _call_thread(self) -> None:
        self._threads.start(self._work)
        self._coming += 1

    def _work(self) -> None:
        with self._changed:
            self._coming -= 1
        while self._waiting and (tickets := self._next()):
            started = self._ticks()
            for ticket in tickets:
                ticket.future.started = started
            tickets[0].batching.counts.waited(started - tickets[0].since)
            answered: Sequence[Ticket] = ()
            try:
                answered = self._answer(tickets)
            finally:
                self._over(tickets, self._ticks() - started)
            for ticket in answered:  # not before it is over: they may ask again, and should find the model idle
                ticket.tell()

    def _next(self) -> list[Ticket] | None:
        """The next batch, when it may start; None when somebody else looks after what waits, or nothing does."""
        with self._changed:
            while self._waiting:
                to_wait = self._to_wait(self._ticks())
                if to_wait <= 0:
                    if taken := self._take():
                        return taken
                elif self._watched:
                    return None
                else:
                    self._watched = True
                    self._changed.wait(to_wait / 1e9)
                    self._watched = False
            return None

    def _take(self) -> list[Ticket]:
        """The oldest call and those that may be merged with it; callers who left are dropped."""
        waiting = [ticket for ticket in self._waiting if not ticket.future.cancelled()]
        self._threads.release(len(self._waiting) - len(waiting))
        taken, kept = _first_batch(waiting)
        self._waiting = deque(kept)
        if taken:
            self._since[threading.get_ident()] = self._ticks()
        if kept and not self._watched and not self._coming:
            with suppress(Shed):  # being closed: what waits is cancelled
                self._call_thread()
        return taken

    def _to_wait(self, now: int) -> int:
        """Nanoseconds until the oldest call's batch may start."""
        oldest = self._waiting[0]
        if len(self._since) < self._abreast:
            delay = oldest.batching.delay
            return 0 if not delay or self._is_full(oldest) else oldest.since + delay - now
        return oldest.since + max(oldest.batching.delay, self._patience(oldest)) - now

    def _is_full(self, oldest: Ticket) -> bool:
        rows = sum(ticket.rows for ticket in self._waiting if ticket.kind == oldest.kind)
        return rows >= oldest.batching.size

    def _patience(self, oldest: Ticket) -> int:
        """How long a call waits for the batches that run: longer than they usually take, and not for ever."""
        usual, quarter = self._usual, oldest.batching.timeout // 4
        return min(4 * usual, max(2 * usual, quarter)) if usual else quarter

    def _over(self, tickets: Sequence[Ticket], taken: int) -> None:
        tickets[0].batching.note(sum(ticket.rows for ticket in tickets), taken)
        with self._changed:
            del self._since[threading.get_ident()]
            self._usual += int((taken - self._usual) * (_WEIGHT if self._usual else 1.0))
        self._threads.release(len(tickets))


def _first_batch(waiting: Sequence[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
    """The oldest call with those after it that may be merged with it, and the rest; both in order.

    A call of its kind that does not fit any more ends the batch, so that nobody overtakes his own kind.
    """
    taken: list[Ticket] = []
    kept: list[Ticket] = []
    rows, full = 0, False
    for ticket in waiting:
        if taken and (ticket.kind != taken[0].kind or full or rows + ticket.rows > ticket.batching.size):
            full = full or ticket.kind == taken[0].kind
            kept.append(ticket)
        else:
            taken.append(ticket)
            rows += ticket.rows
    return taken, kept
