"""Ways to deal two arms' labels out to their units, and sums over those that a way deals to the smaller arm.

All ways where they are few, else many drawn. Of a large arm in which most units have the same value (they bought
nothing) only how many of each value are dealt is drawn, whatever its size.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

MOST_COUNTED = 20_000
"""Ways to deal the labels out that are all counted."""

DRAWN = 9_999
"""Of more, so many are drawn, and the one that was seen is added."""

MOST = 2_000
"""Units of the smaller arm, or different values of both arms, of which ``DRAWN`` ways are drawn in seconds."""

_SMALL = 100
"""Units of the smaller arm up to which ways are drawn a unit at a time, all at once: that takes steps as its square."""

_HELD = 4_000_000
"""Values held at a time while they are summed."""


class Dealt(NamedTuple):
    """Ways to deal: [ways, k] numbers of units, or [ways, classes] how many of each class of equal units.

    Attributes:
        table: The ways.
        seen: Which of them was seen.
        first: Of classes, a unit of each [classes]; None: ``table`` holds units.
        every: Whether all ways are there.
    """

    table: Codes
    seen: int
    first: NDArray[np.int64] | None
    every: bool

    def sums(self, part: Floats) -> Floats:
        """Sums of a value by unit [n], the same for equal units of an arm, over those dealt; [ways]."""
        if self.first is not None:
            found: Floats = self.table @ part[self.first]
            return found
        rows = max(1, _HELD // self.table.shape[1])
        some = [self.table[start : start + rows] for start in range(0, len(self.table), rows)]
        return np.concatenate([part[units].sum(axis=1) for units in some])


def can_deal(t: Floats, c: Floats) -> bool:
    """Whether ways are counted, or drawn, in seconds."""
    return min(t.size, c.size) <= MOST or len(np.unique(t)) + len(np.unique(c)) <= MOST


def deal(t: Floats, c: Floats, rng: np.random.Generator, drawn: int = DRAWN) -> Dealt:
    """The ways for values t [n] and c [m], numbered in this order; ``drawn`` of them where they are many."""
    n, small = t.size + c.size, min(t.size, c.size)
    start = 0 if t.size <= c.size else t.size
    seen = np.arange(start, start + small, dtype=np.int32)
    if math.comb(n, small) <= MOST_COUNTED:
        ways = np.array(list(itertools.combinations(range(n), small)), dtype=np.int32)
        return Dealt(ways, int(np.flatnonzero((ways == seen).all(axis=1))[0]), None, every=True)
    classes = len(np.unique(t)) + len(np.unique(c))
    if classes <= (MOST if small > _SMALL else small):
        return _by_class(t, c, rng, drawn)
    draw = _draw if small <= _SMALL else _draw_large
    return Dealt(np.vstack([seen, draw(n, small, drawn, rng)]), 0, None, every=False)


def _by_class(t: Floats, c: Floats, rng: np.random.Generator, ways: int) -> Dealt:
    _, of_t, sizes_t = np.unique(t, return_index=True, return_counts=True)
    _, of_c, sizes_c = np.unique(c, return_index=True, return_counts=True)
    sizes = np.concatenate([sizes_t, sizes_c])
    seen = np.where(np.arange(sizes.size) < sizes_t.size, sizes, 0)
    seen = seen if t.size <= c.size else sizes - seen
    drawn = rng.multivariate_hypergeometric(sizes, min(t.size, c.size), ways, method="marginals")
    return Dealt(np.vstack([seen, drawn]).astype(np.int32), 0, np.concatenate([of_t, t.size + of_c]), every=False)


def _draw(n: int, k: int, ways: int, rng: np.random.Generator) -> Codes:
    """``ways`` subsets of k of n, each by Floyd's method: nothing of length n is held."""
    found = np.empty((ways, k), dtype=np.int32)
    for column, last in enumerate(range(n - k, n)):
        drawn = rng.integers(0, last + 1, ways)
        taken = (found[:, :column] == drawn[:, None]).any(axis=1)
        found[:, column] = np.where(taken, last, drawn)
    return found


def _draw_large(n: int, k: int, ways: int, rng: np.random.Generator) -> Codes:
    """The same by drawing until k are different, which favours no unit."""
    found = np.sort(rng.integers(0, n, (ways, k), dtype=np.int32), axis=1)
    left = np.arange(ways)
    while left.size:
        rows = found[left]
        again = np.zeros(rows.shape, dtype=np.bool_)
        again[:, 1:] = rows[:, 1:] == rows[:, :-1]
        open_ = again.any(axis=1)
        left, rows, again = left[open_], rows[open_], again[open_]
        rows[again] = rng.integers(0, n, int(again.sum()), dtype=np.int32)
        found[left] = np.sort(rows, axis=1)
    return found
