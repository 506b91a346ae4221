"""Do two samples have the same share of something (missing, unseen, out of range)? Exact where it is rare."""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, ndtri

from seatrial.drift.chi_squared import chi_squared

EXACT_UP_TO = 200
"""Counts of the rarer kind up to which the exact test is used; beyond, chi-squared is as good and cheaper."""


class ShareDifference(NamedTuple):
    """The window's share less the reference's, with an interval and a two-sided p-value."""

    effect: float
    lower: float
    upper: float
    p_value: float


def compare_shares(reference: int, m: int, window: int, n: int, level: float = 0.99) -> ShareDifference:
    """Compare ``reference`` of ``m`` rows with ``window`` of ``n`` rows.

    The test is Fisher's (twice the smaller tail) or chi-squared; the interval is Newcombe's of two Wilson intervals.

    References:
        R. Newcombe, Interval Estimation for the Difference between Independent Proportions, Statist. Med. 17, 1998.
    """
    p, q = reference / m, window / n
    low_p, high_p = wilson(p, m, level)
    low_q, high_q = wilson(q, n, level)
    lower = q - p - float(np.hypot(q - low_q, high_p - p))
    upper = q - p + float(np.hypot(high_q - q, p - low_p))
    return ShareDifference(q - p, lower, upper, _p_value(reference, m, window, n))


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Wilson's interval of a share of ``n`` rows (an effective number may be given)."""
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def _p_value(x: int, m: int, y: int, n: int) -> float:
    total = x + y
    rare = min(total, m + n - total)
    if rare == 0:
        return 1.0
    if rare > EXACT_UP_TO:
        return chi_squared([x, m - x], [y, n - y]).p_cautious
    if total > rare:
        x, y = m - x, n - y
    upper = _tail(x, m, y, n, upper=True)
    lower = _tail(x, m, y, n, upper=False)
    return min(1.0, 2 * min(upper, lower))


def _tail(x: int, m: int, y: int, n: int, *, upper: bool) -> float:
    """P(the window holds at least, or at most, y of the x + y) when they are dealt at random."""
    total = x + y
    k = np.arange(y, min(n, total) + 1) if upper else np.arange(max(0, total - m), y + 1)
    log = _log_choose(n, k) + _log_choose(m, total - k) - _log_choose(n + m, np.asarray(total))
    return float(min(1.0, np.exp(log).sum()))


def _log_choose(n: int, k: np.typing.NDArray[np.int64]) -> np.typing.NDArray[np.float64]:
    result: np.typing.NDArray[np.float64] = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return result
