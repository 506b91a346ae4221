"""Counts in matching cells: checks, shares, and pooling until every expected count is large enough to be tested."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput

LEAST_EXPECTED = 5.0

Floats = NDArray[np.float64]
Cells = Sequence[int]


class CountRows(NamedTuple):
    """Counts of many pairs in matching cells.

    Attributes:
        reference: Shape [pairs, most cells], 0 beyond a pair's own.
        window: Likewise.
        cells: How many cells a pair has, shape [pairs].
    """

    reference: Floats
    window: Floats
    cells: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Sequence[tuple[Cells, Cells]]) -> "CountRows":
        """Of counts that are as long on both sides of a pair."""
        cells = np.array([len(a) for a, _ in pairs], dtype=np.int64)
        return cls(_table([a for a, _ in pairs], cells), _table([b for _, b in pairs], cells), cells)


def paired(reference: ArrayLike, window: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 [cells]; refused unless they are as long and neither is empty of rows."""
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise BadInput(f"counts of {a.shape} and {b.shape} cells cannot be compared; count both in the same cells")
    if not a.sum() or not b.sum():
        raise BadInput("a side without rows cannot be compared; wait until both have some")
    if a.min() < 0 or b.min() < 0:
        raise BadInput(f"a count of {min(a.min(), b.min()):g} is below 0; counts are numbers of rows")
    return a, b


def shares(counts: Floats) -> Floats:
    """Counts divided by their sum."""
    result: Floats = counts / counts.sum()
    return result


def pool_ordered(
    reference: Cells, window: Cells, least: float = LEAST_EXPECTED
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pool neighbouring cells until the expected count of each, on both sides, is at least ``least``."""
    m, n = sum(reference), sum(window)
    needed = _needed(m, n, least)
    pooled: list[tuple[int, int]] = []
    left = right = 0
    for a, b in zip(reference, window, strict=True):
        left, right = left + a, right + b
        if left + right >= needed:
            pooled.append((left, right))
            left = right = 0
    if not pooled:
        return (m,), (n,)
    pooled[-1] = (pooled[-1][0] + left, pooled[-1][1] + right)
    return tuple(a for a, _ in pooled), tuple(b for _, b in pooled)


def pool_categories(
    reference: Cells, window: Cells, least: float = LEAST_EXPECTED
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pool every category that is too rare, and the last cell of values that are not listed, into one.

    A reference lists what it happened to see, so its own last cell is empty and its rarest categories look fuller than
    they are; only together with each other are the rare ones comparable (apart, a column of 300 categories alarmed in
    every window). If together they are still too few, the rarest of the others joins them.
    """
    a, b = np.asarray(reference, dtype=np.int64), np.asarray(window, dtype=np.int64)
    both, needed = a + b, _needed(int(a.sum()), int(b.sum()), least)
    common = np.flatnonzero(both[:-1] >= needed)
    common = common[np.argsort(both[common], kind="stable")]
    rare_a, rare_b = a.sum() - a[common].sum(), b.sum() - b[common].sum()
    left, right = [rare_a, *a[common]], [rare_b, *b[common]]
    if rare_a + rare_b < needed and len(common):
        left, right = [left[0] + left[1], *left[2:]], [right[0] + right[1], *right[2:]]
    return tuple(map(int, left)), tuple(map(int, right))


def pool_rows(counts: CountRows, *, ordered: bool) -> CountRows:
    """Pool each pair's cells as ``pool_ordered`` does, or ``pool_categories``."""
    if ordered:
        both = counts.reference + counts.window
        m, n = counts.reference.sum(axis=1), counts.window.sum(axis=1)
        needed = LEAST_EXPECTED * (n + m) / np.maximum(np.minimum(n, m), 1)
        real = np.arange(both.shape[1]) < counts.cells[:, np.newaxis]
        small = ((both < needed[:, np.newaxis]) & real).any(axis=1)
        if not small.any():
            return counts
    else:
        small = np.ones(len(counts.cells), dtype=np.bool_)
    pool = pool_ordered if ordered else pool_categories
    reference, window, cells = counts.reference.copy(), counts.window.copy(), counts.cells.copy()
    for row in np.flatnonzero(small).tolist():
        k = int(cells[row])
        a, b = pool(reference[row, :k].astype(np.int64).tolist(), window[row, :k].astype(np.int64).tolist())
        reference[row], window[row] = 0.0, 0.0
        reference[row, : len(a)], window[row, : len(b)], cells[row] = a, b, len(a)
    most = int(cells.max())
    return CountRows(reference[:, :most], window[:, :most], cells)


def _table(rows: Sequence[Cells], cells: NDArray[np.int64]) -> Floats:
    most = int(cells.max(initial=0))
    if (cells == most).all():
        return np.array(rows, dtype=np.float64).reshape(len(rows), most)
    table = np.zeros((len(rows), most))
    for row, counts in zip(table, rows, strict=True):
        row[: len(counts)] = counts
    return table


def _needed(m: int, n: int, least: float) -> float:
    """Rows of both sides that a cell needs, so that ``least`` are expected on the smaller one."""
    return least * (n + m) / max(min(n, m), 1)
