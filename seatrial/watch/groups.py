"""Shares by group, each with an interval that holds for all groups together, and the gap between two groups that is
surest to be wide."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.watch.interval import Measured, difference, share_by_unit

Flags = NDArray[np.bool_]
MOST_GROUPS = 20
"""Groups that are looked at, the largest first."""


class GroupShare(NamedTuple):
    """A share in one group, with its interval and the rows behind it."""

    group: str
    measured: Measured
    rows: int


class Gap(NamedTuple):
    """The difference of a share between two groups."""

    high: str
    low: str
    measured: Measured


def column_of(by: str) -> str:
    """The ledger's column of what a file tells groups by: ``features.age`` is ``feature.age`` there."""
    return by.replace("features.", "feature.", 1) if by.startswith("features.") else by


class Left(NamedTuple):
    """A group that has fewer rows than are needed."""

    group: str
    rows: int


def groups_of(values: Sequence[Any], minimum: int) -> tuple[str, ...]:
    """Groups with at least so many rows, the largest first; rows without a value are in none."""
    return tuple(name for name, n in _counted(values)[:MOST_GROUPS] if n >= minimum)


def left_out(values: Sequence[Any], minimum: int) -> tuple[Left, ...]:
    """The other groups, the largest first: those with fewer rows, and those beyond ``MOST_GROUPS``."""
    return tuple(
        Left(name, n) for place, (name, n) in enumerate(_counted(values)) if place >= MOST_GROUPS or n < minimum
    )


def _counted(values: Sequence[Any]) -> list[tuple[str, int]]:
    texts = np.array([value for value in values if value is not None], dtype=object)
    if not texts.size:
        return []
    names, counts = np.unique(texts.astype(str), return_counts=True)
    return sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))


def shares(
    groups: Sequence[str], values: NDArray[Any], units: NDArray[Any], hits: Flags, of: Flags, alpha: float, minimum: int
) -> tuple[GroupShare, ...]:
    """Share of hits among the rows ``of``, by group.

    Args:
        groups: Which.
        values: Group of each row, shape [n].
        units: Unit of each row, shape [n]: a unit's rows are alike, and count for less.
        hits, of: Shape [n].
        alpha: One side of each interval; the caller divides it over all that it asks.
        minimum: Rows below which a group's share is left out.
    """
    found = []
    for group in groups:
        mine = of & (values == group)
        n = int(mine.sum())
        if n < minimum:
            continue
        _, place = np.unique(units[mine].astype(str), return_inverse=True)
        rows = np.bincount(place).astype(np.float64)
        right = np.bincount(place, weights=hits[mine].astype(np.float64)).astype(np.float64)
        found.append(GroupShare(group, share_by_unit(right, rows, alpha), n))
    return tuple(found)


def gaps_between(found: Sequence[GroupShare]) -> tuple[Gap, ...]:
    """Of every two groups; their intervals hold together where those of ``found`` do at a level divided over pairs."""
    return tuple(
        Gap(high.group, low.group, difference(high.measured, low.measured))
        for one, other in combinations(found, 2)
        for high, low in [(one, other) if one.measured.value >= other.measured.value else (other, one)]
    )


def surest_gap(gaps: Sequence[Gap]) -> Gap | None:
    """The one whose interval begins furthest out; None of none.

    The two groups that are furthest apart need not be it: a small group's share lies far out by chance, and hides the
    gap between two large ones that is certain.
    """
    return max(gaps, key=lambda gap: (gap.measured.lower, gap.measured.value), default=None)
