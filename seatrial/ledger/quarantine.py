"""The quarantine file: versions that no worker may run, because workers crashed while they ran.

The supervisor adds to it before it starts a crashed worker again, workers obey it, control tells people and takes the
version out of routing, and a person lifts it with ``seatrial apply --retry``. It is replaced in one step, so a reader
sees all of an entry or none; writers take turns.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from seatrial.ledger import layout
from seatrial.ledger.underway import Suspect
from seatrial.routing.snapshot import Slot


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one variant.

    Attributes:
        digest: The first digits of its files' digest.
        at: When it was put there, microseconds since 1970 UTC.
        why: The crashes, in words.
    """

    deployment: str
    variant: str
    digest: str
    at: int
    why: str

    def holds(self, deployment: str, variant: str, digest: str) -> bool:
        """Whether it is about the version with that whole digest in a deployment's variant."""
        return (self.deployment, self.variant) == (deployment, variant) and digest.startswith(self.digest)


Entries = tuple[Quarantined, ...]


def held_by(entries: Entries, deployment: str, slot: Slot) -> Quarantined | None:
    """What holds a version in quarantine, itself or one that it is made of; None: nothing does."""
    parts = {(part.variant, part.digest) for part in (slot, *slot.parts)}
    return next((entry for entry in entries if any(entry.holds(deployment, *part) for part in parts)), None)


def read_quarantine(home: Path) -> Entries:
    """Every version in quarantine; none when there is no file.

    Raises:
        OSError, msgspec.MsgspecError: The file cannot be read.
    """
    try:
        return msgspec.json.decode(layout.quarantine(home).read_bytes(), type=Entries)
    except FileNotFoundError:
        return ()


def add_quarantined(home: Path, suspects: tuple[Suspect, ...], at: int, why: str) -> None:
    """Put versions into quarantine; those that are there stay as they are."""

    def with_them(entries: Entries) -> Entries:
        there = {(entry.deployment, entry.variant, entry.digest) for entry in entries}
        new = [s for s in suspects if (s.deployment, s.variant, s.digest) not in there]
        return (
            *entries,
            *(Quarantined(deployment=s.deployment, variant=s.variant, digest=s.digest, at=at, why=why) for s in new),
        )

    _change(home, with_them)


def lift_quarantine(home: Path, deployment: str, slots: Sequence[Slot] | None = None) -> Entries:
    """Let versions of a deployment run again: those of these slots, or (None) every one; gives what was lifted."""

    def lifted(entry: Quarantined) -> bool:
        if entry.deployment != deployment:
            return False
        return slots is None or any(held_by((entry,), deployment, slot) is not None for slot in slots)

    found = tuple(entry for entry in read_quarantine(home) if lifted(entry))
    if found:
        _change(home, lambda entries: tuple(entry for entry in entries if not lifted(entry)))
    return found


def put_back(home: Path, lifted: Entries) -> None:
    """Undo `lift_quarantine`."""
    if lifted:
        _change(home, lambda entries: (*entries, *(entry for entry in lifted if entry not in entries)))


class QuarantineWatch:
    """Sees when the file changes; cheap to ask often."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: tuple[int, int] | None = None

    def changed(self) -> Entries | None:
        """The entries, when they may be others than at the last call; None otherwise. Raises as `read_quarantine`."""
        try:
            found = os.stat(layout.quarantine(self._home))
            stamp = found.st_ino, found.st_mtime_ns
        except FileNotFoundError:
            stamp = 0, 0
        if stamp == self._seen:
            return None
        entries = read_quarantine(self._home)
        self._seen = stamp
        return entries


def _change(home: Path, change: Callable[[Entries], Entries]) -> None:
    target = layout.quarantine(home)
    with _turn(target.with_suffix(".lock")):
        draft = target.with_suffix(".new")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(change(read_quarantine(home))))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
