"""A loaded model, and where its calls run: on the event loop while it is measured quick, else in threads of its own.

Threads belong to one model, so that a model that hangs occupies its own threads and nobody else's. When too many calls
wait for them, or a call would wait longer than its caller does, further ones are shed at once: a queue that is longer
than anybody's patience answers nobody, and costs memory.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from seatrial.models.runtimes import Runtime, Tensors
from seatrial.serving.pace import Pace

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


class Call(Future[T]):
    """A call that was taken.

    Attributes:
        started: Ticks at which a thread came to it; None: it waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: int | None = None


class Ticks(Protocol):
    """A clock in nanoseconds that only its differences matter of."""

    def __call__(self) -> int: ...


class Engine:
    """One loaded model; shared by every snapshot that names the same files.

    Args:
        runtime: The model; closed by `close`.
        threads: Calls that may run in threads at once.
        waiting: Calls that may wait for one of them.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        threads: int = 4,
        waiting: int = 256,
        ticks: Ticks = time.perf_counter_ns,
        processor_ticks: Ticks = time.thread_time_ns,
    ) -> None:
        self.runtime = runtime
        self.pace = Pace()
        self.warm = False
        self._ticks = ticks
        self._processor_ticks = processor_ticks
        self._threads = threads
        self._limit = threads + waiting
        self._pool: ThreadPoolExecutor | None = None
        self._held = 0
        self._lock = threading.Lock()
        self._waiting = 0
        self._call_ns = 0.0
        self._running: dict[int, int] = {}

    def fits(self, rows: int) -> bool:
        """Whether a call of so many rows may run on the event loop."""
        return not self.runtime.out_of_process and self.pace.fits(rows)

    def run(self, tensors: Tensors, rows: int) -> dict[str, NDArray[Any]]:
        """Answer a batch here and now, and take its time. Raises what the runtime raises."""
        pace = self.pace
        started = self._ticks()
        if not pace.careful:
            try:
                return self.runtime.run(tensors)
            finally:
                pace.note((self._ticks() - started) / 1000, rows)
        pace.careful -= 1
        ran = self._processor_ticks()
        try:
            return self.runtime.run(tensors)
        finally:
            ran = self._processor_ticks() - ran
            pace.note((self._ticks() - started) / 1000, rows, ran / 1000)

    def submit(self, work: Callable[[], T], patience: float | None = None) -> Call[T]:
        """Run ``work`` in one of the model's threads.

        Args:
            patience: Seconds that the caller waits; None: for ever.

        What is cancelled while it waits is never run, but holds its place until a thread comes to it: a model that
        hangs is asked by no more calls than may wait, however many of them were given up.

        Raises:
            Shed: Too many wait, it would be answered later than the caller waits, or the engine is closed.
        """
        given: Call[T] = Call()
        with self._lock:
            wait, lasts = self._expected()
            if self._held >= self._limit:
                raise Shed("queue", f"{self._held} calls wait for the model", wait)
            answered = wait + lasts
            if patience is not None and wait > 0 and answered > patience:
                before = self._waiting + len(self._running)
                said = f"{before} calls are before it, it would be answered in {answered:.3g} s"
                raise Shed("time", f"{said} and waits {patience:.3g} s", wait)
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="model")
            try:
                queued = self._pool.submit(self._run, given, work)
            except RuntimeError as error:
                raise Shed("closing", "the model is being closed") from error
            self._held += 1
            self._waiting += 1
        given.add_done_callback(self._given_up)
        queued.add_done_callback(lambda done: self._release(done, given))
        return given

    def _expected(self) -> tuple[float, float]:
        """Seconds that a new call would wait for a thread and then last, about; asked under the lock.

        A call is expected to last as long as the last ones did, and no less than all that run now have lasted already,
        so that a model which stopped answering is noticed though nothing comes back from it.
        """
        lasts = self._call_ns / 1e9
        before = self._waiting + len(self._running) - self._threads + 1
        if before <= 0:
            return 0.0, lasts
        if len(self._running) >= max(1, self._threads):
            lasts = max(lasts, (self._ticks() - max(self._running.values())) / 1e9)
        return lasts * before / max(1, self._threads), lasts

    @property
    def held(self) -> int:
        """Calls that run or wait in threads."""
        return self._held

    @property
    def running(self) -> int:
        """Calls that run in threads now."""
        return len(self._running)

    def close(self) -> None:
        """Let the model go; calls that run in threads finish with it, those that wait are cancelled."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self.runtime.close()

    def _given_up(self, given: Future[T]) -> None:
        if given.cancelled():  # before it ran: it keeps its place, and no thread's time
            with self._lock:
                self._waiting -= 1

    def _release(self, queued: Future[None], given: Call[T]) -> None:
        with self._lock:
            self._held -= 1
        if queued.cancelled():
            given.cancel()

    def _run(self, given: Call[T], work: Callable[[], T]) -> None:
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
