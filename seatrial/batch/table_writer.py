"""Makes a table of scores for lookups: under construction it can be killed and gone on with, then it is put in place.

Every answer is kept with the position of its row, and of a key that stands in several rows the first one counts. So
it does not matter how often a row is scored: a run that was killed and repeats its last rows writes the same table.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import lmdb
import msgspec

from seatrial.models.score_table import ABOUT, MAX_VERSIONS, POINTER, TABLES, About, key_bytes, row_of, table_file
from seatrial.releases.layout import sync_directory, write_whole
from seatrial.spec.errors import Conflict

BUILDING = "building.lmdb"
FIRST_BYTES = 1 << 28
"""Size of the map to begin with; it is doubled when it is full."""

KEPT = 2
"""Tables that stay: the current one, and the one before it, which the pointer can be set back to."""


class TableWriter:
    """A table under construction in a directory of scores.

    Args:
        scores: The directory.
        versions: ``name:version`` of those whose answers it will hold.
        fresh: Begin with nothing, whatever is there.

    Raises:
        Conflict: It was begun before, and is not there any more.
    """

    def __init__(self, scores: Path, versions: Sequence[str], *, fresh: bool) -> None:
        self._scores = scores
        self._file = scores / TABLES / BUILDING
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            self._remove()
        elif not self._file.exists():
            raise Conflict(f"{self._file} is gone, so the run cannot be gone on with; begin anew with --fresh")
        self._env = lmdb.open(str(self._file), subdir=False, map_size=FIRST_BYTES, max_dbs=MAX_VERSIONS)
        self._databases = {version: self._env.open_db(version.encode()) for version in versions}

    def put(self, version: str, keys: Sequence[str], kept: Sequence[bytes]) -> list[bool]:
        """Write answers (as ``score_table.packed`` makes them), durably.

        Returns:
            For each whether it stands; False where an earlier row has its key.
        """
        raw = [key_bytes(key) for key in keys]
        order = sorted(range(len(raw)), key=raw.__getitem__)
        while True:
            try:
                return self._put(version, raw, kept, order)
            except lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])

    def _put(self, version: str, keys: Sequence[bytes], kept: Sequence[bytes], order: Sequence[int]) -> list[bool]:
        stands = [True] * len(keys)
        with self._env.begin(self._databases[version], write=True) as transaction:
            for place in order:
                there = transaction.get(keys[place])
                if there is not None and row_of(there) < row_of(kept[place]):
                    stands[place] = False
                else:
                    transaction.put(keys[place], kept[place])
        return stands

    def rows(self, version: str) -> int:
        """How many keys of a version have an answer."""
        with self._env.begin() as transaction:
            entries: int = transaction.stat(self._databases[version])["entries"]
        return entries

    def publish(self, about: About) -> str:
        """Put the table in place as one compact file, and have readers take it; gives its name.

        Readers see the table before or this one, whole. A table that was replaced is removed once another follows.
        """
        with self._env.begin(write=True) as transaction:
            transaction.put(ABOUT, msgspec.json.encode(about))
        name = str(about.started_at)
        file = table_file(self._scores, name)
        half = file.with_suffix(".half")
        half.unlink(missing_ok=True)
        self._env.copy(str(half), compact=True)
        _sync(half)
        os.replace(half, file)
        sync_directory(file.parent)
        write_whole(self._scores / POINTER, f"{name}\n".encode())
        self._tidy(name)
        return name

    def discard(self) -> None:
        """Remove what was under construction; once it is published, and that is on record."""
        self.close()
        self._remove()

    def close(self) -> None:
        """Leave it as it is; a second call does nothing."""
        self._databases = {}
        self._env.close()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _remove(self) -> None:
        for suffix in ("", "-lock"):
            Path(f"{self._file}{suffix}").unlink(missing_ok=True)

    def _tidy(self, current: str) -> None:
        names = sorted((file.stem for file in self._file.parent.glob("[0-9]*.lmdb")), key=int)
        for old in [name for name in names if name != current][: -(KEPT - 1)]:
            table_file(self._scores, old).unlink(missing_ok=True)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
