"""Kolmogorov–Smirnov: the largest gap between two distribution functions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov

from seatrial.drift.cells import paired
from seatrial.spec.errors import BadInput


class Ks(NamedTuple):
    """The largest gap, in [0, 1], and its asymptotic p-value (an upper bound where values are tied or binned)."""

    statistic: float
    p_value: float


def ks(reference: ArrayLike, window: ArrayLike) -> Ks:
    """Exact statistic of two samples of numbers, shapes [m] and [n], no NaN.

    References:
        N. Smirnov, Table for Estimating the Goodness of Fit of Empirical Distributions, 1948; the correction of the
        effective size is M. Stephens', 1970.
    """
    a = np.sort(np.asarray(reference, dtype=np.float64))
    b = np.sort(np.asarray(window, dtype=np.float64))
    if a.size == 0 or b.size == 0:
        raise BadInput("a sample without values cannot be compared; wait until both have some")
    every = np.concatenate([a, b])
    gap = np.searchsorted(a, every, side="right") / a.size - np.searchsorted(b, every, side="right") / b.size
    return _with_p(float(np.abs(gap).max()), a.size, b.size)


def ks_binned(reference: ArrayLike, window: ArrayLike) -> Ks:
    """Of counts in the same ordered cells: the gap at the cells' edges, never more than the exact one."""
    a, b = paired(reference, window)
    return _with_p(float(largest_gaps(a[np.newaxis], b[np.newaxis])[0]), int(a.sum()), int(b.sum()))


def largest_gaps(reference: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gap alone, of pairs of counts of shape [pairs, cells]; no side of a pair is empty of rows."""
    a, b = (counts / counts.sum(axis=1, keepdims=True) for counts in (reference, window))
    result: NDArray[np.float64] = np.abs(np.cumsum(a, axis=1) - np.cumsum(b, axis=1)).max(axis=1)
    return result


def _with_p(statistic: float, m: int, n: int) -> Ks:
    root = (m * n / (m + n)) ** 0.5
    return Ks(statistic, float(kolmogorov((root + 0.12 + 0.11 / root) * statistic)))
