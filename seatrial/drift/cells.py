"""Counts in matching cells: checks, shares, and pooling until every expected count is large enough to be tested."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput

LEAST_EXPECTED = 5.0


def paired(reference: ArrayLike, window: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 [cells]; refused unless they are as long and neither is empty of rows."""
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise BadInput(f"counts of {a.shape} and {b.shape} cells cannot be compared; count both in the same cells")
    if not a.sum() or not b.sum():
        raise BadInput("a side without rows cannot be compared; wait until both have some")
    if a.min() < 0 or b.min() < 0:
        raise BadInput(f"a count of {min(a.min(), b.min()):g} is below 0; counts are numbers of rows")
    return a, b


def shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts divided by their sum."""
    result: NDArray[np.float64] = counts / counts.sum()
    return result


def pool_ordered(
    reference: Sequence[int], window: Sequence[int], least: float = LEAST_EXPECTED
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pool neighbouring cells until the expected count of each, on both sides, is at least ``least``."""
    return _gather(list(zip(reference, window, strict=True)), least)


def pool_categories(
    reference: Sequence[int], window: Sequence[int], least: float = LEAST_EXPECTED
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pool every category that is too rare, and the last cell of values that are not listed, into one.

    A reference lists what it happened to see, so its own last cell is empty and its rarest categories look fuller than
    they are; only together with each other are the rare ones comparable (apart, a column of 300 categories alarmed in
    every window).
    """
    needed = _needed(sum(reference), sum(window), least)
    rare = [(reference[-1], window[-1])]
    common: list[tuple[int, int]] = []
    for pair in zip(reference[:-1], window[:-1], strict=True):
        (common if sum(pair) >= needed else rare).append(pair)
    together = (sum(a for a, _ in rare), sum(b for _, b in rare))
    return _gather([together, *sorted(common, key=sum)], least)


def _needed(m: int, n: int, least: float) -> float:
    """Rows of both sides that a cell needs, so that ``least`` are expected on the smaller one."""
    return least * (n + m) / max(min(n, m), 1)


def _gather(pairs: list[tuple[int, int]], least: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    m, n = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    needed = _needed(m, n, least)
    pooled: list[tuple[int, int]] = []
    left = right = 0
    for a, b in pairs:
        left, right = left + a, right + b
        if left + right >= needed:
            pooled.append((left, right))
            left = right = 0
    if not pooled:
        return (m,), (n,)
    pooled[-1] = (pooled[-1][0] + left, pooled[-1][1] + right)
    return tuple(a for a, _ in pooled), tuple(b for _, b in pooled)
