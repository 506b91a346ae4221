"""Rows out of a Parquet or CSV file, a chunk at a time, as requests would carry them; memory is that of one chunk.

What cannot be read as a row keeps its place, so that the position of a row is the same however often a file is read.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from seatrial.batch.cells import READERS, identity
from seatrial.protocol.features import Row
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.signature import Feature

CHUNK_ROWS = 8192
_BLOCK = 1 << 20
_FIELD = 16 << 20
"""Characters of the longest CSV field: an unclosed quote must not swallow the file."""


class Wanted(NamedTuple):
    """Columns to read: of the key, of the unit, and the features by name."""

    key: str
    unit: str | None
    features: Mapping[str, Feature]


class Chunk(NamedTuple):
    """Some rows that follow each other.

    Attributes:
        start: Position of the first one in the file.
        keys, units: By row; a value that is none is in ``unreadable``.
        rows: Features by row.
        unreadable: Why a row cannot be scored, by place in the chunk.
    """

    start: int
    keys: Sequence[str]
    units: Sequence[str]
    rows: Sequence[Row]
    unreadable: Mapping[int, str]


class Input(Protocol):
    """A file of rows.

    Attributes:
        absent: Features that it has no column for.
        share: Which share of it was read, from 0 to 1.
    """

    absent: tuple[str, ...]

    @property
    def share(self) -> float: ...

    def chunks(self, start: int, size: int) -> Iterator[Chunk]:
        """Chunks of at most so many rows, from the row at ``start`` on."""
        ...


def open_input(file: Path, wanted: Wanted) -> Input:
    """Open a file by its ending.

    Raises:
        NotFound: There is no such file.
        BadInput: Another ending, no such column, or a feature that must be there is in no column.
    """
    if not file.is_file():
        raise NotFound(f"there is no file {str(file)!r}; check the path")
    if file.suffix == ".parquet":
        return ParquetInput(file, wanted)
    if file.suffix == ".csv":
        return CsvInput(file, wanted)
    raise BadInput(f"{file.name!r} is neither .parquet nor .csv; convert it")


def digest_of(file: Path) -> str:
    """XXH3-128 of the bytes of a file."""
    state = xxhash.xxh3_128()
    with open(file, "rb") as stream:
        while block := stream.read(_BLOCK):
            state.update(block)
    return state.hexdigest()


class ParquetInput:
    """A Parquet file; columns that nobody needs are not read."""

    def __init__(self, file: Path, wanted: Wanted) -> None:
        try:
            self._file: Any = pq.ParquetFile(file, pre_buffer=False, buffer_size=_BLOCK)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadInput(f"{file} cannot be read as Parquet: {error}") from error
        self._wanted = wanted
        self.absent = _check_columns(file, self._file.schema_arrow.names, wanted)
        self._features = [name for name in wanted.features if name not in self.absent]
        named = [wanted.key, *([] if wanted.unit is None else [wanted.unit]), *self._features]
        self._columns = list(dict.fromkeys(named))
        self._total = self._file.metadata.num_rows
        self._done = 0

    @property
    def share(self) -> float:
        return self._done / self._total if self._total else 1.0

    def chunks(self, start: int, size: int) -> Iterator[Chunk]:
        if start >= self._total:
            return
        groups, skipped = self._groups_from(start)
        position = skipped
        for batch in self._file.iter_batches(size, row_groups=groups, columns=self._columns):
            behind = max(0, min(start - position, batch.num_rows))
            position += batch.num_rows
            self._done = position
            if behind < batch.num_rows:
                yield self._chunk(position - batch.num_rows + behind, batch.slice(behind))

    def _groups_from(self, start: int) -> tuple[list[int], int]:
        """The row groups that are not wholly before a row, and how many rows are before them."""
        skipped = 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if skipped + rows > start:
                return list(range(group, self._file.num_row_groups)), skipped
            skipped += rows
        return [], skipped

    def _chunk(self, start: int, batch: Any) -> Chunk:
        columns = {name: _plain(batch.column(name)) for name in self._columns}
        values = [columns[name] for name in self._features]
        rows = [dict(zip(self._features, row, strict=True)) for row in zip(*values, strict=True)]
        rows = rows or [{}] * batch.num_rows
        units = columns[self._wanted.unit] if self._wanted.unit is not None else None
        return _made(start, columns[self._wanted.key], units, rows, {}, self._wanted)


class CsvInput:
    """A CSV file with a header, UTF-8; an empty field is missing."""

    def __init__(self, file: Path, wanted: Wanted) -> None:
        self._wanted = wanted
        self._path = file
        self._size = file.stat().st_size
        self._read = 0
        csv.field_size_limit(_FIELD)
        with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            self._header = next(csv.reader(stream), [])
        self.absent = _check_columns(file, self._header, wanted)
        places = {name: place for place, name in enumerate(self._header)}
        self._key = places[wanted.key]
        self._unit = None if wanted.unit is None else places[wanted.unit]
        self._features: list[tuple[str, int, Callable[[str], Any]]] = [
            (name, places[name], READERS[feature.kind])
            for name, feature in wanted.features.items()
            if name not in self.absent
        ]

    @property
    def share(self) -> float:
        return self._read / self._size if self._size else 1.0

    def chunks(self, start: int, size: int) -> Iterator[Chunk]:
        with open(self._path, "rb") as raw:
            lines = csv.reader(self._lines(raw))
            try:
                next(lines, None)
                for _ in islice(lines, start):
                    pass
                while records := list(islice(lines, size)):
                    yield self._chunk(start, records)
                    start += len(records)
            except csv.Error as error:
                raise BadInput(
                    f"{self._path}, near line {lines.line_num}: {error}; is a quote not closed there?"
                ) from None

    def _lines(self, raw: Any) -> Iterator[str]:
        first = True
        for line in raw:
            self._read += len(line)
            yield line.decode("utf-8-sig" if first else "utf-8", "surrogateescape")
            first = False

    def _chunk(self, start: int, records: Sequence[list[str]]) -> Chunk:
        width = len(self._header)
        unreadable: dict[int, str] = {}
        blank = [""] * width
        sound = list(records)
        for place, record in enumerate(records):
            if len(record) != width:
                unreadable[place] = f"it has {len(record)} fields, and the header {width}"
            elif not _is_text(record):
                unreadable[place] = "it is not UTF-8"
            else:
                continue
            sound[place] = blank
        rows = [
            {name: read(record[at]) if record[at] else None for name, at, read in self._features} for record in sound
        ]
        keys = [record[self._key] or None for record in sound]
        units = None if self._unit is None else [record[self._unit] or None for record in sound]
        return _made(start, keys, units, rows, unreadable, self._wanted)


def _made(
    start: int,
    keys: Sequence[Any],
    units: Sequence[Any] | None,
    rows: Sequence[Row],
    unreadable: dict[int, str],
    wanted: Wanted,
) -> Chunk:
    named = _identities(keys, wanted.key, unreadable)
    who = [] if units is None or wanted.unit is None else _identities(units, wanted.unit, unreadable)
    return Chunk(start, named, who, rows, unreadable)


def _identities(values: Sequence[Any], column: str, unreadable: dict[int, str]) -> list[str]:
    found = []
    for place, value in enumerate(values):
        try:
            found.append(identity(value, column))
        except BadInput as error:
            found.append("")
            unreadable.setdefault(place, str(error))
    return found


def _check_columns(file: Path, names: Sequence[str], wanted: Wanted) -> tuple[str, ...]:
    """The features that have no column, which is fine where they may be missing."""
    for what, column in (("--key", wanted.key), ("--unit", wanted.unit)):
        if column is not None and column not in names:
            raise BadInput(f"{file} has no column {column!r} for {what}; it has {', '.join(names)}")
    absent = tuple(name for name in wanted.features if name not in names)
    for name in absent:
        if not wanted.features[name].nullable:
            raise BadInput(
                f"{file} has no column {name!r}, a feature that may not be missing; it has {', '.join(names)}"
            )
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise BadInput(f"{file} has two columns called {min(repeated)!r}; rename one of them")
    return absent


def _is_text(record: Sequence[str]) -> bool:
    whole = "".join(record)
    if whole.isascii():
        return True
    try:
        whole.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(column: Any) -> list[Any]:
    """A column's values as JSON would carry them: times as seconds since 1970 UTC."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        instants = pc.cast(pc.cast(column, pa.timestamp("us", getattr(kind, "tz", None))), pa.int64())
        column = pc.divide(pc.cast(instants, pa.float64()), 1e6)
    elif pa.types.is_decimal(kind):
        column = pc.cast(column, pa.float64())
    if column.null_count == 0 and (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        numbers: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return numbers
    values: list[Any] = column.to_pylist()
    return values
