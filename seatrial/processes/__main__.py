"""``python -m seatrial.processes``: open the sockets, then supervise until asked to stop."""

import argparse
import os
import socket
import sys
import time
from pathlib import Path

from seatrial.ledger.counters import retire
from seatrial.ledger.layout import counters
from seatrial.ledger.quarantine import add_quarantined
from seatrial.ledger.underway import pulse, take_suspects
from seatrial.processes.children import system
from seatrial.processes.extras import require_extras
from seatrial.processes.home import HomeLock, Running
from seatrial.processes.sockets import bound_address, hold, listen, require_key
from seatrial.processes.supervisor import STOP_SECONDS, Supervisor
from seatrial.processes.suspicion import Suspicion, ended
from seatrial.spec.errors import SeatrialError
from seatrial.spec.settings import Settings, load_settings


def supervise(settings: Settings, *, insecure: bool) -> None:
    """Run a whole system in the foreground until SIGTERM. Raises BadInput or Conflict when it cannot start."""
    grpc_address = () if settings.grpc is None else (settings.grpc,)
    require_key((settings.http, settings.control, *grpc_address), settings.key, insecure)
    require_extras(settings)
    home = settings.home.resolve()
    lock = HomeLock(home)
    lock.acquire()
    try:
        (home / "running.json").unlink(missing_ok=True)  # of a system that was killed: `down` must not end a stranger
        http = listen(settings.http, "http")
        control = listen(settings.control, "control")
        held = [hold(address, "grpc") for address in grpc_address]
        grpc = bound_address(held[0]) if held else None
        children = system(home, settings.workers, http.fileno(), control.fileno(), grpc)
        running = Running(pid=os.getpid(), http=bound_address(http), control=bound_address(control), grpc=grpc)
        Supervisor(
            home,
            children,
            running,
            settle=lambda worker: _settle(home, worker),
            crashed=_Blame(home),
            pulse=lambda worker: pulse(home, worker),
            silent_seconds=settings.hung_after,
            closing=lambda: _close(http, control, *held),
        ).run(stop_within=STOP_SECONDS + settings.drain_notice)
    finally:
        (home / "running.json").unlink(missing_ok=True)
        lock.release()


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        each.close()


def _settle(home: Path, worker: str) -> None:
    """Book what a dead worker served and did not write as dropped."""
    retire(counters(home), worker)


class _Blame:
    """Puts versions into quarantine under which workers crash."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._suspicion = Suspicion()

    def __call__(self, worker: str, code: int, now: float, silent: float) -> tuple[str, ...]:
        suspects = take_suspects(self._home, worker)
        guilty = self._suspicion.crash(suspects, f"{worker} by {ended(code, silent)}", code, now, silent)
        for suspect, crashes in guilty.items():
            why = f"workers crashed within a minute while it ran: {', '.join(crashes)}"
            add_quarantined(self._home, (suspect,), time.time_ns() // 1000, why)
        return tuple(f"{suspect.variant} of {suspect.deployment} ({suspect.digest})" for suspect in guilty)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m seatrial.processes", description=__doc__)
    parser.add_argument("--insecure", action="store_true", help="listen beyond this machine without a key")
    arguments = parser.parse_args()
    try:
        supervise(load_settings(os.environ, Path.cwd()), insecure=arguments.insecure)
    except SeatrialError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
