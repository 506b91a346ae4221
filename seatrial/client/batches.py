"""Hands items over in batches from a thread of its own; each item's future says when the gateway has it durably.

Bounded: when ``capacity`` items wait, another is refused aloud, so that nothing is lost in silence. A batch that the
gateway refuses is halved until only the bad item fails. A failure that the caller does not take from its future is
raised by the next ``flush`` or by ``close``.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any

from seatrial.client.messages import Call, Reply, read_json
from seatrial.spec.errors import BadInput, SeatrialError, Unavailable

MOST_FAILURES = 10_000
"""Failures that are kept with their reasons until somebody looks at them; more are counted."""


class Delivery(Future[None]):
    """Done when the gateway has the item; it tells when its caller has taken how that went."""

    def __init__(self, taken: Callable[["Delivery"], None]) -> None:
        super().__init__()
        self._taken = taken

    def result(self, timeout: float | None = None) -> None:
        try:
            super().result(timeout)
        finally:
            self._tell()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        try:
            return super().exception(timeout)
        finally:
            self._tell()

    def _tell(self) -> None:
        if self.done():
            self._taken(self)


Item = tuple[Mapping[str, Any], Delivery]


class Batches:
    """A queue of bodies and the thread that sends them.

    Args:
        name: What the items are, for messages.
        send: Sends a call within a time; raises Unavailable.
        to_call: A call out of a batch of bodies.
        size: Most items a batch.
        linger: Seconds to wait for a batch to fill.
        capacity: Most items waiting.
        patience: Seconds for which a batch is tried before its futures fail.
        address: Where they go, for messages.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[Call, float], Reply],
        to_call: Callable[[Sequence[Mapping[str, Any]]], Call],
        *,
        size: int = 500,
        linger: float = 0.02,
        capacity: int = 20_000,
        patience: float = 60.0,
        address: str = "the gateway",
    ) -> None:
        self._name = name
        self._send = send
        self._to_call = to_call
        self._size = size
        self._linger = linger
        self._capacity = capacity
        self._patience = patience
        self._address = address
        self._failures: dict[Delivery, SeatrialError] = {}
        self._more_failures = 0
        self._waiting: deque[Item] = deque()
        self._under_way: list[Item] = []
        self._changed = threading.Condition()
        self._closed = False
        self._hurry = False
        self._thread: threading.Thread | None = None

    def add(self, body: Mapping[str, Any]) -> Future[None]:
        """Queue an item; its future is done when the gateway has it durably.

        Raises:
            Unavailable: Too many wait already, or the client is closed.
        """
        future = Delivery(self._look_away)
        with self._changed:
            if self._closed:
                raise Unavailable(f"the client is closed; this {self._name} was not taken")
            if len(self._waiting) + len(self._under_way) >= self._capacity:
                raise Unavailable(f"{self._capacity} {self._name}s wait for the gateway; this one was not taken")
            self._waiting.append((body, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"seatrial-{self._name}s", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    def flush(self, timeout: float) -> None:
        """Wait until everything queued is handed over or has failed.

        Raises:
            Unavailable: Some still wait after ``timeout`` seconds, or could not be handed over.
            BadInput: Some were refused since the last time, and nobody has taken that from their futures.
        """
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._waiting and not self._under_way, timeout)
            self._hurry = False
            left = len(self._waiting) + len(self._under_way)
        failed = self._take_failures()
        if not done:
            still = f"still {'waits' if left == 1 else 'wait'} for {self._address} after {round(timeout, 1):g} s"
            waiting = f"{_count(left, self._name)} {still}"
            also = f"; before that {failed}" if failed else ""
            raise Unavailable(f"{waiting}; is it up? `seatrial up` starts it{also}")
        if failed is not None:
            raise failed

    def close(self, timeout: float) -> None:
        """Hand over what waits, then stop; safe to repeat.

        Raises:
            Unavailable: Some could not be handed over; their futures have failed.
            BadInput: As `flush`.
        """
        try:
            self.flush(timeout)
        finally:
            with self._changed:
                self._closed = True
                left = [*self._under_way, *self._waiting]
                self._waiting.clear()
                self._changed.notify_all()
            error = Unavailable(f"the client was closed before this {self._name} was handed over")
            for _, future in left:
                with contextlib.suppress(InvalidStateError):
                    future.set_exception(error)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            self._deliver(batch)
            with self._changed:
                self._under_way = []
                self._changed.notify_all()

    def _next(self) -> list[Item] | None:
        """The next batch: full, or as old as ``linger``; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed and not self._waiting:
                return None
            enough = time.monotonic() + self._linger
            full = lambda: len(self._waiting) >= self._size or self._hurry or self._closed  # noqa: E731
            self._changed.wait_for(full, max(0.0, enough - time.monotonic()))
            batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            self._under_way = batch
            return batch

    def _deliver(self, batch: list[Item]) -> None:
        """Send a batch; of one that is refused only the bad items fail."""
        if not batch:
            return
        try:
            read_json(self._send(self._to_call([body for body, _ in batch]), self._patience))
        except BadInput as error:
            if len(batch) == 1:
                self._fail(batch, error)
                return
            middle = len(batch) // 2
            self._deliver(batch[:middle])
            self._deliver(batch[middle:])
        except SeatrialError as error:
            self._fail(batch, error)
        except Exception as error:  # noqa: BLE001 (the thread must live, and the callers must hear of it)
            self._fail(batch, Unavailable(f"{type(error).__name__}: {error}"))
        else:
            for _, future in batch:
                with contextlib.suppress(InvalidStateError):  # cancelled, or given up by close
                    future.set_result(None)

    def _fail(self, batch: Sequence[Item], error: SeatrialError) -> None:
        for _, future in batch:
            with self._changed:  # noted first: who waits for the future looks at once
                if len(self._failures) < MOST_FAILURES:
                    self._failures[future] = error
                else:
                    self._more_failures += 1
            try:
                future.set_exception(error)
            except InvalidStateError:  # cancelled, or given up by close
                self._look_away(future)

    def _look_away(self, future: Delivery) -> None:
        """The caller has seen to this one himself."""
        with self._changed:
            self._failures.pop(future, None)

    def _take_failures(self) -> SeatrialError | None:
        """What went wrong since the last time and nobody has looked at, as one error."""
        with self._changed:
            errors, more = list(self._failures.values()), self._more_failures
            self._failures.clear()
            self._more_failures = 0
        return failure(self._name, errors, len(errors) + more)


def failure(name: str, errors: Sequence[SeatrialError], count: int) -> SeatrialError | None:
    """Many failures of items of this name as one error; None for none."""
    if not errors:
        return None
    kind = BadInput if isinstance(errors[0], BadInput) else Unavailable
    first = f"{errors[0]}" if count == 1 else f"the first because: {errors[0]}"
    was = "was" if count == 1 else "were"
    return kind(f"{_count(count, name)} {was} not taken{':' if count == 1 else ','} {first}")


def _count(n: int, name: str) -> str:
    return f"{n} {name}" if n == 1 else f"{n} {name}s"
