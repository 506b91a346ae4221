"""Sequences for the mean of a bounded metric by betting: no normal approximation, no minimum of units.

Against a mean m one bets, unit by unit, that values lie above it (or below): wealth grows by 1 + stake · (x - m), where
the stake is fixed before x is seen. If m is the mean, wealth ever exceeds 1/alpha with probability at most alpha; the
means not refuted so far are the interval. Reads one column a unit, in order of exposure.

Two arms: with an interval of each arm at alpha / 2, which needs no order between the arms. ``bounded`` bets on both
arms at once, and is the narrower unless one arm is small.

References:
    Waudby-Smith, Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86(1), section 4
    (hedged capital, predictable plug-in bets).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, Side, check_alpha

Floats = NDArray[np.float64]

TRUNCATION = 0.5
"""The largest share of the wealth that is ever at stake; keeps it above 0."""

_HAIR = 1e-10
"""How closely an end is found on the unit scale, and what is then given away."""


class _Bets(NamedTuple):
    """Values on the unit scale [n] and the stake laid on each before it was seen [n]."""

    values: Floats
    stakes: Floats


def betting_sequence(values: ArrayLike, low: float, high: float, alpha: float = 0.05, side: Side = "two") -> Interval:
    """The interval of a mean after values [n] in order of arrival, valid at every look.

    Args:
        values: One a unit, each between ``low`` and ``high``.
        low: The smallest value there can be, known beforehand.
        high: The largest.
        alpha: Chance of ever excluding the true mean.
        side: Which ends are wanted; the other is ``low`` or ``high``.

    Raises:
        BadInput: A value outside the bounds, or bounds that are none.
    """
    check_alpha(alpha)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BadInput(f"bounds {low!r} to {high!r} are not a finite range; a metric without one cannot be bet on")
    x = np.asarray(values, dtype=np.float64).ravel()
    outside = ~((x >= low) & (x <= high))
    if outside.any():
        where = int(np.flatnonzero(outside)[0])
        raise BadInput(f"value {x[where]} of unit {where} lies outside {low!r} to {high!r}; widen the declared bounds")
    budget = alpha / (2 if side == "two" else 1)
    bets = _bets((x - low) / (high - low), budget)
    below = 0.0 if side == "upper" else _lower(bets, budget)
    above = 1.0 if side == "lower" else 1 - _lower(_Bets(1 - bets.values, bets.stakes), budget)
    return Interval(low + (high - low) * below, low + (high - low) * above)


def log_wealth(values: ArrayLike, mean: float, alpha: float) -> Floats:
    """ln of the wealth, after each of values [n] in 0 to 1, of bets on "above ``mean``" with stakes for ``alpha``."""
    bets = _bets(np.asarray(values, dtype=np.float64).ravel(), alpha)
    wealth: Floats = np.cumsum(_log_growth(bets, mean))
    return wealth


def betting_difference(
    treatment: ArrayLike, control: ArrayLike, low: float, high: float, alpha: float = 0.05, side: Side = "two"
) -> Interval:
    """The interval of treatment's mean less control's, each arm's own at alpha / 2; values as in one arm."""
    sides: dict[Side, tuple[Side, Side]] = {
        "two": ("two", "two"),
        "lower": ("lower", "upper"),
        "upper": ("upper", "lower"),
    }
    one, other = sides[side]
    t = betting_sequence(treatment, low, high, alpha / 2, one)
    c = betting_sequence(control, low, high, alpha / 2, other)
    return Interval(t.lower - c.upper, t.upper - c.lower)


def running_mean(x: Floats, here: NDArray[np.bool_], start: float) -> Floats:
    """Before each unit, the mean of the earlier ones that are ``here`` [n], with ``start`` as one more."""
    total = start + np.cumsum(np.where(here, x, 0.0)) - np.where(here, x, 0.0)
    count = 1 + np.cumsum(here) - here
    mean: Floats = total / count
    return mean


def _bets(x: Floats, budget: float) -> _Bets:
    """The stakes: sqrt(2 ln(1/budget) / (variance · t ln(t + 1))) from the variance of the earlier values."""
    t = np.arange(1, x.size + 1, dtype=np.float64)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])[: x.size]
    return _Bets(x, np.sqrt(2 * math.log(1 / budget) / (before * t * np.log(t + 1))))


def _log_growth(bets: _Bets, mean: float) -> Floats:
    growth: Floats = np.log1p(np.minimum(bets.stakes, TRUNCATION / mean) * (bets.values - mean))
    return growth


def _lower(bets: _Bets, budget: float) -> float:
    """The smallest mean on the unit scale that is not refuted; wealth falls as the mean rises."""
    if not bets.values.size:
        return 0.0
    level = math.log(1 / budget)

    def excess(mean: float) -> float:
        return float(_log_growth(bets, mean).sum()) - level

    if excess(_HAIR) < 0:
        return 0.0
    if excess(1.0) >= 0:
        return 1.0
    return max(0.0, float(brentq(excess, _HAIR, 1.0, xtol=_HAIR)) - 2 * _HAIR)
