"""The threads of one model, and how many calls may wait for them; beyond that, calls are shed at once."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_SMOOTHED = 0.3
"""How much of a new call's duration enters the estimate of the next one's."""


class Shed(Exception):
    """A call is not taken.

    Attributes:
        reason: ``queue`` (too many wait), ``time`` (it would wait too long) or ``closing``.
        seconds: After which another call makes sense.
    """

    def __init__(self, reason: str, message: str, seconds: float = 1.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.seconds = seconds


class Taken(Future[T]):
    """A call that was taken.

    Attributes:
        started: Ticks at which a thread came to it; None: it waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: int | None = None


def too_long(calls: int, wait: float, lasts: float, patience: float) -> Shed:
    """What is said to a call that would be answered later than its caller waits; seconds."""
    said = f"{calls} calls are before it, it would be answered in {wait + lasts:.3g} s and waits {patience:.3g} s"
    return Shed("time", said, wait)


class Beside(NamedTuple):
    """What holds threads beside the calls of `Threads.submit`.

    Attributes:
        begun: Ticks at which each of those that run began.
        waiting: How many more will have a thread first.
        lasts: Seconds that one lasts, about.
    """

    begun: Sequence[int] = ()
    waiting: int = 0
    lasts: float = 0.0


class Threads:
    """At most so many threads, made when they are first needed.

    Args:
        size: Threads.
        waiting: Calls that may wait for one of them.
        ticks: Monotonic nanoseconds.
    """

    def __init__(self, size: int, waiting: int, ticks: Callable[[], int] = time.perf_counter_ns) -> None:
        self.size = size
        self._limit = size + waiting
        self._ticks = ticks
        self._pool: ThreadPoolExecutor | None = None
        self._held = 0
        self._waiting = 0
        self._call_ns = 0.0
        self._running: dict[int, int] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Calls that run or wait."""
        return self._held

    @property
    def running(self) -> int:
        """Calls of `submit` that run now."""
        return len(self._running)

    @property
    def youngest(self) -> int:
        """Ticks at which the last of the calls of `submit` that run began; 0 when none runs."""
        with self._lock:
            return max(self._running.values(), default=0)

    def admit(self, wait: float | None = None) -> None:
        """Give a call its place, until `release`; ``wait`` is what a call turned away is told. Raises Shed."""
        with self._lock:
            self._admit(self._expected()[0] if wait is None else wait)

    def release(self, calls: int = 1) -> None:
        """So many calls are over."""
        with self._lock:
            self._held -= calls

    def start(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run ``work`` as soon as a thread is free, whether or not a call was admitted for it. Raises Shed."""
        with self._lock:
            return self._start(work, *arguments)

    def submit(self, work: Callable[[], T], patience: float | None = None, beside: Beside = Beside()) -> Taken[T]:
        """Run ``work`` as one call.

        What is cancelled while it waits is never run, but holds its place until a thread comes to it: a model that
        hangs is asked by no more calls than may wait, however many of them were given up.

        Args:
            patience: Seconds that the caller waits; None: for ever.
            beside: Who holds threads too.

        Raises:
            Shed: Too many wait, it would be answered later than the caller waits, or the threads are closed.
        """
        given: Taken[T] = Taken()
        with self._lock:
            wait, lasts = self._expected(beside)
            self._admit(wait)
            try:
                if patience is not None and wait > 0 and wait + lasts > patience:
                    before = self._waiting + len(self._running) + beside.waiting + len(beside.begun)
                    raise too_long(before, wait, lasts, patience)
                queued = self._start(self._run, given, work)
            except Shed:
                self._held -= 1
                raise
            self._waiting += 1
        given.add_done_callback(self._given_up)
        queued.add_done_callback(lambda done: self._over(done, given))
        return given

    def close(self) -> None:
        """Take no more; calls that run finish, those that wait are cancelled."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _admit(self, wait: float) -> None:
        if self._held >= self._limit:
            raise Shed("queue", f"{self._held} calls wait for the model", wait or 1.0)
        self._held += 1

    def _start(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.size, thread_name_prefix="model")
        try:
            return self._pool.submit(work, *arguments)
        except RuntimeError as error:
            raise Shed("closing", "the model is being closed") from error

    def _expected(self, beside: Beside = Beside()) -> tuple[float, float]:
        """Seconds that a new call would wait for a thread and then last, about; asked under the lock.

        A call is expected to last as long as the last ones did, and no less than all that run now have lasted already,
        so that a model which stopped answering is noticed though nothing comes back from it.
        """
        lasts = self._call_ns / 1e9
        begun = [*self._running.values(), *beside.begun]
        before = self._waiting + beside.waiting + len(begun) - self.size + 1
        if before <= 0:
            return 0.0, lasts
        if len(begun) >= max(1, self.size):
            lasts = max(lasts, (self._ticks() - max(begun)) / 1e9)
        return max(lasts, beside.lasts) * before / max(1, self.size), lasts

    def _given_up(self, given: Future[T]) -> None:
        if given.cancelled():  # before it ran: it keeps its place, and no thread's time
            with self._lock:
                self._waiting -= 1

    def _over(self, queued: Future[None], given: Taken[T]) -> None:
        self.release()
        if queued.cancelled():
            given.cancel()

    def _run(self, given: Taken[T], work: Callable[[], T]) -> None:
        if not given.set_running_or_notify_cancel():
            return
        me, started = threading.get_ident(), self._ticks()
        with self._lock:
            self._waiting -= 1
            self._running[me] = given.started = started
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            self._ended(me, started)
            given.set_exception(error)
        else:
            self._ended(me, started)
            given.set_result(result)

    def _ended(self, me: int, started: int) -> None:
        with self._lock:
            del self._running[me]
            taken = self._ticks() - started
            self._call_ns = taken if not self._call_ns else self._call_ns + _SMOOTHED * (taken - self._call_ns)
