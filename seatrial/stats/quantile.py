"""A quantile's interval from order statistics: which ranks must bracket it, whatever the distribution.

One observation a unit. For one look the ranks come from the binomial distribution; for every look from the exact
sequence on "how many observations lie below the quantile", a share that is known.

References:
    Thompson (1936), On confidence ranges for the median and other expectation distributions, Ann. Math. Stat. 7(3).
    Howard, Ramdas (2022), Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification, Bernoulli 28(3).
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtr

from seatrial.spec.errors import BadInput
from seatrial.stats.bernoulli import log_evidence_above
from seatrial.stats.evidence import Method
from seatrial.stats.interval import Interval, check_alpha


def quantile(values: ArrayLike, q: float) -> float:
    """The smallest value that at least a share ``q`` of the values does not exceed."""
    ordered = _ordered(values, q)
    if not ordered.size:
        raise BadInput("there is no quantile of no values; wait for the first unit")
    return float(ordered[min(max(math.ceil(q * ordered.size) - 1, 0), ordered.size - 1)])


def quantile_interval(values: ArrayLike, q: float, alpha: float = 0.05, method: Method = "fixed") -> Interval:
    """The interval of the ``q`` quantile from values [n], one a unit; an end is infinite where no rank reaches it."""
    check_alpha(alpha)
    if method == "group-sequential":
        raise BadInput("quantiles have no group-sequential interval; use always-valid, or fixed at a planned end")
    ordered = _ordered(values, q)
    lower, upper = _ranks(int(ordered.size), q, alpha, method)
    return Interval(
        -math.inf if lower == 0 else float(ordered[lower - 1]),
        math.inf if upper > ordered.size else float(ordered[upper - 1]),
    )


def _ranks(n: int, q: float, alpha: float, method: Method) -> tuple[int, int]:
    """The lower rank (0: none) and the upper one (n + 1: none), counted from 1; each end at alpha / 2."""
    if method == "fixed":
        lower = _last(n, lambda k: float(bdtr(k - 1, n, q)) <= alpha / 2)
        upper = n + 1 - _last(n, lambda k: float(bdtr(k - 1, n, 1 - q)) <= alpha / 2)
        return lower, upper
    return lower_rank(n, q, alpha / 2), n + 1 - lower_rank(n, 1 - q, alpha / 2)


def lower_rank(n: int, q: float, alpha: float) -> int:
    """The largest rank of n values that lies below the ``q`` quantile at every look, at a one-sided ``alpha``; 0: none.

    From the upper end they are the ranks of the 1 - ``q`` quantile.
    """
    level, most = -math.log(alpha), math.ceil(q * n)
    return min(_last(most, lambda k: (n - k + 1) / n > 1 - q and log_evidence_above(n - k + 1, n, 1 - q) >= level), n)


def ranks_at(n: int, q: float, distance: ArrayLike) -> NDArray[np.int64]:
    """The largest ranks of n values that lie below the ``q`` quantile for one look; 0: none. Whatever the ties.

    Args:
        n: Values, one a unit.
        q: 0 to 1.
        distance: Standard errors [k], 0 or more: each rank errs with the chance that a normal lies beyond it.
    """
    first, tails = _tails(n, q)
    found = np.searchsorted(tails, ndtr(-np.asarray(distance, dtype=np.float64)), "right")
    return np.where(found > 0, first + found - 1, 0)


@lru_cache(maxsize=64)
def _tails(n: int, q: float) -> tuple[int, NDArray[np.float64]]:
    """A first rank, and from it on how often rank k lies above the quantile; ranks before it do in 1e-12 at most."""
    first = max(1, math.floor(n * q - 8 * math.sqrt(n * q * (1 - q)) - 20))
    ranks = np.arange(first, min(n, math.ceil(n * q) + 1) + 1, dtype=np.float64)
    return first, np.asarray(bdtr(ranks - 1, n, q), dtype=np.float64)


def _last(n: int, holds: Callable[[int], bool]) -> int:
    """The largest k in 1..n for which ``holds``, which is true up to some k and false after it; 0 when never."""
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _ordered(values: ArrayLike, q: float) -> NDArray[np.float64]:
    if not 0 < q < 1:
        raise BadInput(f"quantile {q!r} must lie between 0 and 1; give for example 0.99")
    array = np.asarray(values, dtype=np.float64).ravel()
    if np.isnan(array).any():
        raise BadInput("a quantile of missing values (NaN) is not defined; leave those units out")
    return np.sort(array)
