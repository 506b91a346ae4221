"""How far a sum of independent estimates reaches when all move at once, each by its own part of one distance.

The interval of a sum holds whatever some estimands within a joint distance z, sum a_i² <= z², add up to. Where ends are
z standard errors away that is the normal interval of the sum. Where ends are steps (quantiles of tied values), infinite
or lopsided (ratios with an uncertain denominator) it still holds, because no standard error of an end is asked for.

References:
    Kosorok (1999), Two-sample quantile tests under general conditions, Biometrika 86(4) (the least distance over all
    common values).
    Owen (2001), Empirical likelihood, Chapman & Hall, chapter 3 (profiles).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
End = Callable[[Floats], Floats]
"""The lowest value of one estimand at each of some distances [k], 0 or more, in standard errors; never rises."""

_PARTS = 128
"""Into which the squared distance is divided; the sum then reaches at most half a percent too far."""


FARTHEST = 8.0
"""Standard errors beyond which a p-value is no longer told."""


def lowest(terms: Sequence[End], distance: float) -> float:
    """The smallest sum that some distances a_i with sum a_i² <= ``distance``² allow; -inf where a term has no end.

    Args:
        terms: One or more.
        distance: In standard errors; below 0 counts as 0.
    """
    most = _PARTS + len(terms) - 1  # every part rounded up
    z = max(distance, 0.0)
    at = z * np.sqrt(np.arange(most + 1) / _PARTS) if len(terms) > 1 else np.full(most + 1, z)
    total = terms[0](at)
    for term in terms[1:]:
        total = _together(total, term(at))
    return float(total[-1])


def distance_to_zero(end: Callable[[float], float]) -> float:
    """How far an end that falls with the distance can go before it is at 0: from 0 to ``FARTHEST``."""
    low, high = 0.0, FARTHEST
    if not end(low) > 0:
        return low
    if end(high) > 0:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if end(middle) > 0 else (low, middle)
    return low


def _together(a: Floats, b: Floats) -> Floats:
    """The smallest a[i] + b[j] with i + j = k, for every k."""
    width = a.size
    rows = np.arange(width)
    other = rows[:, None] - rows[None, :]
    found: Floats = np.where(other >= 0, a[None, :] + b[np.maximum(other, 0)], math.inf).min(axis=1)
    return found
