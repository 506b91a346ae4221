"""Shelves on disk: for each question a folder of two Parquet files and what they are, and a lock.

``past.json`` names the files that count and is renamed into place last, so a crash leaves what was there before. A file
whose end is torn is one that is not there. Pages carry checksums, which are compared when they are read: where one is
wrong the judgement fails, and what was kept is dropped, so that the next one reads everything.
"""

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.experiments.remembered import Past
from seatrial.ledger.locks import locked
from seatrial.spec.errors import Unavailable

MOST = 8
"""Questions of a deployment that are kept: those asked last."""

WAIT = 60.0

PIECE = 100_000
"""Units in a piece of the large part."""


class _Files(msgspec.Struct, frozen=True):
    past: Past
    large: str
    small: str = ""


class DiskShelves:
    """The shelves of a deployment, in a folder of their own; at most ``MOST``, the oldest go first.

    Args:
        folder: Made when it is not there.
        wait: Seconds to wait for another reader of the same question; then everything is read without the shelf.
    """

    def __init__(self, folder: Path, wait: float = WAIT) -> None:
        self._folder = folder
        self._wait = wait

    @contextmanager
    def shelf(self, key: str) -> Iterator["DiskShelf | None"]:
        """The one of a question, for this reader alone; None: it is taken, or the folder cannot be written."""
        with ExitStack() as held:
            yield self._taken(key, held)

    def _taken(self, key: str, held: ExitStack) -> "DiskShelf | None":
        folder = self._folder / key
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(self._folder / f"{key}.lock", self._wait))
            folder.mkdir(exist_ok=True)  # somebody may have dropped it meanwhile
            os.utime(folder)
        except (Unavailable, OSError):
            return None
        self._drop_oldest()
        return DiskShelf(folder)

    def _drop_oldest(self) -> None:
        folders = [path for path in self._folder.iterdir() if path.is_dir()]
        for path in sorted(folders, key=lambda path: path.stat().st_mtime)[: max(0, len(folders) - MOST)]:
            shutil.rmtree(path, ignore_errors=True)
            path.with_suffix(".lock").unlink(missing_ok=True)


class DiskShelf:
    """One question's folder. Files once opened stay readable when others take their place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: _Files | None = None
        self._large: pq.ParquetFile | None = None
        self._small: pq.ParquetFile | None = None
        self._open()

    def past(self) -> Past | None:
        """What is there."""
        return None if self._files is None else self._files.past

    def large(self, names: Sequence[str] | None = None) -> pa.Table:
        """Columns of the large part."""
        assert self._large is not None
        with self._undamaged():
            return self._large.read(columns=None if names is None else list(names))

    def small(self, names: Sequence[str] | None = None) -> pa.Table | None:
        """Columns of the small part."""
        with self._undamaged():
            return None if self._small is None else self._small.read(columns=None if names is None else list(names))

    def same(self, name: str) -> float | None:
        """By what the files say of every piece's least and largest value."""
        assert self._large is not None
        found = {_same(file, name) for file in (self._large, self._small) if file is not None}
        return found.pop() if len(found) == 1 else None

    def pieces(self) -> Iterator[pa.Table]:
        """The large part, piece by piece."""
        assert self._large is not None
        for group in range(self._large.num_row_groups):
            with self._undamaged():
                piece = self._large.read_row_group(group)
            yield piece

    def write_large(self, past: Past, pieces: Iterator[pa.Table]) -> None:
        """Another large part, alone."""
        name = self._unused("large")
        with _while_there(self._folder):
            writer: pq.ParquetWriter | None = None
            for piece in pieces:
                writer = writer or _writer(self._folder / name, piece.schema)
                if piece.num_rows:
                    writer.write_table(piece.cast(writer.schema), row_group_size=PIECE)
            assert writer is not None
            writer.close()
            self._write(_Files(past, name))

    def write_small(self, past: Past, small: pa.Table | None) -> None:
        """Another small part beside the large one."""
        assert self._files is not None
        name = "" if small is None else self._unused("small")
        with _while_there(self._folder):
            if small is not None:
                with _writer(self._folder / name, small.schema) as writer:
                    writer.write_table(small)
            self._write(_Files(past, self._files.large, name))

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        """Drops what is kept, and raises Unavailable, where a page is not what was written."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            (self._folder / _PAST).unlink(missing_ok=True)
            raise Unavailable(f"what was kept in {self._folder} is damaged, and is dropped; judge again") from error

    def _open(self) -> None:
        try:
            files = msgspec.json.decode((self._folder / _PAST).read_bytes(), type=_Files)
            self._large = _opened(self._folder / files.large)
            self._small = _opened(self._folder / files.small) if files.small else None
            self._files = files
        except (OSError, msgspec.DecodeError, pa.ArrowException):
            self._files = None

    def _write(self, files: _Files) -> None:
        beside = self._folder / f"{_PAST}.new"
        beside.write_bytes(msgspec.json.encode(files))
        beside.replace(self._folder / _PAST)
        self._open()
        for path in self._folder.glob("*.parquet"):
            if path.name not in (files.large, files.small):
                path.unlink(missing_ok=True)

    def _unused(self, kind: str) -> str:
        number = 0
        while (self._folder / f"{kind}-{number}.parquet").exists():
            number += 1
        return f"{kind}-{number}.parquet"


_PAST = "past.json"


@contextmanager
def _while_there(folder: Path) -> Iterator[None]:
    """Raises Unavailable when the folder is taken away meanwhile, as forgetting a unit does."""
    try:
        yield
    except FileNotFoundError as error:
        raise Unavailable(f"{folder} was deleted while a judgement was kept there; judge again") from error


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, write_page_checksum=True)


def _opened(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, page_checksum_verification=True)


def _same(file: pq.ParquetFile, name: str) -> float | None:
    """The one value of a column, NaN for none at all; None where there are several or it is not known.

    NaN is not counted in a least and a largest value, so floats that are the same may hide some; those that are read
    here are never NaN unless they are null.
    """
    facts = file.metadata
    place = [leaf.path for leaf in file.schema].index(name)
    values: set[float] = set()
    for group in range(facts.num_row_groups):
        told = facts.row_group(group).column(place).statistics
        if told is not None and told.null_count == facts.row_group(group).num_rows:
            values.add(math.nan)
        elif told is None or told.null_count or not told.has_min_max or told.min != told.max:
            return None
        else:
            values.add(float(told.min))
    return values.pop() if len(values) == 1 else None
