"""A gateway for a program of one's own: the deployments that are active in a home directory, in this process."""

import os
from collections.abc import Callable
from pathlib import Path

from seatrial.ledger.quarantine import read_quarantine
from seatrial.releases.subscription import Subscription
from seatrial.serving.gateway import Gateway, wall_clock
from seatrial.serving.loader import Loader, cores_each
from seatrial.serving.recording import Recorder


def open_gateway(home: Path, name: str | None = None, *, clock: Callable[[], int] = wall_clock) -> Gateway:
    """Load what is active now under ``home``; the rows go to its ledger. Later publications are not followed.

    Close it with ``gateway.recorder.close()``, which writes what waits.

    Args:
        home: Home directory of the machine.
        name: Name of this process in the ledger; None: made of its pid.
        clock: Microseconds since 1970 UTC.

    Raises:
        SeatrialError: The default variant of a deployment cannot be loaded.
    """
    called = name or f"program-{os.getpid()}"
    recorder = Recorder(home, called, clock=clock)
    gateway = Gateway(recorder, clock=clock)
    loader = Loader(recorder, abreast=cores_each(1))
    gateway.obey(read_quarantine(home))
    for snapshot in Subscription(home, called).active().values():
        gateway.activate(gateway.prepare(loader.prepare(snapshot, active=True)))
    gateway.ready = True
    return gateway
