"""Wasserstein's first distance: how far mass must be carried, in the unit of the values."""

import numpy as np
from numpy.typing import ArrayLike

from seatrial.spec.errors import BadInput


def wasserstein(reference: ArrayLike, window: ArrayLike) -> float:
    """Area between the distribution functions of two samples of numbers, shapes [m] and [n], no NaN.

    References:
        L. Vaserstein, 1969; in one dimension S. Vallender, Theory Probab. Appl. 18(4), 1974.
    """
    a = np.sort(np.asarray(reference, dtype=np.float64))
    b = np.sort(np.asarray(window, dtype=np.float64))
    if a.size == 0 or b.size == 0:
        raise BadInput("a sample without values cannot be compared; wait until both have some")
    every = np.sort(np.concatenate([a, b]))
    at = every[:-1]
    gap = np.searchsorted(a, at, side="right") / a.size - np.searchsorted(b, at, side="right") / b.size
    return float((np.abs(gap) * np.diff(every)).sum())


def wasserstein_scaled(reference: ArrayLike, window: ArrayLike) -> float:
    """In standard deviations of the reference; infinite when a constant reference was left, 0 when it was not."""
    distance = wasserstein(reference, window)
    values = np.asarray(reference, dtype=np.float64)
    sd = float(values.std(ddof=1)) if values.size > 1 else 0.0
    if sd > 0:
        return distance / sd
    return float("inf") if distance > 0 else 0.0
