"""Turns whatever a caller has of a column (lists, numpy, pandas, None and NaN for missing) into what is counted."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = ArrayLike | Sequence[Any]
"""One column: numbers, strings, times, or lists of numbers; ``None`` and NaN are missing."""


def numbers(values: Values) -> NDArray[np.float64]:
    """As float64 with NaN for missing; booleans as 0 and 1, times as seconds since 1970 UTC; shape [n]."""
    array = np.asarray(values)
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(array), np.nan, seconds)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64, copy=False)
    return np.array([_number(value) for value in array.tolist()], dtype=np.float64)


def strings(values: Values) -> list[str | None]:
    """As strings, None for missing."""
    array = np.asarray(values, dtype=object)
    return [None if _is_missing(value) else str(value) for value in array.tolist()]


def lengths(values: Values) -> NDArray[np.float64]:
    """Characters of each text, NaN for missing; numbers are taken as lengths already; shape [n]."""
    array = np.asarray(values)
    if array.dtype.kind in "fiu":
        return array.astype(np.float64)
    return np.array([np.nan if text is None else len(text) for text in strings(values)], dtype=np.float64)


def norms(values: Values) -> NDArray[np.float64]:
    """Euclidean length of each vector, NaN for missing; numbers are taken as norms already; shape [n]."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        array = values.astype(np.float64)
        return array if array.ndim == 1 else np.sqrt((array * array).sum(axis=1))
    rows: Iterable[Any] = values  # type: ignore[assignment]
    return np.array([_norm(row) for row in rows], dtype=np.float64)


def sizes(values: Values) -> NDArray[np.float64]:
    """Elements of each list, NaN for missing; shape [n]."""
    rows: Iterable[Any] = values  # type: ignore[assignment]
    return np.array([np.nan if row is None or isinstance(row, float) else len(row) for row in rows], dtype=np.float64)


def _norm(row: Any) -> float:
    if row is None or isinstance(row, float):
        return float("nan") if row is None else row
    return float(np.linalg.norm(np.asarray(row, dtype=np.float64)))


def _number(value: Any) -> float:
    if _is_missing(value):
        return float("nan")
    stamp = getattr(value, "timestamp", None)
    return float(stamp()) if callable(stamp) else float(value)


def _is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA: what has no value does not equal itself."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"
