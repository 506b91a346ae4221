"""The threads of one model, and how many calls may wait for them; beyond that, calls are shed at once."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Shed(Exception):
    """Too many calls wait for this model already, or it is being closed."""


class Threads:
    """At most so many threads, made when they are first needed.

    Args:
        size: Threads.
        waiting: Calls that may wait for one of them.
    """

    def __init__(self, size: int, waiting: int) -> None:
        self.size = size
        self._limit = size + waiting
        self._pool: ThreadPoolExecutor | None = None
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Calls that run or wait."""
        return self._held

    def admit(self) -> None:
        """Give a call its place, until `release`. Raises Shed."""
        with self._lock:
            if self._held >= self._limit:
                raise Shed(f"{self._held} calls wait for the model")
            self._held += 1

    def release(self, calls: int = 1) -> None:
        """So many calls are over."""
        with self._lock:
            self._held -= calls

    def start(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run ``work`` as soon as a thread is free, whether or not a call was admitted for it. Raises Shed."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.size, thread_name_prefix="model")
            try:
                return self._pool.submit(work, *arguments)
            except RuntimeError as error:
                raise Shed("the model is being closed") from error

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Run ``work`` as one call.

        What is cancelled while it waits is never run, but holds its place until a thread comes to it: a model that
        hangs is asked by no more calls than may wait, however many of them were given up.

        Raises:
            Shed: Too many wait, or the threads are closed.
        """
        given: Future[T] = Future()
        self.admit()
        try:
            queued = self.start(_run, given, work)
        except Shed:
            self.release()
            raise
        queued.add_done_callback(lambda done: self._over(done, given))
        return given

    def close(self) -> None:
        """Take no more; calls that run finish, those that wait are cancelled."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _over(self, queued: "Future[None]", given: "Future[T]") -> None:
        self.release()
        if queued.cancelled():
            given.cancel()


def _run(given: "Future[T]", work: Callable[[], T]) -> None:
    if not given.set_running_or_notify_cancel():
        return
    try:
        given.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
        given.set_exception(error)
