"""Did a feature's spread change, by ranks alone? It holds for any tails, where a test of variances does not."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from seatrial.drift.cells import paired


def mood(reference: ArrayLike, window: ArrayLike) -> float:
    """Two-sided p-value of Mood's test on counts in the same ordered cells, shape [cells] each.

    Every row scores the squared distance of its (pooled, mid-) rank from the middle; the window's sum is compared with
    what dealing the rows at random would give. Rows of one cell are tied.

    References:
        A. Mood, On the Asymptotic Efficiency of Certain Nonparametric Two-Sample Tests, Ann. Math. Stat. 25, 1954.
    """
    a, b = paired(reference, window)
    return float(mood_rows(a[np.newaxis], b[np.newaxis])[0])


def mood_rows(reference: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Likewise of pairs of counts, shape [pairs, cells] each; no side of a pair is empty of rows."""
    both = reference + window
    m, n, rows = (counts.sum(axis=1, keepdims=True) for counts in (reference, window, both))
    rank = np.cumsum(both, axis=1) - (both - 1) / 2
    score = (rank - (rows + 1) / 2) ** 2
    score = score - (both * score).sum(axis=1, keepdims=True) / rows
    variance = (n * m / (rows * (rows - 1)))[:, 0] * (both * score**2).sum(axis=1)
    off = np.abs((window * score).sum(axis=1))
    scaled = np.divide(off, variance**0.5, out=np.zeros(len(both)), where=variance > 0)
    result: NDArray[np.float64] = 2 * ndtr(-scaled)
    return result
