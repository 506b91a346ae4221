"""A ratio of two uncertain means with its interval when the lower one may come near zero.

Fieller's interval holds the ratios r for which numerator - r·denominator is not shown to differ from 0. While the
denominator is clear of zero it is an ordinary interval; otherwise it is the whole line or the two outer rays, which is
said and not hidden.

References:
    Fieller (1954), Some problems in interval estimation, JRSS B 16(2).
    Franz (2007), Ratios: a short guide to confidence limits and proper use, arXiv:0710.2024.
"""

import math
from typing import Literal, NamedTuple

from scipy.special import stdtrit

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, check_alpha
from seatrial.stats.moments import PairMoments

Shape = Literal["interval", "outside", "everything"]


class RatioInterval(NamedTuple):
    """A ratio of means.

    Attributes:
        value: The ratio; NaN when the denominator's mean is 0.
        interval: Its ends; (-inf, inf) for ``everything``.
        shape: ``interval``; ``outside``: all but what lies between the ends; ``everything``: nothing is excluded.
    """

    value: float
    interval: Interval
    shape: Shape


def fieller(pair: PairMoments, alpha: float = 0.05) -> RatioInterval:
    """The ratio of means by unit, x the numerator, y the denominator; Student's quantile at n - 1.

    Raises:
        BadInput: Fewer than two units.
    """
    if pair.n < 2:
        raise BadInput(f"{pair.n} units give no interval of a ratio; wait for two at least")
    k = (pair.n - 1) * pair.n
    t = float(stdtrit(pair.n - 1, 1 - check_alpha(alpha) / 2))
    return fieller_of(pair.mean_x, pair.mean_y, pair.m2_x / k, pair.m2_y / k, pair.c_xy / k, t)


def fieller_of(
    above: float, below: float, v_above: float, v_below: float, covariance: float, multiplier: float
) -> RatioInterval:
    """From two means, their variances and covariance; ``multiplier`` is the half-width in standard errors."""
    m2 = multiplier * multiplier
    scale = below * below - m2 * v_below
    middle = above * below - m2 * covariance
    inner = middle * middle - scale * (above * above - m2 * v_above)
    value = above / below if below else math.nan
    if scale > 0:
        root = math.sqrt(max(inner, 0.0))
        return RatioInterval(value, Interval((middle - root) / scale, (middle + root) / scale), "interval")
    if scale == 0 or inner <= 0:
        return RatioInterval(value, Interval(-math.inf, math.inf), "everything")
    root = math.sqrt(inner)
    return RatioInterval(value, Interval((middle + root) / scale, (middle - root) / scale), "outside")
