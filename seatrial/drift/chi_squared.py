"""Two samples of counts: do they come from one distribution?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, xlogy

from seatrial.drift.cells import paired

Floats = NDArray[np.float64]


class ChiSquared(NamedTuple):
    """A contingency test of two samples.

    Attributes:
        statistic: Pearson's Σ (observed − expected)² / expected over both rows.
        degrees: Cells in the union, less one.
        p_value: Of Pearson's statistic.
        likelihood: The likelihood-ratio statistic G.
        p_likelihood: Its p-value.
    """

    statistic: float
    degrees: int
    p_value: float
    likelihood: float
    p_likelihood: float

    @property
    def p_cautious(self) -> float:
        """The larger of the two.

        Far in the tail, where many tests at once are decided, Pearson's is too small when a rare cell is fuller than
        expected, G's when it is emptier; at 15 rows where 5 are expected in a small window, Pearson says 8e-6, and
        the truth is 2e-4.
        """
        return max(self.p_value, self.p_likelihood)


class ChiSquaredRows(NamedTuple):
    """Many of them, shape [pairs] each."""

    statistic: Floats
    degrees: NDArray[np.int64]
    p_value: Floats
    likelihood: Floats
    p_likelihood: Floats

    @property
    def p_cautious(self) -> Floats:
        """The larger of the two."""
        return np.maximum(self.p_value, self.p_likelihood)


def chi_squared(reference: ArrayLike, window: ArrayLike) -> ChiSquared:
    """Test two sets of counts, shape [cells] each, over the union of their cells (empty on both sides: left out).

    References:
        K. Pearson, 1900; for G: R. Sokal and J. Rohlf, Biometry, 1981.
    """
    a, b = paired(reference, window)
    found = chi_squared_rows(a[np.newaxis], b[np.newaxis])
    return ChiSquared(
        float(found.statistic[0]),
        int(found.degrees[0]),
        float(found.p_value[0]),
        float(found.likelihood[0]),
        float(found.p_likelihood[0]),
    )


def chi_squared_rows(reference: Floats, window: Floats) -> ChiSquaredRows:
    """Test pairs of counts, shape [pairs, cells] each; no side of a pair is empty of rows."""
    both = reference + window
    used = both > 0
    rows = both.sum(axis=1, keepdims=True)
    statistic = np.zeros(len(both))
    likelihood = np.zeros(len(both))
    for counts in (reference, window):
        expected = counts.sum(axis=1, keepdims=True) * both / rows
        off = np.divide((counts - expected) ** 2, expected, out=np.zeros(both.shape), where=used)
        statistic += off.sum(axis=1)
        likelihood += (xlogy(counts, counts) - xlogy(counts, expected)).sum(axis=1)
    degrees = used.sum(axis=1) - 1
    some = degrees > 0
    statistic, likelihood = statistic * some, np.maximum(0.0, 2 * likelihood) * some
    known = np.maximum(degrees, 1)
    p_value, p_likelihood = (np.where(some, chdtrc(known, found), 1.0) for found in (statistic, likelihood))
    return ChiSquaredRows(statistic, degrees, p_value, likelihood, p_likelihood)
