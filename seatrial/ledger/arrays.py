"""Arrow arrays from Python values, without ``pyarrow.array``.

That function imports pandas, wherever it is installed, before it looks at its argument: over a second and tens of
megabytes in every serving worker. What is needed here is little, and goes straight into Arrow's buffers. Every function
raises TypeError (or OverflowError) for a value that is not of the column's type.
"""

import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MISFITS = (TypeError, ValueError, OverflowError)
"""What is raised for a value that is not of the column's type."""


def strings(values: Sequence[str | None]) -> pa.Array:
    """A string column; None is null."""
    for kind in set(map(type, values)):
        if not issubclass(kind, (str, type(None))):
            raise TypeError(f"a {kind.__name__} is not a string")
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def numbers(values: Sequence[float | None]) -> pa.Array:
    """A float64 column; None and NaN are null."""
    held = np.frombuffer(array.array("d", [np.nan if value is None else value for value in values]), np.float64)
    return of_numpy(held, pa.float64(), ~np.isnan(held))


def integers(values: Sequence[int | None]) -> pa.Array:
    """An int64 column; None is null."""
    held = np.frombuffer(array.array("q", [0 if value is None else value for value in values]), np.int64)
    return of_numpy(held, pa.int64(), _given(values))


def booleans(values: Sequence[bool | None]) -> pa.Array:
    """A boolean column; None is null."""
    for value in values:
        if value is not None and not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{value!r} is not a boolean")
    return of_flags(np.array([bool(value) for value in values], bool), _given(values))


def lists(values: Sequence[Sequence[float] | NDArray[np.float64] | None]) -> pa.Array:
    """A column of lists of float64; None is null."""
    rows = [np.empty(0) if value is None else np.asarray(value, np.float64) for value in values]
    if any(row.ndim != 1 for row in rows):
        raise ValueError("a vector has more than one dimension")
    ends = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    flat = np.concatenate([np.empty(0), *rows])
    inner = of_numpy(flat, pa.float64())
    given = _given(values)
    return pa.Array.from_buffers(
        pa.list_(pa.float64()), len(rows), [_bitmap(given), pa.py_buffer(ends)], int((~given).sum()), 0, [inner]
    )


def repeated(distinct: Sequence[str], codes: NDArray[np.int32]) -> pa.Array:
    """The string column ``[distinct[code] for code in codes]``."""
    if len(set(distinct)) == 1:  # most of a ledger's words are the same in every row
        return _same(distinct[0].encode(), len(codes))
    encoded = [value.encode() for value in distinct]
    lengths = np.array([len(value) for value in encoded], np.int32)
    ends = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths[codes], dtype=np.int32)])
    data = b"".join(map(encoded.__getitem__, codes.tolist()))
    return pa.Array.from_buffers(pa.string(), len(codes), [None, pa.py_buffer(ends), pa.py_buffer(data)], 0)


def _same(value: bytes, count: int) -> pa.Array:
    ends = np.arange(count + 1, dtype=np.int32) * np.int32(len(value))
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(ends), pa.py_buffer(value * count)], 0)


def of_numpy(values: NDArray[Any], kind: pa.DataType, given: NDArray[np.bool_] | None = None) -> pa.Array:
    """A column over the memory of ``values``, which must not change afterwards; null where not ``given``."""
    data = pa.py_buffer(np.ascontiguousarray(values))
    if given is None or given.all():
        return pa.Array.from_buffers(kind, len(values), [None, data], 0)
    return pa.Array.from_buffers(kind, len(values), [_bitmap(given), data], int((~given).sum()))


def of_flags(values: NDArray[np.bool_], given: NDArray[np.bool_] | None = None) -> pa.Array:
    """A boolean column; null where not ``given``."""
    bits = np.packbits(values, bitorder="little")
    if given is None or given.all():
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)], 0)
    return pa.Array.from_buffers(pa.bool_(), len(values), [_bitmap(given), pa.py_buffer(bits)], int((~given).sum()))


BUILDERS: dict[pa.DataType, Callable[[Any], pa.Array]] = {
    pa.string(): strings,
    pa.float64(): numbers,
    pa.int64(): integers,
    pa.bool_(): booleans,
    pa.list_(pa.float64()): lists,
}
"""How a column of each of the ledger's types is built from Python values."""


def _given(values: Sequence[object]) -> NDArray[np.bool_]:
    return np.array([value is not None for value in values], bool)


def _bitmap(given: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(given, bitorder="little"))
