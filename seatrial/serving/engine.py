"""A loaded model, and where its calls run: on the event loop while it is measured quick, else in threads of its own.

Threads belong to one model, so that a model that hangs occupies its own threads and nobody else's. When too many calls
wait for them, or a call would wait longer than its caller does, further ones are shed at once: a queue that is longer
than anybody's patience answers nobody, and costs memory.
"""

import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from seatrial.models.remote import RemoteRuntime
from seatrial.models.runtimes import Runtime, Tensors
from seatrial.serving.batch_split import answer
from seatrial.serving.batching import Batches, Ticket
from seatrial.serving.pace import INLINE_MICROSECONDS, NOISY_MICROSECONDS, Pace
from seatrial.serving.threads import Shed, Taken, Threads

T = TypeVar("T")


class Ticks(Protocol):
    """A clock in nanoseconds that only its differences matter of."""

    def __call__(self) -> int: ...


class Engine:
    """One loaded model; shared by every snapshot that names the same files.

    Args:
        runtime: The model; closed by `close`.
        threads: Calls that may run in threads at once.
        waiting: Calls that may wait for one of them.
        abreast: Batches that run at once while they are as quick as usual.

    Attributes:
        warm: It answered its samples, or need not.
        lacking: Why it answers nothing in this process though it ought to; "": it answers.
        together: Whether it takes batches; None: nobody knows yet.
        batches: The calls that wait to be run together.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        threads: int = 4,
        waiting: int = 256,
        abreast: int = 1,
        ticks: Ticks = time.perf_counter_ns,
        processor_ticks: Ticks = time.thread_time_ns,
    ) -> None:
        self.runtime = runtime
        self.remote = runtime if isinstance(runtime, RemoteRuntime) else None
        self.pace = Pace(NOISY_MICROSECONDS if runtime.alone else INLINE_MICROSECONDS)
        self.warm = False
        self.lacking = ""
        self.together: bool | None = None
        self._ticks = ticks
        self._pace_ticks = processor_ticks if runtime.alone else ticks
        self._threads = Threads(threads, waiting, ticks)
        self.batches = Batches(self._threads, self.answer, abreast=abreast, ticks=ticks)

    def fits(self, rows: int) -> bool:
        """Whether a call of so many rows may run on the event loop."""
        return not self.runtime.out_of_process and self.pace.fits(rows)

    def run(self, tensors: Tensors, rows: int) -> dict[str, NDArray[Any]]:
        """Answer a batch here and now, and take its time. Raises what the runtime raises."""
        ticks = self._pace_ticks
        started = ticks()
        try:
            return self.runtime.run(tensors)
        finally:
            self.pace.note((ticks() - started) / 1000, rows)

    def submit(self, work: Callable[[], T], patience: float | None = None) -> Taken[T]:
        """Run ``work`` in one of the model's threads; raises Shed. Places and cancelling as in `Threads.submit`."""
        return self._threads.submit(work, patience, self.batches.beside)

    def send(self, remote: RemoteRuntime, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have ``work`` ask the remote model, in no thread; bounded as `submit` is. Raises Shed."""
        try:
            self._threads.admit()
        except Shed:
            work.close()
            raise
        given = remote.send(work)
        given.add_done_callback(lambda _: self._threads.release())
        return given

    @property
    def held(self) -> int:
        """Calls that run or wait, in threads or elsewhere."""
        return self._threads.held

    @property
    def running(self) -> int:
        """Calls and batches that run in threads now."""
        return self._threads.running + self.batches.running

    def close(self) -> None:
        """Let the model go; calls that run in threads finish with it, those that wait are cancelled."""
        self.batches.close()
        self._threads.close()
        self.runtime.close()

    def answer(self, tickets: Sequence[Ticket]) -> Sequence[Ticket]:
        """Answer calls of one kind together, here and now; gives back those whose callers are still to be told."""
        batching = tickets[0].batching
        if batching.underway is None:
            return answer(tickets, self, batching.counts.ran)
        batching.underway.on()
        try:
            return answer(tickets, self, batching.counts.ran)
        finally:
            batching.underway.off()
