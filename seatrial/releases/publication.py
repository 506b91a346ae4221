"""Control's side of publication: a snapshot goes to every live worker, or to none.

    write the snapshot (exclusive create: the compare-and-swap) → propose → every live worker acknowledges → activate
                                                                       └─ one fails, or time is up → withdraw everywhere

A worker is alive while it holds its lock; no clock decides that. One that dies while it prepares is not ready: either
another takes its place and acknowledges, or the revision is withdrawn. A publisher that is killed loses its lock, and
whoever publishes or cleans up next withdraws what it left proposed.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from seatrial.releases.layout import (
    Acknowledgement,
    Failure,
    Layout,
    checked,
    create_whole,
    held,
    is_held,
    read_pointer,
    read_pointers,
    remove,
    write_pointer,
    write_whole,
)
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import Conflict, NotFound, Unavailable

_POLL_SECONDS = 0.01
_ABANDONED = "the process that was publishing it ended before it was done"


class PreparationFailed(Unavailable):
    """A worker could not prepare the snapshot, or did not in time; it was withdrawn everywhere, nothing changed.

    Attributes:
        deployment: Which deployment.
        revision: The revision that was withdrawn.
        reason: Why, as the worker said it.
    """

    def __init__(self, deployment: str, revision: int, reason: str) -> None:
        super().__init__(
            f"revision {revision} of deployment {deployment!r} was withdrawn and what was served before is still "
            f"served: {reason}"
        )
        self.deployment = deployment
        self.revision = revision
        self.reason = reason


class ServedLate(Unavailable):
    """The revision is active, but not every live worker has said in time that it serves it."""


class Publication:
    """Publishes the snapshots of one machine's home.

    Args:
        home: The machine's home directory.
        monotonic, sleep: Time, for waiting on workers.
    """

    def __init__(
        self,
        home: Path,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._layout = Layout(Path(home))
        self._layout.make()
        self._monotonic = monotonic
        self._sleep = sleep

    def publish(self, snapshot: Snapshot, timeout: float) -> None:
        """Have every live worker serve ``snapshot``; with no live worker it is active at once.

        Args:
            snapshot: Its revision must be new: higher than every one written for the deployment.
            timeout: Seconds for the workers to prepare, and again to switch.

        Raises:
            Conflict: the revision is taken or old, or another publication of this deployment is under way.
            PreparationFailed: a worker failed, died without another in its place, or was too slow; withdrawn.
            ServedLate: active, but a worker has not switched within ``timeout``.
            Unavailable: the disk refuses.
        """
        try:
            with self._publishing(snapshot.deployment):
                self._withdraw_abandoned(snapshot.deployment)
                self._write(snapshot)
                self._propose_and_activate(snapshot, timeout)
        except OSError as error:
            raise Unavailable(
                f"revision {snapshot.revision} of deployment {snapshot.deployment!r} could not be published: {error}"
            ) from error

    def remove(self, deployment: str) -> None:
        """Stop serving ``deployment``; its snapshots stay, so that the past can be explained."""
        with self._publishing(deployment):
            self._withdraw_abandoned(deployment)
            remove(self._layout.pointer(self._layout.active, deployment))

    def next_revision(self, deployment: str) -> int:
        """One more than the highest revision ever written, from 1."""
        return max(self.revisions(deployment), default=0) + 1

    def revisions(self, deployment: str) -> tuple[int, ...]:
        """All revisions ever written, ascending, withdrawn ones included."""
        directory = self._layout.snapshot(deployment, 0).parent
        names = [path.stem for path in directory.glob("*.json")] if directory.is_dir() else []
        return tuple(sorted(int(name) for name in names if name.isdigit()))

    def active(self, deployment: str) -> int | None:
        """The revision that is active, or None."""
        return read_pointer(self._layout.pointer(self._layout.active, deployment))

    def all_active(self) -> dict[str, int]:
        """The active revision of every deployment."""
        return read_pointers(self._layout.active)

    def read(self, deployment: str, revision: int) -> Snapshot:
        """The snapshot of a revision, active or past."""
        path = self._layout.snapshot(deployment, revision)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Snapshot)
        except FileNotFoundError:
            raise NotFound(f"deployment {deployment!r} has no revision {revision}.") from None

    def withdrawn_because(self, deployment: str, revision: int) -> str | None:
        """Why a revision was withdrawn, or None when it was not."""
        try:
            content = self._layout.reason(deployment, revision).read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(content, type=Failure).reason

    def workers(self) -> tuple[str, ...]:
        """Names of the workers that are alive now."""
        names = sorted(path.stem for path in self._layout.workers.glob("*.lock"))
        return tuple(name for name in names if is_held(self._layout.lock(name)))

    def is_up(self) -> bool:
        """Whether a supervisor runs in this home, so that workers are there or come."""
        return is_held(self._layout.home_lock)

    def acknowledgement(self, worker: str, deployment: str) -> Acknowledgement:
        """What ``worker`` last said of ``deployment``."""
        try:
            content = self._layout.acknowledgement(worker, deployment).read_bytes()
        except FileNotFoundError:
            return Acknowledgement()
        return msgspec.json.decode(content, type=Acknowledgement)

    def died(self, worker: str) -> bool:
        """Whether ``worker`` ended without leaving in good order."""
        path = self._layout.lock(worker)
        return path.exists() and not is_held(path)

    def clean_up(self) -> tuple[str, ...]:
        """Withdraw proposals that a killed publisher left, and remove what dead workers left.

        Returns: deployments of which a proposal was withdrawn. Publications under way are left alone.
        """
        withdrawn = []
        for deployment in read_pointers(self._layout.proposed):
            try:
                with self._publishing(deployment):
                    if self._withdraw_abandoned(deployment):
                        withdrawn.append(deployment)
            except Conflict:
                continue
        self._bury_dead_workers()
        return tuple(withdrawn)

    @contextmanager
    def _publishing(self, deployment: str) -> Iterator[None]:
        """Hold the deployment's right to publish; the lock goes with the process that holds it."""
        path = self._layout.publishing / f"{checked(deployment)}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Conflict(
                f"another revision of deployment {deployment!r} is being prepared; try again when it is done."
            ) from None
        finally:
            os.close(descriptor)

    def _withdraw_abandoned(self, deployment: str) -> bool:
        proposed = read_pointer(self._layout.pointer(self._layout.proposed, deployment))
        if proposed is None:
            return False
        if proposed == self.active(deployment):  # killed between activating and taking the proposal away
            remove(self._layout.pointer(self._layout.proposed, deployment))
            return False
        self._withdraw(deployment, proposed, _ABANDONED)
        return True

    def _write(self, snapshot: Snapshot) -> None:
        deployment, revision = snapshot.deployment, snapshot.revision
        highest = max(self.revisions(deployment), default=0)
        created = revision > highest and create_whole(
            self._layout.snapshot(deployment, revision), msgspec.json.encode(snapshot)
        )
        if not created:
            raise Conflict(
                f"revision {revision} of deployment {deployment!r} is taken (the highest is "
                f"{max(highest, revision)}): somebody else published meanwhile, so decide again on what is there now."
            )

    def _propose_and_activate(self, snapshot: Snapshot, timeout: float) -> None:
        deployment, revision = snapshot.deployment, snapshot.revision
        # Called before anybody can see the proposal: a worker that it kills at once was there, and is missed.
        roll = _RollCall(self, deployment, revision)
        roll.call()
        write_pointer(self._layout.pointer(self._layout.proposed, deployment), revision)
        reason = self._wait_until_prepared(roll, timeout)
        if reason is not None:
            self._withdraw(deployment, revision, reason)
            raise PreparationFailed(deployment, revision, reason)
        write_pointer(self._layout.pointer(self._layout.active, deployment), revision)
        remove(self._layout.pointer(self._layout.proposed, deployment))
        self._wait_until_served(deployment, revision, timeout)

    def _wait_until_prepared(self, roll: "_RollCall", timeout: float) -> str | None:
        """None when every live worker is ready, else why it shall be withdrawn."""
        deadline = self._monotonic() + timeout
        while True:
            roll.call()
            if roll.failure is not None:
                return roll.failure
            if roll.complete:
                return None
            if self._monotonic() >= deadline:
                return roll.missing(timeout)
            self._sleep(_POLL_SECONDS)

    def _wait_until_served(self, deployment: str, revision: int, timeout: float) -> None:
        deadline = self._monotonic() + timeout
        while True:
            late = [w for w in self.workers() if self.acknowledgement(w, deployment).active != revision]
            if not late:
                return
            if self._monotonic() >= deadline:
                raise ServedLate(
                    f"revision {revision} of deployment {deployment!r} is active, but worker "
                    f"{', '.join(late)} did not switch to it within {timeout:g} s."
                )
            self._sleep(_POLL_SECONDS)

    def _withdraw(self, deployment: str, revision: int, reason: str) -> None:
        write_whole(self._layout.reason(deployment, revision), msgspec.json.encode(Failure(revision, reason)))
        remove(self._layout.pointer(self._layout.proposed, deployment))

    def _bury_dead_workers(self) -> None:
        with held(self._layout.registration):
            for path in self._layout.workers.glob("*.lock"):
                if not is_held(path):
                    shutil.rmtree(self._layout.acks / path.stem, ignore_errors=True)
                    path.unlink(missing_ok=True)


