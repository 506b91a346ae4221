"""A loaded model, and where its calls run: on the event loop while it is measured quick, else in threads of its own.

Threads belong to one model, so that a model that hangs occupies its own threads and nobody else's; when too many calls
wait for them, further ones are shed at once.
"""

import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from seatrial.models.remote import RemoteRuntime
from seatrial.models.runtimes import Runtime, Tensors
from seatrial.serving.pace import Pace

T = TypeVar("T")


class Shed(Exception):
    """Too many calls wait for this model already."""


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
        self.remote = runtime if isinstance(runtime, RemoteRuntime) else None
        self.pace = Pace()
        self.warm = False
        self._ticks = ticks
        self._processor_ticks = processor_ticks
        self._threads = threads
        self._limit = threads + waiting
        self._pool: ThreadPoolExecutor | None = None
        self._held = 0
        self._lock = threading.Lock()

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

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Run ``work`` in one of the model's threads.

        What is cancelled while it waits is never run, but holds its place until a thread comes to it: a model that
        hangs is asked by no more calls than may wait, however many of them were given up.

        Raises:
            Shed: Too many wait, or the engine is closed.
        """
        given: Future[T] = Future()
        with self._lock:
            if self._held >= self._limit:
                raise Shed(f"{self._held} calls wait for the model")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="model")
            try:
                queued = self._pool.submit(_run, given, work)
            except RuntimeError as error:
                raise Shed("the model is being closed") from error
            self._held += 1
        queued.add_done_callback(lambda done: self._release(done, given))
        return given

    def send(self, remote: RemoteRuntime, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have ``work`` ask the remote model, in no thread; bounded as `submit` is. Raises Shed."""
        with self._lock:
            if self._held >= self._limit:
                work.close()
                raise Shed(f"{self._held} calls wait for the model")
            self._held += 1
        given = remote.send(work)
        given.add_done_callback(self._let_go)
        return given

    def _let_go(self, _: "Future[Any]") -> None:
        with self._lock:
            self._held -= 1

    @property
    def held(self) -> int:
        """Calls that run or wait, in threads or elsewhere."""
        return self._held

    def close(self) -> None:
        """Let the model go; calls that run in threads finish with it, those that wait are cancelled."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self.runtime.close()

    def _release(self, queued: "Future[None]", given: "Future[T]") -> None:
        with self._lock:
            self._held -= 1
        if queued.cancelled():
            given.cancel()


def _run(given: "Future[T]", work: Callable[[], T]) -> None:
    if not given.set_running_or_notify_cancel():
        return
    try:
        given.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
        given.set_exception(error)
