"""Split thresholds in the precision of the served model, so that rows go the way they went in the original."""

import numpy as np
from numpy.typing import NDArray


def at_or_below(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 at or below each threshold.

    For features that *are* float32: x ≤ t exactly when x ≤ the largest float32 at or below t. (The nearest one may lie
    above t, and a feature exactly on it would go left where the original goes right.)
    """
    near = nearest(thresholds)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near.astype(np.float64) > thresholds, below, near)


def nearest(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest float32 to each threshold.

    For float64 features that are cast down on the way in: rounding keeps order, so x ≤ t gives round(x) ≤ round(t).
    """
    with np.errstate(over="ignore"):
        return np.asarray(thresholds, dtype=np.float64).astype(np.float32)