class _RollCall:
    """Who is ready while one revision is prepared, and who died over it."""

    def __init__(self, publication: Publication, deployment: str, revision: int) -> None:
        self._publication = publication
        self._deployment = deployment
        self._revision = revision
        self._waited_for: set[str] = set()
        self._dead: list[str] = []
        self._waiting: list[str] = []
        self._ready = 0
        self._needed = 0
        self.failure: str | None = None

    def call(self) -> None:
        """Look once at every worker."""
        alive = self._publication.workers()
        self._note_the_dead(alive)
        said = {worker: self._publication.acknowledgement(worker, self._deployment) for worker in alive}
        self._waiting = [w for w, a in said.items() if a.prepared != self._revision]
        self._waited_for = set(self._waiting)
        self._ready = len(said) - len(self._waiting)
        self._needed = max(self._needed, len(alive)) if not self._dead else self._needed
        for worker, acknowledgement in said.items():
            failed = acknowledgement.failed
            if failed is not None and failed.revision == self._revision:
                self.failure = f"worker {worker} could not prepare it: {failed.reason}"

    def _note_the_dead(self, alive: tuple[str, ...]) -> None:
        for worker in sorted(self._waited_for - set(alive)):
            if self._publication.died(worker):
                self._dead.append(worker)
            else:  # it left in good order
                self._needed -= 1
        if len(self._dead) > 1:
            self.failure = f"workers died while preparing it: {', '.join(self._dead)}"

    @property
    def complete(self) -> bool:
        """All are ready; where a system is up there is one at least, though it may be between a crash and its next
        life."""
        if not self._ready and self._publication.is_up():
            return False
        return not self._waiting and (not self._dead or self._ready >= self._needed)

    def missing(self, timeout: float) -> str:
        """Who was not ready when the time was up."""
        if self._waiting:
            return f"worker {', '.join(self._waiting)} did not prepare it within {timeout:g} s"
        if not self._dead:
            return f"no worker was there to prepare it for {timeout:g} s, though the system is up; see seatrial status"
        return f"worker {', '.join(self._dead)} died while preparing it and no other took its place in {timeout:g} s"
