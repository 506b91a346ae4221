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
    """Runs of zeros between two intervals of at least ``busy`` events each.

    None where most busy intervals stand alone: traffic that comes in bursts is silent between them.
    """
    found, first = [], None
    for i, count in enumerate(counts):
        if count == 0:
            first = i if first is None else first
        elif first is not None:
            if first > 0 and min(counts[first - 1], count) >= busy:
                found.append(Silence(first, i - 1))
            first = None
    bursts = 2 * len(found) > sum(1 for count in counts if count >= busy) and len(found) > 1
    return () if bursts else tuple(found)


def lagging(
    arms: Sequence[Sequence[int]], shares: Sequence[float], alpha: float = ALPHA
) -> tuple[tuple[int, int], ...]:
    """Intervals in which an arm got fewer than its share allows, as (arm, interval); exact binomial, Bonferroni.

    Args:
        arms: Counts of each arm by interval, of one length.
        shares: What each arm is to get.
        alpha: Chance of naming any where all is well.
    """
    asked = max(sum(1 for column in zip(*arms, strict=True) if sum(column)) * len(arms), 1)
    found = [too_few(column, shares, alpha / asked) for column in zip(*arms, strict=True)]
    return tuple((arm, i) for arm in range(len(arms)) for i, few in enumerate(found) if arm in few)


def too_few(counts: Sequence[int], shares: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Arms of one interval that got fewer than their share allows, each at ``alpha``; exact binomial."""
    total, scale = sum(counts), sum(shares)
    if not total:
        return ()
    return tuple(
        arm
        for arm, (count, share) in enumerate(zip(counts, shares, strict=True))
        if float(bdtr(count, total, share / scale)) < alpha
    )
