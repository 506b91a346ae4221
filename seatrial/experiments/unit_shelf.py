"""Shelves on disk: for each question a folder with a Parquet file a piece, the pieces' sums, what they are, and a lock.

``past.json`` names the files that count and is renamed into place last, so a crash leaves what was there before. Where
a file of a piece is missing, or not as long as it was, nothing is there. Pages carry checksums, which are compared when
they are read: where one is wrong the judgement fails, and what was kept is dropped, so that the next one reads
everything. Sums carry one too; where it is wrong they are taken anew.
"""

import math
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from seatrial.experiments.persons import NOBODY
from seatrial.experiments.shelf import Change, Past, Piece
from seatrial.ledger.locks import locked
from seatrial.spec.errors import Unavailable

MOST = 8
"""Questions of a deployment that are kept: those asked last."""

WAIT = 60.0


class _Files(msgspec.Struct, frozen=True):
    """What there is: pieces with the bytes of their files, how many files were ever made, the sums' checksum, and the
    file of persons with its bytes; None: nobody has two names."""

    past: Past
    pieces: tuple[tuple[Piece, int], ...]
    made: int
    sums: int | None = None
    persons: tuple[str, int] | None = None


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
        self._open: dict[str, pa.NativeFile] = {}
        self._read: dict[str, pq.ParquetFile] = {}
        self._take()

    def past(self) -> Past | None:
        """What is there."""
        return None if self._files is None else self._files.past

    def pieces(self) -> tuple[Piece, ...]:
        """All pieces."""
        return () if self._files is None else tuple(piece for piece, _ in self._files.pieces)

    def read(self, piece: Piece, names: Sequence[str] | None = None) -> pa.Table:
        """Columns of a piece."""
        with self._undamaged():
            return self._file(piece.name).read(columns=None if names is None else list(names))

    def same(self, piece: Piece) -> Mapping[str, float]:
        """By what its file says of every column's least and largest value."""
        with self._undamaged():
            return _same(self._file(piece.name))

    def persons(self) -> pa.Table:
        """Those of ``past.json``."""
        if self._files is None or self._files.persons is None:
            return NOBODY
        with self._undamaged():
            return self._file(self._files.persons[0]).read()

    def begin(self, past: Past, tables: Iterator[pa.Table], persons: pa.Table) -> None:
        """Other pieces, alone."""
        self._keep(past, (Change(None, table) for table in tables), (), persons)

    def change(self, past: Past, changes: Iterator[Change], persons: pa.Table | None = None) -> None:
        """Some pieces instead of others."""
        self._keep(past, changes, () if self._files is None else self._files.pieces, persons)

    def sums(self) -> bytes:
        """What was written of sums."""
        try:
            found = (self._folder / _SUMS).read_bytes()
        except OSError:
            return b""
        return found if self._files is not None and self._files.sums == zlib.crc32(found) else b""

    def write_sums(self, sums: bytes) -> None:
        """Other sums."""
        assert self._files is not None
        with _while_there(self._folder):
            _replace(self._folder / _SUMS, sums)
            self._name(msgspec.structs.replace(self._files, sums=zlib.crc32(sums)))

    def _keep(
        self, past: Past, changes: Iterator[Change], there: Sequence[tuple[Piece, int]], persons: pa.Table | None
    ) -> None:
        made, sums, known = 0, None, None
        if self._files is not None:
            made, sums, known = self._files.made, self._files.sums, self._files.persons
        found = {piece.name: (piece, size) for piece, size in there}
        with _while_there(self._folder):
            for instead_of, table in changes:
                piece = _piece(f"piece-{made}", table)
                kept = (piece, self._written(piece.name, table))
                if instead_of is None:
                    found[piece.name] = kept
                else:
                    found[instead_of.name] = kept  # where the other was
                made += 1
            if persons is not None:
                known = None
                if persons.num_rows:
                    known = (f"persons-{made}", self._written(f"persons-{made}", persons))
                    made += 1
            self._name(_Files(past, tuple(found.values()), made, sums, known))
            self._take()
            self._drop_others()

    def _written(self, name: str, table: pa.Table) -> int:
        """The bytes of a file that was written."""
        path = self._folder / f"{name}.parquet"
        path.unlink(missing_ok=True)  # one that is open is left to whoever reads it
        _write(path, table)
        return path.stat().st_size

    def _name(self, files: _Files) -> None:
        _replace(self._folder / _PAST, msgspec.json.encode(files))
        self._files = files

    def _take(self) -> None:
        """Opens all that counts: what is open stays readable."""
        try:
            files = msgspec.json.decode((self._folder / _PAST).read_bytes(), type=_Files)
            opened = {name: self._opened(name, size) for name, size in _sizes(files).items()}
        except (OSError, msgspec.DecodeError):
            self._files = None
        else:
            self._files, self._open = files, opened
            self._read = {name: file for name, file in self._read.items() if name in opened}

    def _opened(self, name: str, size: int) -> pa.NativeFile:
        if name in self._open:
            return self._open[name]
        file = pa.OSFile(str(self._folder / f"{name}.parquet"))
        if file.size() != size:
            raise OSError(f"{name} has {file.size()} bytes of {size}")
        return file

    def _file(self, name: str) -> pq.ParquetFile:
        if name not in self._read:
            self._read[name] = pq.ParquetFile(self._open[name], page_checksum_verification=True)
        return self._read[name]

    def _drop_others(self) -> None:
        if self._files is None:
            raise FileNotFoundError(self._folder / _PAST)
        names = {f"{name}.parquet" for name in _sizes(self._files)}
        for path in self._folder.glob("*.parquet"):
            if path.name not in names:
                path.unlink(missing_ok=True)

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        """Drops what is kept, and raises Unavailable, where a page is not what was written."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            (self._folder / _PAST).unlink(missing_ok=True)
            raise Unavailable(f"what was kept in {self._folder} is damaged, and is dropped; judge again") from error


_PAST = "past.json"
_SUMS = "sums.msgpack"


@contextmanager
def _while_there(folder: Path) -> Iterator[None]:
    """Raises Unavailable when the folder is taken away meanwhile, as forgetting a unit does."""
    try:
        yield
    except FileNotFoundError as error:
        raise Unavailable(f"{folder} was deleted while a judgement was kept there; judge again") from error


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def _sizes(files: _Files) -> dict[str, int]:
    """The bytes of every file that counts, by its name."""
    found = {piece.name: size for piece, size in files.pieces}
    return found if files.persons is None else found | dict([files.persons])


def _piece(name: str, table: pa.Table) -> Piece:
    if not table.num_rows:
        return Piece(name=name, units=0, first=0, last=0)
    ends = pc.min_max(table["first_at"])
    return Piece(name=name, units=table.num_rows, first=ends["min"].as_py(), last=ends["max"].as_py())


def _write(path: Path, table: pa.Table) -> None:
    pq.write_table(
        _without_nan(table),
        path,
        row_group_size=max(table.num_rows, 1),
        compression="zstd",
        compression_level=1,
        write_page_checksum=True,
    )


def _without_nan(table: pa.Table) -> pa.Table:
    """NaN as null in columns of numbers: Parquet leaves NaN out of a column's least and largest value and counts nulls,
    so only so does its end tell a column of zeros from one of zeros and holes."""
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            holes = pc.is_nan(table[field.name])
            if pc.any(holes).as_py():
                nulls = pa.scalar(None, field.type)
                table = table.set_column(place, field.name, pc.if_else(holes, nulls, table[field.name]))
    return table


def _same(file: pq.ParquetFile) -> dict[str, float]:
    """The one value of each column that has one, NaN for none at all."""
    if file.metadata.num_row_groups != 1:
        return {}
    group = file.metadata.row_group(0)
    values: dict[str, float] = {}
    for place, leaf in enumerate(file.schema):
        told = group.column(place).statistics
        if told is None or leaf.path != leaf.name:
            continue
        if told.null_count == group.num_rows:
            values[leaf.name] = math.nan
        elif not told.null_count and told.has_min_max and told.min == told.max and isinstance(told.min, int | float):
            values[leaf.name] = float(told.min)
    return values
