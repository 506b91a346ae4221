"""The gateway worker's side of publication: what to prepare, what to serve, and saying so.

Everything is by level: each poll compares the files with what this worker has announced, prepared and serves, so a
missed poll loses nothing. ``proposed`` is read before ``active``: the publisher writes them in the opposite order
(active, then the proposal goes), so a proposal that is gone while ``active`` is old was really withdrawn.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from seatrial.releases.layout import (
    Acknowledgement,
    Failure,
    Layout,
    held,
    is_held,
    read_pointers,
    write_whole,
)
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import Conflict

ChangeKind = Literal["prepare", "activate", "withdraw", "remove"]
_JOIN_SECONDS = 2.0


class Change(NamedTuple):
    """One thing for a worker to do.

    Attributes:
        kind: ``prepare``: load and warm up, then ``acknowledge``; ``activate``: serve it from now on, then
            ``activated``; ``withdraw``: forget what was prepared; ``remove``: serve this deployment no longer.
        deployment: Which deployment.
        snapshot: The snapshot concerned (for ``remove``: the one that was served).
    """

    kind: ChangeKind
    deployment: str
    snapshot: Snapshot


class _Held:
    """What this worker has of one deployment."""

    def __init__(self) -> None:
        self.announced: dict[int, Snapshot] = {}
        """Revisions handed out as ``prepare`` and not withdrawn since."""
        self.ready: set[int] = set()
        """Revisions that were acknowledged as loaded, and are still announced."""
        self.acknowledgement = Acknowledgement()
        self.told: int | None = None
        """Revision handed out as ``activate`` last."""


class Subscription:
    """One worker's view of what is published under ``home``.

    Args:
        home: The machine's home directory.
        worker: This worker's name; one living worker a name.
        monotonic, sleep: Time, for waiting in ``join``.
    """

    def __init__(
        self,
        home: Path,
        worker: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._layout = Layout(Path(home))
        self.worker = worker
        self._lock_path = self._layout.lock(worker)
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock: int | None = None
        self._held: dict[str, _Held] = {}

    def join(self) -> None:
        """Become a live worker, whose acknowledgement publication waits for.

        Raises:
            Conflict: a living worker has this name.
        """
        self._layout.make()
        with held(self._layout.registration):
            if is_held(self._lock_path):
                raise Conflict(f"a living worker is called {self.worker!r} already; give this one another name.")
            # Before the lock: what an earlier life of this name acknowledged must never count for this one.
            shutil.rmtree(self._layout.acks / self.worker, ignore_errors=True)
            self._lock = self._take_lock()

    def _take_lock(self) -> int:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = self._monotonic() + _JOIN_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # a publisher is asking who lives, for an instant
                if self._monotonic() > deadline:
                    os.close(descriptor)
                    raise Conflict(f"the lock of worker {self.worker!r} is held by somebody else.") from None
                self._sleep(0.001)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        return descriptor

    def active(self) -> dict[str, Snapshot]:
        """The snapshots to serve now, by deployment: what a fresh worker loads before it accepts.

        They count as announced: a later ``poll`` does not ask to prepare them again. Call ``activated`` for each that
        is served, or ``acknowledge`` with an error for one that could not be loaded.
        """
        found: dict[str, Snapshot] = {}
        for deployment, revision in read_pointers(self._layout.active).items():
            have = self._of(deployment)
            snapshot = self._read_or_fail(deployment, have, revision)
            if snapshot is None:
                continue
            have.announced[revision] = snapshot
            have.told = revision
            found[deployment] = snapshot
        return found

    def poll(self) -> tuple[Change, ...]:
        """What changed since the last poll, each once; an empty tuple costs two directory listings."""
        proposed = read_pointers(self._layout.proposed)
        active = read_pointers(self._layout.active)
        changes: list[Change] = []
        for deployment in sorted({*proposed, *active, *self._held}):
            changes += self._changes(deployment, proposed.get(deployment), active.get(deployment))
        return tuple(changes)

    def _changes(self, deployment: str, proposed: int | None, active: int | None) -> list[Change]:
        have = self._of(deployment)
        if active is None and proposed is None:
            return self._forget(deployment)
        changes = self._withdrawals(deployment, have, keep={proposed, active, have.acknowledgement.active, have.told})
        for revision in (active, proposed):
            if revision is not None and revision not in have.announced and revision != have.told:
                changes += self._announce(deployment, have, revision)
        if active is not None and active != have.told and active in have.ready:
            have.told = active
            changes.append(Change("activate", deployment, have.announced[active]))
        return changes

    def _announce(self, deployment: str, have: _Held, revision: int) -> list[Change]:
        snapshot = self._read_or_fail(deployment, have, revision)
        if snapshot is None:
            return []
        have.announced[revision] = snapshot
        return [Change("prepare", deployment, snapshot)]

    def _withdrawals(self, deployment: str, have: _Held, keep: set[int | None]) -> list[Change]:
        gone = sorted(set(have.announced) - keep)
        changes = [Change("withdraw", deployment, have.announced.pop(revision)) for revision in gone]
        if have.ready.intersection(gone):
            have.ready.difference_update(gone)
            self._say(deployment, have)
        return changes

    def _forget(self, deployment: str) -> list[Change]:
        have = self._held.pop(deployment)
        self._layout.acknowledgement(self.worker, deployment).unlink(missing_ok=True)
        served = have.told
        changes = [Change("withdraw", deployment, s) for r, s in sorted(have.announced.items()) if r != served]
        if served is not None and served in have.announced:
            changes.append(Change("remove", deployment, have.announced[served]))
        return changes

    def acknowledge(self, deployment: str, revision: int, error: str | None = None) -> None:
        """Say that ``revision`` is loaded and warm, or why it cannot be; a revision withdrawn meanwhile is ignored."""
        have = self._of(deployment)
        if error is not None:
            self._say(deployment, have, failed=Failure(revision, error))
        elif revision in have.announced:
            have.ready.add(revision)
            failed = have.acknowledgement.failed
            self._say(deployment, have, failed=None if failed and failed.revision == revision else failed)

    def activated(self, deployment: str, revision: int) -> None:
        """Say that ``revision`` answers requests from now on; a later one that is being prepared is not affected."""
        have = self._of(deployment)
        have.told = revision
        have.announced = {r: s for r, s in have.announced.items() if r >= revision}
        have.ready = {r for r in have.ready if r >= revision} | {revision}
        failed = have.acknowledgement.failed
        have.acknowledgement = msgspec.structs.replace(have.acknowledgement, active=revision)
        self._say(deployment, have, failed=failed if failed and failed.revision > revision else None)

    def leave(self) -> None:
        """Stop being waited for; safe to repeat."""
        if self._lock is None:
            return
        with held(self._layout.registration):
            with suppress(FileNotFoundError):
                self._lock_path.unlink()
            shutil.rmtree(self._layout.acks / self.worker, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def _of(self, deployment: str) -> _Held:
        return self._held.setdefault(deployment, _Held())

    def _read_or_fail(self, deployment: str, have: _Held, revision: int) -> Snapshot | None:
        """The snapshot; when it cannot be read this worker says so, once, and serves what it has."""
        path = self._layout.snapshot(deployment, revision)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Snapshot)
        except (OSError, msgspec.DecodeError) as error:
            failed = have.acknowledgement.failed
            if failed is None or failed.revision != revision:
                self.acknowledge(deployment, revision, error=f"the snapshot {path} cannot be read: {error}")
            return None

    def _say(self, deployment: str, have: _Held, failed: Failure | Literal["as before"] | None = "as before") -> None:
        """Write what this worker has: of several revisions that are ready the highest, which is the one proposed."""
        have.acknowledgement = Acknowledgement(
            prepared=max(have.ready, default=None),
            failed=have.acknowledgement.failed if failed == "as before" else failed,
            active=have.acknowledgement.active,
        )
        # Not durable: the acknowledgement of a worker that a power cut ended means nothing.
        path = self._layout.acknowledgement(self.worker, deployment)
        write_whole(path, msgspec.json.encode(have.acknowledgement), durable=False)
