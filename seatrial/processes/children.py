"""Which processes make up a system, as values; rooms are named by module, so the supervisor imports none of them."""

from pathlib import Path
from typing import NamedTuple

BEHIND = 5
"""Of a core that both want, a process so much nicer gets a quarter."""


class Child(NamedTuple):
    """One process to keep up.

    Attributes:
        name: Unique; also the name of its log file.
        module: What ``python -m`` runs.
        arguments: Its command line.
        sockets: File descriptors it inherits.
        order: Children stop in ascending order: those that answer users first, those that write last.
        counted: It is a serving worker with a counter file that must be settled when it dies.
        nice: How much lower than the supervisor's its priority is: who answers users goes before who writes and judges.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    sockets: tuple[int, ...] = ()
    order: int = 0
    counted: bool = False
    nice: int = 0


def system(home: Path, workers: int, http_fd: int, control_fd: int, grpc: str | None = None) -> tuple[Child, ...]:
    """The children of a whole system: serving workers, control, compactor, dashboard; ``grpc`` is an address."""
    place = ("--home", str(home))
    also = () if grpc is None else ("--grpc", grpc)
    serving = tuple(
        Child(
            name=f"w{index}",
            module="seatrial.serving.worker",
            arguments=(*place, "--fd", str(http_fd), "--worker", f"w{index}", *also),
            sockets=(http_fd,),
            counted=True,
        )
        for index in range(workers)
    )
    return (
        *serving,
        Child(
            "dashboard", "seatrial.dashboard", (*place, "--fd", str(control_fd)), (control_fd,), order=0, nice=BEHIND
        ),
        Child("control", "seatrial.control", place, order=1, nice=BEHIND),
        Child("compactor", "seatrial.ledger.compactor", place, order=2, nice=BEHIND),
    )


def backoff(crashes: int) -> float:
    """Seconds to wait before a child is started again after that many crashes in a row."""
    return 0.0 if crashes <= 1 else min(0.1 * 2.0 ** (crashes - 2), 5.0)
