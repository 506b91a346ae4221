"""A chunk of rows in typed, preallocated buffers: cheap to append to, and turned into Arrow by another thread.

Numbers go to flat memory as they come (one ``struct`` for the envelope's fixed-width part, one float64 matrix for the
features). The envelope's descriptive strings repeat endlessly, so each distinct combination is kept once and a row
holds its number; the Arrow columns are gathered from it in C.
"""

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from sys import getsizeof
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.ledger import arrays
from seatrial.ledger.columns import CHANCES, ENVELOPE
from seatrial.ledger.rows import ColumnType, Envelope, RowSchema

Hash = Callable[[str], str]

_FIXED = struct.Struct("<qdqqiiiBBBx")
_FIXED_TYPE = np.dtype(
    [
        ("at", "<i8"),
        ("propensity", "<f8"),
        ("revision", "<i8"),
        ("latency_us", "<i8"),
        ("row", "<i4"),
        ("phase", "<i4"),
        ("combination", "<i4"),
        ("unit_named", "u1"),
        ("contested", "u1"),
        ("sampled", "u1"),
        ("pad", "u1"),
    ]
)
_COMBINED = (
    "role",
    "entry",
    "reason",
    "variant",
    "assigned_version",
    "answered_by",
    "answered",
    "version",
    "release",
    "status",
    "error",
)
_ROLE, _VARIANT = _COMBINED.index("role"), _COMBINED.index("variant")
_ROW_OVERHEAD = 420
"""Bytes of Python objects that a row holds beside its text: list slots, small strings, tuples; estimated from above."""
_NUMBER_OBJECT = 32
"""Bytes of a number in a list: the slot and the object."""
_MOST_BROUGHT = 2 << 20
"""A chunk whose rows brought more is full, so that encoding it, which copies it, takes no more than that beside it."""

Vector = Sequence[float] | NDArray[np.float64] | None


class Stamp(NamedTuple):
    """What the rows of one decision have in common, when nothing went wrong.

    Attributes:
        combined: The envelope's descriptive strings, in the order in which a chunk combines them (see `stamp`).
    """

    combined: tuple[str, ...]
    context: tuple[Any, ...]
    propensity: float
    contested: bool
    phase: int
    revision: int


def stamp(envelope: Envelope, context: tuple[Any, ...]) -> Stamp:
    """The stamp of rows that are like this one but for request, time, unit, latency, numbers and prediction."""
    return Stamp(
        tuple(getattr(envelope, name) for name in _COMBINED),
        context,
        envelope.propensity,
        envelope.contested,
        envelope.phase,
        envelope.revision,
    )


