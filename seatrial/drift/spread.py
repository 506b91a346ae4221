"""Did a feature's mean or spread move? From moments alone, so that a profile is enough."""

from typing import NamedTuple

import numpy as np
from scipy.special import fdtr, fdtrc, fdtri, stdtr, stdtrit

from seatrial.drift.moments import Moments

LARGEST = 1e300


class Moved(NamedTuple):
    """An effect with an interval and a two-sided p-value."""

    effect: float
    lower: float
    upper: float
    p_value: float


def mean_shift(reference: Moments, window: Moments, level: float = 0.99) -> Moved | None:
    """Difference of means in standard deviations of the reference; None when the reference is constant or a side tiny.

    The standard error is the larger of the unpooled and the pooled one: in a small window of a skewed feature either
    alone is too small on one side (many small values, or none of the rare large ones).

    References:
        B. Welch, Biometrika 34, 1947 (degrees of freedom of the unpooled error).
    """
    m, n, sd = reference.n, window.n, reference.sd
    if m < 2 or n < 2 or sd <= 0:
        return None
    a, b = reference.variance / m, window.variance / n
    pooled = (reference.m2 + window.m2) / (m + n - 2) * (1 / m + 1 / n)
    error = max(a + b, pooled) ** 0.5
    part = a / (a + b)
    degrees = 1 / (part**2 / (m - 1) + (1 - part) ** 2 / (n - 1))
    gap = window.mean - reference.mean
    half = float(stdtrit(degrees, 0.5 + level / 2)) * error
    p = 2 * float(stdtr(degrees, -abs(gap) / error)) if error > 0 else 1.0
    return Moved(_finite(gap / sd), _finite((gap - half) / sd), _finite((gap + half) / sd), p)


def sd_ratio(reference: Moments, window: Moments, level: float = 0.99) -> Moved | None:
    """Standard deviation of the window over that of the reference; None when either is 0.

    The F test with its degrees of freedom divided by (kurtosis − 1) / 2, with the larger kurtosis of the two samples
    and never less than a normal one's.

    References:
        G. Box, Non-normality and Tests on Variances, Biometrika 40, 1953.
    """
    m, n = reference.n, window.n
    if m < 2 or n < 2 or reference.variance <= 0 or window.variance <= 0:
        return None
    loss = max((max(reference.kurtosis, window.kurtosis, 3.0) - 1) / 2, 1.0)
    above, below = (n - 1) / loss, (m - 1) / loss
    f = window.variance / reference.variance
    p = 2 * min(float(fdtr(above, below, f)), float(fdtrc(above, below, f)))
    tail = (1 - level) / 2
    with np.errstate(all="ignore"):
        wide, narrow = float(fdtri(above, below, tail)), float(fdtri(above, below, 1 - tail))
    lower = (f / narrow) ** 0.5 if narrow > 0 else 0.0
    upper = (f / wide) ** 0.5 if wide > 0 else LARGEST
    return Moved(_finite(f**0.5), _finite(lower), _finite(upper), min(1.0, p))


def _finite(value: float) -> float:
    """JSON has no infinity; a shift of 1e300 standard deviations says as much."""
    return min(max(value, -LARGEST), LARGEST)
