"""Ranks: is a unit of the treatment more often above one of the control? With the Hodges-Lehmann shift. One look.

The p-value is exact in small samples without ties, else normal with the correction for ties. The shift is the median of
all differences between a unit of one arm and a unit of the other; its interval holds the shifts that ranks do not
refute. Reads one column a unit.

References:
    Mann, Whitney (1947), On a test of whether one of two random variables is stochastically larger than the other,
    Ann. Math. Stat. 18(1).
    Hodges, Lehmann (1963), Estimates of location based on rank tests, Ann. Math. Stat. 34(2).
    Monahan (1984), Algorithm 616: fast computation of the Hodges-Lehmann location estimator, ACM TOMS 10(3).
"""

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import TestResult, check_alpha

Floats = NDArray[np.float64]

EXACT_UNITS = 50
"""With at most as many units in each arm, and no ties, the distribution is counted."""


class Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """What ranks say.

    Attributes:
        test: Statistic U of the treatment, its p-value, and the Hodges-Lehmann shift with its interval as the effect.
        p_above: P(treatment > control) + half of P(equal), 0 to 1.
        exact: Whether the p-value was counted and not approximated.
    """

    test: TestResult
    p_above: float
    exact: bool


def mann_whitney(treatment: ArrayLike, control: ArrayLike, alpha: float = 0.05) -> Ranks:
    """Compares values [n] and [m], one a unit.

    Raises:
        BadInput: An empty arm, or missing values.
    """
    check_alpha(alpha)
    t, c = _ordered(treatment, "treatment"), _ordered(control, "control")
    n, m = t.size, c.size
    u = _u(t, c)
    ties = _ties(np.concatenate([t, c]))
    exact = ties == 0 and max(n, m) <= EXACT_UNITS
    p_value, margin = (_exact if exact else _normal)(u, n, m, ties, alpha)
    shift = _median_difference(t, c)
    # The k-th smallest and the k-th largest difference are the ends, where k of them may lie beyond either.
    lower = _kth_difference(t, c, margin) if margin >= 1 else -math.inf
    upper = _kth_difference(t, c, n * m + 1 - margin) if margin >= 1 else math.inf
    ended = math.isfinite(lower) and math.isfinite(upper)
    return Ranks(
        test=TestResult(
            method="Mann-Whitney",
            statistic=u,
            p_value=p_value,
            effect=shift,
            lower=lower if ended else None,
            upper=upper if ended else None,
            note="Holds for one look at a planned end; the effect is the Hodges-Lehmann shift.",
        ),
        p_above=u / (n * m),
        exact=exact,
    )


def _ordered(values: ArrayLike, arm: str) -> Floats:
    x = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not x.size or np.isnan(x).any():
        raise BadInput(f"the {arm} has no values or missing ones; ranks need at least one number in each arm")
    return x


def _u(t: Floats, c: Floats) -> float:
    below, not_above = np.searchsorted(c, t, "left"), np.searchsorted(c, t, "right")
    return float((below + not_above).sum()) / 2


def _ties(both: Floats) -> float:
    """Sum of k³ - k over groups of k equal values; 0 without ties."""
    sizes = np.unique(both, return_counts=True)[1].astype(np.float64)
    return float((sizes**3 - sizes).sum())


def _exact(u: float, n: int, m: int, _ties: float, alpha: float) -> tuple[float, int]:
    share = _distribution(n, m)
    tail = float(share[: round(min(u, n * m - u)) + 1].sum())
    below = np.cumsum(share)
    return min(1.0, 2 * tail), int(np.searchsorted(below, alpha / 2, "right"))


def _normal(u: float, n: int, m: int, ties: float, alpha: float) -> tuple[float, int]:
    whole = n + m
    variance = n * m / 12 * (whole + 1 - ties / (whole * (whole - 1))) if whole > 1 else 0.0
    if variance <= 0:
        return 1.0, 0
    sd = math.sqrt(variance)
    distance = max(abs(u - n * m / 2) - 0.5, 0.0)
    return min(1.0, 2 * float(ndtr(-distance / sd))), math.floor(n * m / 2 + float(ndtri(alpha / 2)) * sd)


def _distribution(n: int, m: int) -> Floats:
    """P(U = u), u from 0 to n·m: the coefficients of the Gaussian binomial."""
    ways = np.zeros(n * m + 1)
    ways[0] = 1.0
    for i in range(1, n + 1):
        # times (1 - x^(m+i)) over (1 - x^i)
        if m + i <= n * m:
            ways[m + i :] -= ways[: n * m + 1 - m - i].copy()
        for start in range(i):
            ways[start::i] = np.cumsum(ways[start::i])
        ways /= ways.sum() if i == n else 1.0
    return ways


def _median_difference(t: Floats, c: Floats) -> float:
    pairs = t.size * c.size
    if pairs % 2:
        return _kth_difference(t, c, pairs // 2 + 1)
    return (_kth_difference(t, c, pairs // 2) + _kth_difference(t, c, pairs // 2 + 1)) / 2


def _kth_difference(t: Floats, c: Floats, k: int) -> float:
    """The k-th smallest of all t_i - c_j without writing them down: bisection on counts, then the exact value."""

    def no_more_than(x: float) -> int:
        return int(np.searchsorted(t, c + x, "right").sum())

    low, high = float(t[0] - c[-1]), float(t[-1] - c[0])
    if no_more_than(low) >= k:
        return low
    low, high = _bisect(no_more_than, k, low, high)
    return _between(t, c, low, high, k - no_more_than(low), high)


def _bisect(no_more_than: Callable[[float], int], k: int, low: float, high: float) -> tuple[float, float]:
    """Narrows to ends with fewer than k differences up to low, and at least k up to high."""
    for _ in range(80):
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        if no_more_than(middle) >= k:
            high = middle
        else:
            low = middle
        if high - low <= 1e-13 * max(abs(low), abs(high)):
            break
    return low, high


def _between(t: Floats, c: Floats, low: float, high: float, rank: int, otherwise: float) -> float:
    """The rank-th smallest difference above low and up to high; these are few once bisection is done."""
    first, last = np.searchsorted(t, c + low, "right"), np.searchsorted(t, c + high, "right")
    some = np.flatnonzero(last > first)[:1000]
    found = [t[first[j] : last[j]] - c[j] for j in some]
    inside = np.sort(np.concatenate(found)) if found else np.zeros(0)
    return float(inside[min(rank, inside.size) - 1]) if inside.size else otherwise
