"""Did a feature's spread change, by ranks alone? It holds for any tails, where a test of variances does not."""

import numpy as np
from numpy.typing import ArrayLike
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
    both = a + b
    m, n, rows = a.sum(), b.sum(), both.sum()
    rank = np.cumsum(both) - (both - 1) / 2
    score = (rank - (rows + 1) / 2) ** 2
    mean = (both * score).sum() / rows
    variance = n * m / (rows * (rows - 1)) * (both * (score - mean) ** 2).sum()
    if variance <= 0:
        return 1.0
    return float(2 * ndtr(-abs((b * (score - mean)).sum()) / variance**0.5))
