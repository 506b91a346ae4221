"""The near side of processes of their own: keeps one alive, sends it rows, and takes it for lost in time.

One reader thread a model starts the process, takes the answers, notices that it died or hangs, and starts it again;
until it is loaded again, calls fail at once, so that the default variant can answer. The kernel ends the process with
the thread that started it (see ``models.worker``), so no other thread may start one. It has a session of its own: what
it forked ends with it, and a key pressed in a terminal does not end it before us.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from seatrial.models.runtimes import RuntimeFailure, Tensors, Trust
from seatrial.models.wire import Call, Reply, pack_arrays, read_body, unpack_arrays, write_message

START_SECONDS = 120.0
MOST_WAITING = 256
"""Calls in flight; one more is refused, because a model that far behind will not catch up in time."""

GROWTH_BYTES = 2 << 30
"""A process that holds so much more than when it had loaded leaks, and is replaced before the machine pays for it."""

_LOOK_EVERY = 0.25
_LONGEST_PAUSE = 30.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessRuntime:
    """Somebody else's code in a process of its own, which may crash, leak or hang without hurting this one.

    Args:
        command: Starts it; it speaks ``models.wire`` over its standard input and output.
        what: What it is, in sentences, with an article.
        timeout: Seconds a call waits for its answer.
        patience: Seconds after which a process that owes an answer is taken for hanging and is killed; None: ten
            timeouts, at least 10 s.
        growth: Bytes by which the process may grow after loading; one that grew more is killed and started again.

    Raises:
        RuntimeFailure: On construction, when it does not load.
    """

    out_of_process = True
    alone = False

    def __init__(
        self,
        command: list[str],
        what: str,
        *,
        timeout: float,
        patience: float | None = None,
        growth: int = GROWTH_BYTES,
    ) -> None:
        self._command = command
        self._what = what
        self._timeout = timeout
        self._patience = max(10 * timeout, 10.0) if patience is None else patience
        self._growth = growth
        self._writing = threading.Lock()
        self._waiting: dict[int, tuple[Future[Reply], float]] = {}
        self._guard = threading.Lock()
        self._number = 0
        self._closed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        first: Future[None] = Future()
        self._reader = threading.Thread(target=self._run, args=(first,), name="seatrial-process", daemon=True)
        self._reader.start()
        first.result()

    @property
    def pid(self) -> int | None:
        """The model's process, or None while it is starting again."""
        process = self._process
        return None if process is None else process.pid

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        number, answer = self._send(inputs)
        try:
            reply = answer.result(self._timeout)
        except FutureTimeout:
            raise RuntimeFailure(f"{self._what} did not answer within {self._timeout:g} s.") from None
        finally:
            with self._guard:
                self._forget(number, answer)
        if reply.error:
            raise RuntimeFailure(f"{self._what} failed: {reply.error}")
        return unpack_arrays(reply.tensors)

    def close(self) -> None:
        self._closed.set()
        process = self._process
        if process is not None:
            _kill(process)  # its pipes stay open until the reader, who waits on them, has seen the end
        self._reader.join(timeout=10.0)
        if process is not None:
            _end(process)

    def _send(self, inputs: Tensors) -> tuple[int, Future[Reply]]:
        answer: Future[Reply] = Future()
        with self._guard:
            process = self._process
            if process is None or self._closed.is_set():
                why = "was closed" if self._closed.is_set() else "is starting again"
                raise RuntimeFailure(f"{self._what} {why}.")
            if len(self._waiting) >= MOST_WAITING:
                raise RuntimeFailure(f"{self._what} is {MOST_WAITING} calls behind.")
            self._number += 1
            number = self._number
            self._waiting[number] = (answer, time.monotonic())
        assert process.stdin is not None
        try:
            with self._writing:
                write_message(process.stdin.fileno(), Call(number, pack_arrays(inputs)))
        except (OSError, ValueError) as error:
            with self._guard:
                self._waiting.pop(number, None)
            raise RuntimeFailure(
                f"The process of {self._what[:1].lower()}{self._what[1:]} died; it is starting again."
            ) from error
        return number, answer

    def _forget(self, number: int, answer: "Future[Reply]") -> None:
        """A call that was given up stays in the books until its answer comes, so that a hanging process is noticed."""
        if answer.done():
            self._waiting.pop(number, None)

    def _start(self) -> "subprocess.Popen[bytes]":
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        process = subprocess.Popen(
            self._command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **one_thread},
            start_new_session=True,
        )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        body = read_body(process.stdout.fileno()) if ready else None
        reply = None if body is None else msgspec.msgpack.decode(body, type=Reply)
        if reply is None or reply.error:
            _end(process)
            why = f"it did not load within {START_SECONDS:g} s" if not ready else "its process ended while loading"
            raise RuntimeFailure(reply.error if reply is not None else f"{self._what} does not serve: {why}.")
        return process

    def _run(self, first: "Future[None]") -> None:
        """Start the process, say in ``first`` how that went, and keep it."""
        try:
            self._process = self._start()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for it
            first.set_exception(error)
            return
        first.set_result(None)
        self._keep()

    def _keep(self) -> None:
        """Take answers until closed; start the process again when it dies."""
        pause = 0.0
        while not self._closed.is_set():
            process = self._process
            if process is not None:
                started = time.monotonic()
                why = self._take_answers(process)
                pause = 0.0 if time.monotonic() - started > 10.0 else min(pause * 2 + 0.1, _LONGEST_PAUSE)
                self._lost(process, why)
            if self._closed.wait(pause):
                return
            try:
                process = self._start()
            except RuntimeFailure:
                pause = min(pause * 2 + 0.1, _LONGEST_PAUSE)
                continue
            with self._guard:
                self._process = process
            if self._closed.is_set():
                _end(process)

    def _take_answers(self, process: "subprocess.Popen[bytes]") -> str:
        """Hand answers out until the process is of no more use; says why."""
        assert process.stdout is not None
        bound = _held(process) + self._growth
        look_at = time.monotonic() + _LOOK_EVERY
        while True:
            ready, _, _ = select.select([process.stdout], [], [], _LOOK_EVERY)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_EVERY
                if self._hangs():
                    return "hung"
                if _held(process) > bound:
                    return f"grew by over {self._growth >> 20} MiB"
            if not ready:
                continue
            body = read_body(process.stdout.fileno())
            if body is None:
                return "ended"
            reply = msgspec.msgpack.decode(body, type=Reply)
            with self._guard:
                waiting = self._waiting.pop(reply.number, None)
            if waiting is not None:
                waiting[0].set_result(reply)

    def _hangs(self) -> bool:
        with self._guard:
            oldest = min((sent for _, sent in self._waiting.values()), default=None)
        return oldest is not None and time.monotonic() - oldest > self._patience

    def _lost(self, process: "subprocess.Popen[bytes]", why: str) -> None:
        """The process is of no more use: end it and answer everybody who waits for it."""
        _end(process)
        with self._guard:
            self._process = None
            waiting, self._waiting = list(self._waiting.values()), {}
        for answer, _ in waiting:
            if not answer.done():
                answer.set_result(Reply(0, {}, f"its process {why} (exit code {process.returncode})"))


