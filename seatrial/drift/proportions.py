"""Do two samples have the same share of something (missing, unseen, out of range)? Exact where it is rare."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, ndtri

from seatrial.drift.chi_squared import chi_squared_rows

EXACT_UP_TO = 200
"""Counts of the rarer kind up to which the exact test is used; beyond, chi-squared is as good and cheaper."""

_NOTHING = 1e-18
"""A term of a tail below this part of the sum changes no digit of it."""

Floats = NDArray[np.float64]


class ShareDifference(NamedTuple):
    """The window's share less the reference's, with an interval and a two-sided p-value."""

    effect: float
    lower: float
    upper: float
    p_value: float


class ShareDifferences(NamedTuple):
    """Likewise of many pairs, shape [pairs] each."""

    effect: Floats
    lower: Floats
    upper: Floats
    p_value: Floats


def compare_shares(reference: int, m: int, window: int, n: int, level: float = 0.99) -> ShareDifference:
    """Compare ``reference`` of ``m`` rows with ``window`` of ``n`` rows; see ``compare_many``."""
    found = compare_many([reference], [m], [window], [n], level)
    return ShareDifference(*(float(column[0]) for column in found))


def compare_many(
    reference: ArrayLike, m: ArrayLike, window: ArrayLike, n: ArrayLike, level: float = 0.99
) -> ShareDifferences:
    """Compare ``reference`` of ``m`` rows with ``window`` of ``n`` rows, both above 0; shape [pairs] each.

    The test is Fisher's (twice the smaller tail) or chi-squared; the interval is Newcombe's of two Wilson intervals.

    References:
        R. Newcombe, Interval Estimation for the Difference between Independent Proportions, Statist. Med. 17, 1998.
    """
    x, m, y, n = (np.asarray(given, dtype=np.float64) for given in (reference, m, window, n))
    p, q = x / m, y / n
    low_p, high_p = _wilson(p, m, level)
    low_q, high_q = _wilson(q, n, level)
    lower = q - p - np.hypot(q - low_q, high_p - p)
    upper = q - p + np.hypot(high_q - q, p - low_p)
    return ShareDifferences(q - p, lower, upper, _p_values(x, m, y, n))


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Wilson's interval of a share of ``n`` rows (an effective number may be given)."""
    low, high = _wilson(np.array([share]), np.array([n]), level)
    return float(low[0]), float(high[0])


def _wilson(share: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    return np.maximum(0.0, np.minimum(share, centre - half)), np.minimum(1.0, np.maximum(share, centre + half))


def _p_values(x: Floats, m: Floats, y: Floats, n: Floats) -> Floats:
    total = x + y
    rare = np.minimum(total, m + n - total)
    found = np.ones(total.shape)
    often = rare > EXACT_UP_TO
    if often.any():
        a, b = (np.stack([hits[often], (of - hits)[often]], axis=1) for hits, of in ((x, m), (y, n)))
        found[often] = chi_squared_rows(a, b).p_cautious
    exact = (rare > 0) & ~often
    if exact.any():
        other = total > rare  # the rarer kind is counted: tails are as long as there are rows of it
        x, y = np.where(other, m - x, x), np.where(other, n - y, y)
        found[exact] = _fisher(x[exact], m[exact], y[exact], n[exact])
    return found


def _fisher(x: Floats, m: Floats, y: Floats, n: Floats) -> Floats:
    """Twice the smaller tail of the chance that the window holds y of the x + y when they are dealt at random.

    The tail that begins at y and leads away from the mean is summed by the ratios of neighbouring chances; both tails
    together are 1 and once more the chance of y itself.
    """
    total = x + y
    at = np.exp(_log_choose(n, y) + _log_choose(m, x) - _log_choose(n + m, total))
    above = y * (n + m) >= n * total
    step = np.where(above, 1.0, -1.0)
    k, term, tail = y, at, at
    with np.errstate(divide="ignore", invalid="ignore"):  # of the direction that is not taken
        while (term > _NOTHING * tail).any():
            up = (total - k) * (n - k) / ((k + 1) * (m - total + k + 1))
            down = k * (m - total + k) / ((total - k + 1) * (n - k + 1))
            term = term * np.where(above, up, down)
            tail = tail + term
            k = k + step
    result: Floats = np.minimum(1.0, 2 * np.minimum(tail, 1 + at - tail))
    return result


def _log_choose(n: Floats, k: Floats) -> Floats:
    result: Floats = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return result