class Chunk:
    """Up to ``capacity`` rows of one schema; filled by one thread at a time, encoded once by another.

    Attributes:
        count: Rows held.
        capacity: At that count it is full; falls to ``count`` when the rows brought much text.
        bytes: Memory held, estimated from above: what is preallocated and what rows brought.
    """

    def __init__(self, schema: RowSchema, capacity: int) -> None:
        self.schema = schema
        self.capacity = capacity
        self.count = 0
        width = len(schema.number_index)
        self._fixed = bytearray(_FIXED.size * capacity)
        self._numbers: NDArray[np.float64] = np.empty((capacity, width))
        self.bytes = len(self._fixed) + self._numbers.nbytes
        self._number_bytes = self._numbers.data.cast("B") if width else memoryview(b"")
        self._pack_numbers = struct.Struct(f"{width}d").pack_into
        self._number_index = _index_or_none(schema.number_index)
        self._text_index = schema.text_index
        self._combinations: dict[tuple[str, ...], int] = {}
        self._most_bytes = self.bytes + _MOST_BROUGHT
        self._request_ids: list[str] = []
        self._keys: list[str | None] = []
        self._units: list[str] = []
        self._chances: list[tuple[float, ...] | None] | None = [] if schema.chances else None
        self._contexts: list[tuple[Any, ...]] = []
        self._texts: list[Sequence[str | None] | None] = []
        self._vectors: list[Sequence[Vector] | None] = []
        self._predictions: list[tuple[Any, ...] | None] = []

    def append(
        self,
        envelope: Envelope,
        context: tuple[Any, ...],
        numbers: NDArray[np.float64] | None,
        texts: Sequence[str | None] | None,
        vectors: Sequence[Vector] | None,
        prediction: tuple[Any, ...] | None,
    ) -> int:
        """Put one row in; the caller has seen that there is room. Returns the bytes it brought.

        Raises:
            ValueError, TypeError, struct.error: The row does not have the schema's shape; nothing was kept.
        """
        (
            request_id,
            row,
            role,
            key,
            at,
            unit,
            unit_named,
            entry,
            reason,
            variant,
            assigned_version,
            answered_by,
            answered,
            version,
            propensity,
            contested,
            release,
            phase,
            revision,
            status,
            error,
            latency_us,
            chances,
        ) = envelope
        combined = (
            role,
            entry,
            reason,
            variant,
            assigned_version,
            answered_by,
            answered,
            version,
            release,
            status,
            error,
        )
        codes = self._combinations
        brought = _ROW_OVERHEAD + _size(request_id) + _size(unit)
        if combined not in codes:
            brought += _ROW_OVERHEAD + sum(map(_size, combined))
        code = codes.setdefault(combined, len(codes))
        index = self.count
        sampled = numbers is not None
        _FIXED.pack_into(
            self._fixed,
            index * _FIXED.size,
            at,
            propensity,
            revision,
            latency_us,
            row,
            phase,
            code,
            unit_named,
            contested,
            sampled,
        )
        if numbers is None:
            self._numbers[index] = np.nan
        elif self._number_index is None:
            self._numbers[index] = numbers[: self._numbers.shape[1]]
        else:
            self._numbers[index] = numbers[self._number_index]
        if key is not None:
            brought += _size(key)
        if texts is not None and self._text_index:
            texts = [texts[position] for position in self._text_index]
            brought += sum(_size(text) for text in texts if text is not None)
        if vectors is not None and self.schema.vectors:
            brought += sum(_vector_size(vector) for vector in vectors if vector is not None)
        for values in (context, prediction or ()):
            brought += sum(_size(value) for value in values if type(value) is str)
        self._request_ids.append(request_id)
        self._keys.append(key)
        self._units.append(unit)
        if self._chances is not None:
            self._chances.append(chances or None)
            brought += _NUMBER_OBJECT * len(chances)
        self._contexts.append(context)
        self._texts.append(texts)
        self._vectors.append(vectors)
        self._predictions.append(prediction)
        self.count = index + 1
        self.bytes += brought
        if self.bytes > self._most_bytes:
            self.capacity = self.count
        return brought

    def append_plain(
        self,
        stamp: Stamp,
        request_id: str,
        at: int,
        unit: str,
        unit_named: bool,
        latency_us: int,
        numbers: tuple[float, ...],
        prediction: tuple[Any, ...],
    ) -> int:
        """Put in the only row of a request that its assigned variant answered; the caller has seen that there is room.

        Args:
            numbers: All of ``schema.numbers``, in order; there are no texts and no vectors.

        Returns:
            The bytes it brought.

        Raises:
            struct.error, TypeError: The row does not have the schema's shape; nothing was kept.
        """
        combined, context, propensity, contested, phase, revision = stamp
        codes = self._combinations
        code = codes.setdefault(combined, len(codes))
        index = self.count
        self._pack_numbers(self._number_bytes, index * 8 * len(numbers), *numbers)
        _FIXED.pack_into(
            self._fixed,
            index * _FIXED.size,
            at,
            propensity,
            revision,
            latency_us,
            0,
            phase,
            code,
            unit_named,
            contested,
            True,
        )
        self._request_ids.append(request_id)
        self._keys.append(None)
        self._units.append(unit)
        if self._chances is not None:
            self._chances.append(None)
        self._contexts.append(context)
        self._texts.append(None)
        self._vectors.append(None)
        self._predictions.append(prediction)
        self.count = index + 1
        brought = _ROW_OVERHEAD + _size(request_id) + _size(unit)
        self.bytes += brought
        return brought

    def arms(self, rows: Sequence[int] | None = None) -> Counter[str]:
        """How many rows each variant has here, of all or of those named; a shadow's copies stand under ""."""
        arms = [arm_of(combined) for combined in self._combinations]
        codes = np.frombuffer(self._fixed, _FIXED_TYPE, self.count)["combination"]
        return Counter(arms[code] for code in codes[slice(None) if rows is None else list(rows)].tolist())

    def encode(
        self, schema: pa.Schema, hashes: dict[str, Hash], breathe: Callable[[], None] = lambda: None
    ) -> tuple[pa.RecordBatch, Counter[str]]:
        """The rows as one record batch of ``schema``, and how many of which variant had to be left out.

        A row whose context, text or prediction does not fit its column's type is left out alone; its neighbours stay.

        Args:
            breathe: Called after each column.
        """
        columns: dict[str, Sequence[Any]] = {"request_id": self._request_ids, "key": self._keys, "unit": self._units}
        if self._chances is not None:
            columns[CHANCES] = self._chances
        columns |= _by_column("context", [name for name, _ in self.schema.context], self._contexts)
        columns |= _by_column("feature", self.schema.texts, self._texts)
        columns |= _by_column("feature", self.schema.vectors, self._vectors)
        columns |= _by_column("prediction", [name for name, _ in self.schema.prediction], self._predictions)
        built: dict[str, pa.Array] = {}
        bad: set[int] = set()
        for name, values in columns.items():
            hashed = hashes.get(name)
            given = values if hashed is None else [None if v is None else hashed(str(v)) for v in values]
            built[name] = _array(given, schema.field(name).type, bad)
            breathe()
        built |= self._fixed_columns(breathe)
        built |= self._number_columns(hashes, breathe)
        batch = pa.RecordBatch.from_arrays([built[field.name] for field in schema], schema=schema)
        if not bad:
            return batch, Counter()
        keep = np.ones(self.count, bool)
        keep[list(bad)] = False
        return batch.filter(arrays.of_flags(keep)), self.arms(sorted(bad))

    def _fixed_columns(self, breathe: Callable[[], None]) -> dict[str, pa.Array]:
        fixed = np.frombuffer(self._fixed, _FIXED_TYPE, self.count)
        columns = {
            name: arrays.of_numpy(fixed[name], ENVELOPE.field(name).type)
            for name in ("at", "propensity", "revision", "latency_us", "row", "phase")
        }
        breathe()
        columns |= {name: arrays.of_flags(fixed[name] != 0) for name in ("unit_named", "contested", "sampled")}
        codes = np.ascontiguousarray(fixed["combination"])
        for name, values in zip(_COMBINED, zip(*self._combinations, strict=True), strict=True):
            columns[name] = arrays.repeated(values, codes)
            breathe()
        return columns

    def _number_columns(self, hashes: dict[str, Hash], breathe: Callable[[], None]) -> dict[str, pa.Array]:
        matrix = np.ascontiguousarray(self._numbers[: self.count].T)
        columns = {}
        for (name, kind), values in zip(self.schema.numbers, matrix, strict=True):
            column = f"feature.{name}"
            hashed = hashes.get(column)
            if hashed is None:
                columns[column] = _number_column(values, kind)
            else:
                columns[column] = pa.array(
                    [None if np.isnan(v) else hashed(repr(float(v))) for v in values], pa.string()
                )
            breathe()
        return columns


