"""Where a log fell silent: counts by interval that stop in the middle of traffic, or one arm's that lag behind.

A night with less and less traffic is no gap: the intervals on both sides of a silence must be busy.
"""

from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import bdtr

BUSY = 30
"""Events that the intervals before and after a silence have at least."""

ALPHA = 0.001
"""Level at which one arm's count is too low, shared by all intervals and arms."""


class Silence(NamedTuple):
    """Intervals ``first`` to ``last``, from 0, in which nothing came."""

    first: int
    last: int


def silences(counts: Sequence[int], busy: int = BUSY) -> tuple[Silence, ...]:
    """Runs of zeros between two intervals of at least ``busy`` events each."""
    found, first = [], None
    for i, count in enumerate(counts):
        if count == 0:
            first = i if first is None else first
        elif first is not None:
            if first > 0 and min(counts[first - 1], count) >= busy:
                found.append(Silence(first, i - 1))
            first = None
    return tuple(found)


def lagging(
    arms: Sequence[Sequence[int]], shares: Sequence[float], alpha: float = ALPHA
) -> tuple[tuple[int, int], ...]:
    """Intervals in which an arm got fewer than its share allows, as (arm, interval); exact binomial, Bonferroni.

    Args:
        arms: Counts of each arm by interval, of one length.
        shares: What each arm is to get.
        alpha: Chance of naming any where all is well.
    """
    totals = [sum(column) for column in zip(*arms, strict=True)]
    asked = max(sum(1 for total in totals if total) * len(arms), 1)
    scale = sum(shares)
    return tuple(
        (arm, i)
        for arm, counts in enumerate(arms)
        for i, total in enumerate(totals)
        if total and float(bdtr(counts[i], total, shares[arm] / scale)) < alpha / asked
    )
