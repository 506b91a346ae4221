"""All that control touches on one machine, opened once and passed along: state, publication, registry, clock."""

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.control.resolve import Registry
from seatrial.releases.layout import checked
from seatrial.releases.publication import Publication
from seatrial.releases.state import State
from seatrial.spec.errors import Conflict
from seatrial.spec.settings import Settings

Clock = Callable[[], int]


def microseconds() -> int:
    """Now, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def _new_id() -> str:
    return uuid.uuid4().hex[:16]


@dataclass(frozen=True)
class Site:
    """One machine's state, gateway and registry.

    Attributes:
        prepare_seconds: How long workers may take to prepare a snapshot, and again to switch to it.
        alerts_at_most: So many alerts are sent to one receiver in 24 hours.
        wait_seconds: How long to wait for somebody else who is changing the same deployment.
    """

    home: Path
    state_url: str
    state: State
    publication: Publication
    registry: Registry
    clock: Clock = microseconds
    new_id: Callable[[], str] = _new_id
    prepare_seconds: float = 120.0
    wait_seconds: float = 0.0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    alerts_at_most: int = 20
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def store(self) -> Path:
        return self.home / "store"

    @contextmanager
    def changing(self, deployment: str) -> Iterator[None]:
        """The right to change a deployment; it goes with the process that holds it.

        Raises:
            Conflict: somebody else is changing it, and still is after ``wait_seconds``.
        """
        path = self.home / "control" / f"{checked(deployment)}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = self.monotonic() + self.wait_seconds
        try:
            while not _locked(descriptor):
                if self.monotonic() >= deadline:
                    raise Conflict(
                        f"deployment {deployment!r} is being changed by somebody else just now (a version may be "
                        "loading); try again when that is done."
                    )
                self.sleep(0.02)
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def open_site(settings: Settings, *, wait_seconds: float = 0.0) -> Iterator[Site]:
    """The machine that ``settings`` describe; its connections are closed at the end."""
    from seatrial.models.registry import Registry as MlflowRegistry  # slow to import

    with State(settings.state_url) as state:
        yield Site(
            home=settings.home,
            state_url=settings.state_url,
            state=state,
            publication=Publication(settings.home),
            registry=MlflowRegistry(settings),
            wait_seconds=wait_seconds,
            alerts_at_most=settings.alerts_at_most,
        )
