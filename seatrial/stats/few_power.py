"""What one look shows of two means when units are few: the judge relabels them then, and tells no normal quantile.

Relabelling decides about as Student's t does, at the level that can be reached with so few ways to deal the labels out:
of three units beside three there are 20 ways, and no two-sided p-value is below 0.1. Arms of uneven size must satisfy
Welch's t too, so they have its degrees of freedom. Values are taken for normal: in 800 worlds each of such values, with
the units that this says for 80 %, effects of 0.5 to 3 standard deviations were shown in 79 to 91 %.

References:
    Chung, Romano (2013), Exact and asymptotically robust permutation tests, Ann. Stat. 41(2).
"""

import math

from scipy.optimize import brentq
from scipy.special import nctdtr, stdtrit

from seatrial.stats.permuted import UNEVEN
from seatrial.stats.relabelling import DRAWN, MOST_COUNTED

LEAST = 4
"""Units of both arms, two in each, below which nothing is relabelled."""


def power_of_few(n: int, m: int, distance: float, alpha: float, sides: int = 2) -> float:
    """The chance that one look by relabelling shows an effect, 0 to 1.

    Args:
        n: Units of one arm.
        m: Of the other.
        distance: The effect in standard deviations of the metric, above 0.
        alpha: Chance of a false claim.
        sides: 2 where a difference either way is one.
    """
    level = _reached(n, m, alpha / sides)
    if level == 0:
        return 0.0
    degrees = _degrees(n, m)
    far = distance / math.sqrt(1 / n + 1 / m)
    shown = float(nctdtr(degrees, far, float(stdtrit(degrees, 1 - level))))
    return 1.0 if math.isnan(shown) else 1 - shown  # not a number so far out that hardly a world misses it


def units_of_few(
    distance: float, shares: tuple[float, float], alpha: float, power: float, sides: int, between: tuple[float, float]
) -> int:
    """The least units of all arms with which one look by relabelling shows an effect with the power.

    Args:
        distance: The effect in standard deviations, above 0.
        shares: Of the units of all arms, which the two arms have.
        alpha: Chance of a false claim.
        power: 0 to 1.
        sides: 2 where a difference either way is one.
        between: With fewer it is never shown, and from the other on units are no longer few; that is the most given.
    """
    first, last = max(LEAST, math.ceil(between[0])), math.ceil(between[1])
    for units in range(first, last):
        n, m = arms_of(units, shares)
        if min(n, m) > 1 and power_of_few(n, m, distance, alpha, sides) >= power:
            return units
    return max(first, last)


def distance_of_few(units: float, shares: tuple[float, float], alpha: float, power: float, sides: int) -> float:
    """The smallest effect, in standard deviations, that so many units of all arms show; infinite where none is."""
    n, m = arms_of(units, shares)
    if min(n, m) < 2 or _reached(n, m, alpha / sides) == 0:
        return math.inf
    high = 1.0
    while power_of_few(n, m, high, alpha, sides) < power:
        high *= 2
    return float(brentq(lambda d: power_of_few(n, m, d, alpha, sides) - power, 0.0, high, xtol=1e-9))


def least_relabelled(shares: tuple[float, float], alpha: float) -> int:
    """The least units of all arms with which a one-sided p-value of at most ``alpha`` exists."""
    units = LEAST
    while min(arms := arms_of(units, shares)) < 2 or _reached(*arms, alpha) == 0:
        units += 1
    return units


def arms_of(units: float, shares: tuple[float, float]) -> tuple[int, int]:
    """Whole units of two arms with these shares of all."""
    n, m = (math.floor(units * share + 1e-9) for share in shares)
    return n, m


def _reached(n: int, m: int, alpha: float) -> float:
    """The largest share of the ways to deal the labels out, none above ``alpha``; 0 where one way is more than that."""
    ways = math.comb(n + m, min(n, m))
    ways = ways if ways <= MOST_COUNTED else DRAWN + 1
    return math.floor(alpha * ways * (1 + 1e-12)) / ways


def _degrees(n: int, m: int) -> float:
    if max(n, m) < UNEVEN * min(n, m):
        return n + m - 2
    return (1 / n + 1 / m) ** 2 / (1 / n**2 / (n - 1) + 1 / m**2 / (m - 1))
