"""The supervisor: starts children, starts them again when they die, stops them in order.

It is one thread that sleeps in ``sigtimedwait``: a child's death and a request to stop arrive the same way, and nothing
runs in a signal handler. Children get SIGTERM from the kernel if the supervisor itself is killed, so none is orphaned.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from seatrial.processes.children import Child, backoff
from seatrial.processes.home import Running, write_running
from seatrial.processes.silence import Silence
from seatrial.spec.logs import line

STEADY_SECONDS = 10.0
"""A child that lived this long has not crashed at once: its count of crashes starts again."""

STOP_SECONDS = 20.0
"""More than a worker may take that gives no notice: a second to stop following, eight to drain, two for models, two for
spans, five to write."""
SILENT_SECONDS = 30.0
"""A worker whose event loop has done nothing for so long hangs."""

_WATCHED = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _in_child() -> None:
    """Between fork and exec: die with the parent, and receive signals again."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)


class _Kept:
    """A child and its history."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.crashes = 0
        self.start_at = 0.0
        self.silence = Silence()
        self.hung = 0.0


class Supervisor:
    """Keeps a set of children running until asked to stop.

    Args:
        home: Where logs and ``running.json`` go.
        running: Addresses to note there.
        settle: Called with a dead worker's name before it is started again (books its unsettled counts).
        crashed: Called with a crashed worker's name, how it ended, the monotonic time, and for how many seconds it had
            been silent when it was killed for that (0: it was not), likewise before; gives the versions that are in
            quarantine for it, in words.
        pulse: Gives a number that changes while a worker's event loop is alive; None: it has not begun to.
        silent_seconds: A worker whose pulse has not changed for so long is killed.
        closing: Called before children are asked to stop: gives up the listening sockets, so that who comes now is
            refused at once and not left waiting in a queue that nobody reads.
        monotonic: Seconds; injected for tests.
    """

    def __init__(
        self,
        home: Path,
        children: tuple[Child, ...],
        running: Running,
        settle: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
        crashed: Callable[[str, int, float, float], tuple[str, ...]] = lambda _worker, _code, _now, _silent: (),
        pulse: Callable[[str], int | None] = lambda _worker: None,
        silent_seconds: float = SILENT_SECONDS,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        self._home = home
        self._kept = {child.name: _Kept(child) for child in children}
        self._running = running
        self._settle = settle
        self._crashed = crashed
        self._pulse = pulse
        self._silent_seconds = silent_seconds
        self._closing = closing
        self._now = monotonic
        (home / "logs").mkdir(parents=True, exist_ok=True)
        self._log: IO[str] = (home / "logs" / "supervisor.log").open("a", buffering=1)

    def run(self, *, stop_within: float = STOP_SECONDS) -> None:
        """Start everything, keep it up, return after SIGTERM or SIGINT once all children have ended.

        Args:
            stop_within: Seconds that each group of children has to end; then it is killed.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            self._keep_up()
        finally:
            self._stop(stop_within)
            self._log.close()

    def _keep_up(self) -> None:
        while True:
            self._start_due()
            caught = signal.sigtimedwait(_WATCHED, self._seconds_to_next_start())
            if caught is not None and caught.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._say("stopping", signal=signal.Signals(caught.si_signo).name)
                return
            self._reap()
            self._kill_silent()

    def _seconds_to_next_start(self) -> float:
        waiting = [kept.start_at - self._now() for kept in self._kept.values() if kept.process is None]
        return max(0.0, min([*waiting, 1.0]))

    def _start_due(self) -> None:
        now = self._now()
        due = [kept for kept in self._kept.values() if kept.process is None and kept.start_at <= now]
        for kept in due:
            try:
                self._start(kept)
            except OSError as error:  # no memory or no process to be had, a full disk: the others must be kept up
                kept.crashes += 1
                kept.start_at = now + backoff(kept.crashes + 1)
                self._say("not started", child=kept.child.name, error=str(error))
        if due:
            self._note()

    def _start(self, kept: _Kept) -> None:
        child = kept.child
        with (self._home / "logs" / f"{child.name}.log").open("ab") as log:
            kept.process = subprocess.Popen(
                [sys.executable, "-m", child.module, *child.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=child.sockets,
                start_new_session=True,
                preexec_fn=_in_child,
            )
        if child.nice:
            with suppress(OSError):  # it has ended already, or may not: it runs on as it is
                os.setpriority(os.PRIO_PROCESS, kept.process.pid, os.getpriority(os.PRIO_PROCESS, 0) + child.nice)
        kept.started = self._now()
        kept.silence, kept.hung = Silence(), 0.0
        self._say("started", child=child.name, pid=kept.process.pid)

    def _reap(self) -> None:
        for kept in self._kept.values():
            if kept.process is None or kept.process.poll() is None:
                continue
            lived = self._now() - kept.started
            kept.crashes = 1 if lived >= STEADY_SECONDS else kept.crashes + 1
            kept.start_at = self._now() + backoff(kept.crashes)
            self._say("died", child=kept.child.name, code=kept.process.returncode, lived=round(lived, 3))
            code, kept.process = kept.process.returncode, None
            self._settle_counts(kept.child)
            if kept.child.counted and code != 0:
                self._blame(kept.child, code, kept.hung)

    def _kill_silent(self) -> None:
        """Kill workers whose event loop hangs; their death is noticed like any other."""
        for kept in self._kept.values():
            if not kept.child.counted or kept.process is None or kept.hung:
                continue
            try:
                silent = kept.silence.look(self._pulse(kept.child.name), self._now())
            except Exception as error:  # noqa: BLE001 - as in `_settle_counts`
                self._say("not looked at", child=kept.child.name, error=str(error))
                continue
            if silent > self._silent_seconds:
                kept.hung = silent
                self._say("hung", child=kept.child.name, silent=round(silent, 1))
                kept.process.kill()

    def _blame(self, child: Child, code: int, silent: float) -> None:
        try:
            for version in self._crashed(child.name, code, self._now(), silent):
                self._say("quarantined", child=child.name, version=version)
        except Exception as error:  # noqa: BLE001 - as in `_settle_counts`
            self._say("nobody blamed", child=child.name, error=str(error))

    def _settle_counts(self, child: Child) -> None:
        if not child.counted:
            return
        try:
            self._settle(child.name)
        except Exception as error:  # noqa: BLE001 - a full disk or a torn counter file must not stop the respawn
            self._say("not settled", child=child.name, error=str(error))

    def _stop(self, within: float) -> None:
        self._closing()
        for order in sorted({kept.child.order for kept in self._kept.values()}):
            group = [kept for kept in self._kept.values() if kept.child.order == order and kept.process is not None]
            for kept in group:
                assert kept.process is not None
                kept.process.terminate()
            deadline = self._now() + within  # of its own: a slow worker must not cost the compactor its time
            for kept in group:
                self._end(kept, deadline)
        self._say("stopped")

    def _end(self, kept: _Kept, deadline: float) -> None:
        assert kept.process is not None
        try:
            kept.process.wait(max(0.1, deadline - self._now()))
        except subprocess.TimeoutExpired:
            self._say("killed", child=kept.child.name)
            kept.process.kill()
            kept.process.wait()
        if kept.process.returncode != 0:
            self._settle_counts(kept.child)
        kept.process = None

    def _note(self) -> None:
        pids = {name: kept.process.pid for name, kept in self._kept.items() if kept.process is not None}
        try:
            write_running(
                self._home,
                msgspec.structs.replace(self._running, pid=os.getpid(), children=pids),
            )
        except OSError as error:
            self._say("running.json not written", error=str(error))

    def _say(self, event: str, **details: object) -> None:
        try:
            self._log.write(line("supervisor", event, details, now=time.time()) + "\n")
        except OSError:  # a full disk must not stop the supervisor
            return
