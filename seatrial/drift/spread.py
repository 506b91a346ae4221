"""Did a feature's mean or spread move? From moments alone, so that a profile is enough."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtr, fdtrc, fdtri, stdtr, stdtrit

from seatrial.drift.moments import Moments

LARGEST = 1e300

Floats = NDArray[np.float64]


class Moved(NamedTuple):
    """An effect with an interval and a two-sided p-value."""

    effect: float
    lower: float
    upper: float
    p_value: float


class MovedRows(NamedTuple):
    """Likewise of many pairs, shape [pairs] each; where not ``known`` there is none.

    Attributes:
        known: The reference varies and neither side is tiny.
    """

    known: NDArray[np.bool_]
    effect: Floats
    lower: Floats
    upper: Floats
    p_value: Floats

    def at(self, row: int) -> Moved | None:
        """Of one pair."""
        return Moved(*(float(column[row]) for column in self[1:])) if self.known[row] else None


class MomentRows(NamedTuple):
    """Moments of many columns, shape [columns] each."""

    n: Floats
    mean: Floats
    m2: Floats
    m4: Floats

    @classmethod
    def of(cls, moments: Sequence[Moments]) -> "MomentRows":
        """What the tests need of them."""
        table = np.array([(one.n, one.mean, one.m2, one.m4) for one in moments], dtype=np.float64)
        return cls(*table.reshape(len(moments), 4).T)

    @property
    def variance(self) -> Floats:
        """Unbiased; 0 below two values."""
        return np.where(self.n > 1, self.m2 / np.maximum(self.n - 1, 1.0), 0.0)

    @property
    def kurtosis(self) -> Floats:
        """Of the sample: 3 for a normal one, 0 where every value is the same."""
        varied = self.m2 > 0
        m2 = np.where(varied, self.m2, 1.0)
        return np.where(varied, self.n * (self.m4 / m2) / m2, 0.0)


def mean_shift(reference: Moments, window: Moments, level: float = 0.99) -> Moved | None:
    """Difference of means in standard deviations of the reference; None when the reference is constant or a side tiny.

    See ``mean_shifts``.
    """
    return mean_shifts(MomentRows.of([reference]), MomentRows.of([window]), level).at(0)


def mean_shifts(reference: MomentRows, window: MomentRows, level: float = 0.99) -> MovedRows:
    """Differences of means in standard deviations of the reference.

    The standard error is the larger of the unpooled and the pooled one: in a small window of a skewed feature either
    alone is too small on one side (many small values, or none of the rare large ones).

    References:
        B. Welch, Biometrika 34, 1947 (degrees of freedom of the unpooled error).
    """
    known = (reference.n >= 2) & (window.n >= 2) & (reference.variance > 0)
    with np.errstate(all="ignore"):  # where nothing is known
        m, n, sd = reference.n, window.n, reference.variance**0.5
        a, b = reference.variance / m, window.variance / n
        pooled = (reference.m2 + window.m2) / (m + n - 2) * (1 / m + 1 / n)
        error = np.maximum(a + b, pooled) ** 0.5
        part = a / (a + b)
        degrees = 1 / (part**2 / (m - 1) + (1 - part) ** 2 / (n - 1))
        gap = window.mean - reference.mean
        half = stdtrit(degrees, 0.5 + level / 2) * error
        p = np.where(error > 0, 2 * stdtr(degrees, -np.abs(gap) / error), 1.0)
        return MovedRows(known, _finite(gap / sd), _finite((gap - half) / sd), _finite((gap + half) / sd), p)


def sd_ratio(reference: Moments, window: Moments, level: float = 0.99) -> Moved | None:
    """Standard deviation of the window over that of the reference; None when either is 0. See ``sd_ratios``."""
    return sd_ratios(MomentRows.of([reference]), MomentRows.of([window]), level).at(0)


def sd_ratios(reference: MomentRows, window: MomentRows, level: float = 0.99) -> MovedRows:
    """Standard deviations of windows over those of their references.

    The F test with its degrees of freedom divided by (kurtosis − 1) / 2, with the larger kurtosis of the two samples
    and never less than a normal one's.

    References:
        G. Box, Non-normality and Tests on Variances, Biometrika 40, 1953.
    """
    known = (reference.n >= 2) & (window.n >= 2) & (reference.variance > 0) & (window.variance > 0)
    with np.errstate(all="ignore"):  # where nothing is known, and where an end of an interval is none
        kurtosis = np.maximum(np.maximum(reference.kurtosis, window.kurtosis), 3.0)
        loss = np.maximum((kurtosis - 1) / 2, 1.0)
        above, below = (window.n - 1) / loss, (reference.n - 1) / loss
        f = window.variance / reference.variance
        p = np.minimum(1.0, 2 * np.minimum(fdtr(above, below, f), fdtrc(above, below, f)))
        tail = (1 - level) / 2
        wide, narrow = fdtri(above, below, tail), fdtri(above, below, 1 - tail)
        lower = np.where(narrow > 0, (f / narrow) ** 0.5, 0.0)
        upper = np.where(wide > 0, (f / wide) ** 0.5, LARGEST)
        return MovedRows(known, _finite(f**0.5), _finite(lower), _finite(upper), p)


def _finite(values: Floats) -> Floats:
    """JSON has no infinity; a shift of 1e300 standard deviations says as much."""
    return np.clip(values, -LARGEST, LARGEST)
