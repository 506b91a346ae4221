"""The manifest of a run: a line that says what it is, then a line for every finished shard, then one for its end.

A line is written once what it says is on the disk, so a killed run goes on after the last whole line.
"""

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from seatrial.spec.errors import Conflict

FILE = "manifest.ndjson"


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """What a run is: it is gone on with only where all of this but ``started_at`` and ``file`` is the same.

    Attributes:
        started_at: Microseconds since 1970 UTC.
        digest: XXH3-128 of the input's bytes.
        whose: ``all``, ``own`` or ``one``.
        versions: Digest of the files by variant and version, ``champion churn:7``.
        routing: What the assignment of units depends on, where it plays a part.
    """

    started_at: int
    deployment: str
    file: str
    digest: str
    key: str
    unit: str | None
    whose: str
    versions: dict[str, str]
    routing: str = ""


class Shard(msgspec.Struct, frozen=True, kw_only=True, tag="shard"):
    """One finished shard.

    Attributes:
        start, rows: Which rows of the input: the first one's position, and how many.
        scored: Answers by variant.
        rejected: Lines that were set aside.
        rejects_bytes: Length of the file of rejects with this shard's lines.
    """

    file: str
    start: int
    rows: int
    scored: dict[str, int]
    rejected: int
    rejects_bytes: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """Every row is done and the table is published.

    Attributes:
        table: Its name, as the pointer says; "" where nothing was scored.
    """

    ended_at: int
    table: str


class Record(NamedTuple):
    """What a manifest says."""

    begun: Begun
    shards: tuple[Shard, ...] = ()
    ended: Ended | None = None

    @property
    def rows(self) -> int:
        """Input rows that are done."""
        return sum(shard.rows for shard in self.shards)

    @property
    def rejects_bytes(self) -> int:
        return self.shards[-1].rejects_bytes if self.shards else 0


_line = msgspec.json.Decoder(Begun | Shard | Ended)


def read(out: Path) -> Record | None:
    """What the manifest in a directory says; None when there is none. A half-written last line counts for nothing.

    Raises:
        Conflict: It is none.
    """
    try:
        content = (out / FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        lines = [_line.decode(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
    except msgspec.DecodeError as error:
        raise Conflict(f"{out / FILE} is no manifest of a run ({error}); give another --out, or --fresh") from error
    if not lines or not isinstance(lines[0], Begun):
        return None
    last = lines[-1]
    return Record(
        lines[0],
        tuple(line for line in lines if isinstance(line, Shard)),
        last if isinstance(last, Ended) else None,
    )


def write(out: Path, line: Begun | Shard | Ended) -> None:
    """Add a line, durably; ``Begun`` begins the manifest anew."""
    path = out / FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if isinstance(line, Begun) else 0), 0o644)
    with open(descriptor, "r+b") as file:
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        file.seek(whole)
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def check_same(old: Begun, new: Begun, out: Path) -> None:
    """Raise Conflict unless going on with ``old`` is what ``new`` asks for; it says what differs."""
    mend = "begin anew with --fresh, or give another --out"
    if old.digest != new.digest:
        raise Conflict(f"{new.file} is not what the run in {out} began with: its content has changed since; {mend}")
    for name in ("deployment", "key", "unit", "whose", "versions", "routing"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            raise Conflict(
                f"the run in {out} began with {_WORDS[name]} {was!r:.300}, and now it is {now!r:.300}; {mend}"
            )


_WORDS = {
    "deployment": "deployment",
    "key": "--key",
    "unit": "--unit",
    "whose": "the variants of",
    "versions": "the versions",
    "routing": "the routing",
}