def arm_of(combined: tuple[str, ...]) -> str:
    """The variant that a row's descriptive strings name; "" for a shadow's copy, which no arm misses."""
    return "" if combined[_ROLE] == "shadow" else combined[_VARIANT]


def _size(text: str) -> int:
    """Bytes of memory of a text, beside what every row is taken to have. Raises TypeError for what is no text."""
    return len(text) if str.isascii(text) else getsizeof(text)


def _vector_size(vector: Sequence[float] | NDArray[np.float64]) -> int:
    return vector.nbytes if isinstance(vector, np.ndarray) else _NUMBER_OBJECT * len(vector)


def _index_or_none(positions: tuple[int, ...]) -> NDArray[np.intp] | None:
    """None when the positions are simply the first ones in order: then a slice does, which is cheaper."""
    return None if positions == tuple(range(len(positions))) else np.array(positions, np.intp)


def _by_column(prefix: str, names: Sequence[str], rows: Sequence[Sequence[Any] | None]) -> dict[str, Sequence[Any]]:
    """Values of rows turned into values of columns; a row of None, or one too short, is null throughout."""
    if not names:
        return {}
    absent = (None,) * len(names)
    whole = [absent if row is None or len(row) != len(names) else row for row in rows]
    return {f"{prefix}.{name}": values for name, values in zip(names, zip(*whole, strict=True), strict=True)}


def _array(values: Sequence[Any], kind: pa.DataType, bad: set[int]) -> pa.Array:
    """An Arrow array; positions whose value does not fit ``kind`` become null and are added to ``bad``."""
    build = arrays.BUILDERS[kind]
    try:
        return build(values)
    except arrays.MISFITS:
        kept = list(values)
    for position, value in enumerate(kept):
        try:
            build([value])
        except arrays.MISFITS:
            kept[position] = None
            bad.add(position)
    return build(kept)


def _number_column(values: NDArray[np.float64], kind: ColumnType) -> pa.Array:
    """NaN is missing; what an integer column cannot hold exactly is missing too."""
    given = ~np.isnan(values)
    if kind == "number":
        return arrays.of_numpy(values, pa.float64(), given)
    if kind == "boolean":
        return arrays.of_flags(values != 0, given)
    whole = given & (np.abs(values) < 2.0**63) & (np.trunc(values) == values)
    return arrays.of_numpy(np.where(whole, values, 0.0).astype(np.int64), pa.int64(), whole)
