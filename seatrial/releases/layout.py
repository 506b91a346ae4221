"""Where the published files of a home directory lie, and how one is written so that a reader never sees half of it.

Serving reads through here too: no database, no validation library, nothing slow.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec

from seatrial.spec.errors import BadInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_numbers = count()


class Pointer(msgspec.Struct, frozen=True):
    """Content of ``proposed`` and ``active`` files."""

    revision: int


class Failure(msgspec.Struct, frozen=True):
    """Why a worker could not prepare a revision."""

    revision: int
    reason: str


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker says of one deployment: the revision it has loaded, could not load, and serves."""

    prepared: int | None = None
    failed: Failure | None = None
    active: int | None = None


class Layout:
    """The paths below ``home/gateway``."""

    def __init__(self, home: Path) -> None:
        self.root = Path(home) / "gateway"
        self.proposed = self.root / "proposed"
        self.active = self.root / "active"
        self.workers = self.root / "workers"
        self.acks = self.root / "acks"
        self.snapshots = self.root / "snapshots"
        self.withdrawn = self.root / "withdrawn"
        self.publishing = self.root / "publishing"
        self.home_lock = Path(home) / "home.lock"

    def make(self) -> None:
        """Create the directories; safe to repeat."""
        for directory in (
            self.proposed,
            self.active,
            self.workers,
            self.acks,
            self.snapshots,
            self.withdrawn,
            self.publishing,
        ):
            directory.mkdir(parents=True, exist_ok=True)

    def snapshot(self, deployment: str, revision: int) -> Path:
        return self.snapshots / checked(deployment) / f"{revision}.json"

    def pointer(self, directory: Path, deployment: str) -> Path:
        """The pointer file of a deployment in ``proposed`` or ``active``."""
        return directory / f"{checked(deployment)}.json"

    def reason(self, deployment: str, revision: int) -> Path:
        """Where the reason of a withdrawn revision is kept."""
        return self.withdrawn / checked(deployment) / f"{revision}.json"

    def acknowledgement(self, worker: str, deployment: str) -> Path:
        return self.acks / checked(worker) / f"{checked(deployment)}.json"

    def lock(self, worker: str) -> Path:
        return self.workers / f"{checked(worker)}.lock"

    @property
    def registration(self) -> Path:
        """Held for an instant by a worker that joins or leaves, and by whoever removes what the dead left."""
        return self.workers / ".registration"


def checked(name: str) -> str:
    """``name`` when it may be a file's name; raises BadInput otherwise."""
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot be a name: use letters, digits, '.', '_' and '-', at most 128 of them.")
    return name


def named_file(home: Path, kind: str, name: str) -> Path:
    """Where a file that a snapshot names lies; ``name`` is ``deployment/file``. Raises BadInput."""
    deployment, _, file = name.partition("/")
    return home / kind / checked(deployment) / checked(file)


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``content`` in one step (temp, fsync, rename)."""
    temporary = _temporary(path, content, durable=durable)
    os.replace(temporary, path)
    if durable:
        sync_directory(path.parent)


def create_whole(path: Path, content: bytes) -> bool:
    """Create ``path`` with ``content`` in one step; False when it exists already (then it is left as it is)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path, content, durable=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    sync_directory(path.parent)
    return True


def _temporary(path: Path, content: bytes, *, durable: bool) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{next(_numbers)}"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def remove(path: Path) -> None:
    """Remove ``path`` for good; fine when it is gone already."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_pointer(path: Path) -> int | None:
    """The revision a pointer file names, or None when there is no file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pointer).revision
    except FileNotFoundError:
        return None


def read_pointers(directory: Path) -> dict[str, int]:
    """Revision by deployment, of all pointer files in ``directory``."""
    found: dict[str, int] = {}
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return found
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            revision = read_pointer(directory / name)
            if revision is not None:
                found[name.removesuffix(".json")] = revision
    return found


def write_pointer(path: Path, revision: int) -> None:
    write_whole(path, msgspec.json.encode(Pointer(revision)))


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` for a moment, waiting for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody holds an exclusive lock on ``path``; a dead process holds none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at the same time do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