def _held(process: "subprocess.Popen[bytes]") -> int:
    """Bytes of memory that a process holds; 0 when it is gone, or where nobody can say."""
    try:
        return int(Path(f"/proc/{process.pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


class PythonRuntime(ProcessRuntime):
    """An original model in a process of its own.

    Args:
        directory: The materialised artefact.
        trust: What the deployment file allows.
        timeout, patience, growth: As of ``ProcessRuntime``.
        interpreter: The Python of the model's own environment; None: this one.

    Raises:
        RuntimeFailure: On construction, when the model does not load.
    """

    def __init__(
        self,
        directory: Path,
        trust: Trust,
        *,
        timeout: float,
        patience: float | None = None,
        growth: int = GROWTH_BYTES,
        interpreter: Path | None = None,
    ) -> None:
        command = [sys.executable, "-m", "seatrial.models.python_worker", str(directory), "--trust", trust]
        if interpreter is not None:
            command[:3] = [str(interpreter), "-I", str(Path(__file__).with_name("isolated_worker.py"))]
        super().__init__(command, "The model", timeout=timeout, patience=patience, growth=growth)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process and what it forked."""
    if process.returncode is None:  # afterwards its number may be somebody else's
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _end(process: "subprocess.Popen[bytes]") -> None:
    _kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # unsent bytes to a dead process
                pass
