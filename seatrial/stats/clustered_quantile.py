"""A quantile over all requests when units bring several: order statistics, widened for the likeness inside a unit.

The share of requests below the quantile is a ratio by unit, so its standard error is the delta method's; the interval
is read off the order statistics at q ± z·error (the outer interval, which is somewhat careful). One look.

Requests with one value are all below the quantile, or none; of the two shares, and of one between them that is ``q``
itself (each unit's tied requests counted whole or not at all), the largest error counts. That of "all below" alone is
far too small where they are many: 90 % of requests are at most 4, of which the median is one.

References:
    Deng, Knoblich, Lu (2018), Applying the delta method in metric analytics, KDD, section 4.
    Woodruff (1952), Confidence intervals for medians and other position measures, JASA 47.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, TestResult, check_alpha
from seatrial.stats.moments import PairMoments
from seatrial.stats.ratio import linearise
from seatrial.stats.reach import distance_to_zero, lowest

Floats = NDArray[np.float64]


class ClusteredQuantile(NamedTuple):
    """A quantile over all requests.

    Attributes:
        value: The quantile.
        interval: At 1 - alpha; infinite where no order statistic reaches.
        share_se: Standard error of the share of requests below it, by unit.
        se: Of the quantile: half the interval over z; infinite where the interval is, 0 within one tied value.
        units: How many units.
        ordered: The values [n], ascending.
        q: Which quantile.
    """

    value: float
    interval: Interval
    share_se: float
    se: float
    units: int
    ordered: Floats
    q: float

    def lowest_at(self, distance: Floats) -> Floats:
        """The lower ends [k] at some distances [k] in standard errors of the share."""
        ranks = np.floor(self.ordered.size * (self.q - distance * self.share_se)).astype(np.int64)
        return np.where(ranks >= 1, self.ordered[np.maximum(ranks, 1) - 1], -math.inf)

    def highest_at(self, distance: Floats) -> Floats:
        """The upper ends [k]."""
        n = self.ordered.size
        ranks = np.ceil(n * (self.q + distance * self.share_se)).astype(np.int64) + 1
        return np.where(ranks <= n, self.ordered[np.minimum(ranks, n) - 1], math.inf)


def clustered_quantile(values: ArrayLike, units: ArrayLike, q: float, alpha: float = 0.05) -> ClusteredQuantile:
    """The ``q`` quantile of values [n], whose units are [n] (any labels).

    Raises:
        BadInput: q or alpha outside 0 to 1, missing values, shapes that do not match, fewer than two units.
    """
    check_alpha(alpha)
    x, labels = np.asarray(values, dtype=np.float64).ravel(), np.asarray(units).ravel()
    if not 0 < q < 1:
        raise BadInput(f"quantile {q!r} must lie between 0 and 1; give for example 0.99")
    if x.size != labels.size:
        raise BadInput(f"{x.size} values and {labels.size} units are not one a request")
    if np.isnan(x).any():
        raise BadInput("a quantile of missing values (NaN) is not defined; leave those requests out")
    unit = np.unique(labels, return_inverse=True)[1]
    count = np.bincount(unit) if x.size else np.zeros(0)
    if count.size < 2:
        raise BadInput(f"{count.size} units give no interval; wait for two at least")
    ordered = np.sort(x)
    n = ordered.size
    value = float(ordered[min(max(math.ceil(q * n) - 1, 0), n - 1)])
    below, tied = (np.bincount(unit, weights=at).astype(np.float64) for at in (x < value, x == value))
    error = _share_error(below, tied, count.astype(np.float64), q)
    z = float(ndtri(1 - alpha / 2))
    found = ClusteredQuantile(value, Interval(-math.inf, math.inf), error, math.inf, int(count.size), ordered, q)
    at = np.array([z])
    interval = Interval(float(found.lowest_at(at)[0]), float(found.highest_at(at)[0]))
    return found._replace(interval=interval, se=(interval.upper - interval.lower) / (2 * z))


def _share_error(below: Floats, tied: Floats, count: Floats, q: float) -> float:
    """The standard error of the share of requests below the quantile, from counts by unit [units]."""

    def error(share: Floats, whole: Floats | float = 0.0) -> float:
        found = linearise(PairMoments.from_values(share, count))
        return math.sqrt(found.standard_error**2 + float(np.sum(whole)) / (count.sum() ** 2 * (1 - 1 / count.size)))

    part = min(max((q * count.sum() - below.sum()) / tied.sum(), 0.0), 1.0)
    between = error(below + part * tied, part * (1 - part) * tied**2)
    return max(error(below), error(below + tied), between)


def compare_clustered_quantiles(
    treatment: ClusteredQuantile, control: ClusteredQuantile, alpha: float = 0.05
) -> TestResult:
    """The difference of two arms' quantiles: all that quantiles within a joint distance of what was seen allow.

    The p-value is 1 where the difference is 0; the statistic is the distance at which the interval ends at 0.
    """
    z = float(ndtri(1 - check_alpha(alpha) / 2))
    effect = treatment.value - control.value

    def lower(at: float) -> float:
        return lowest([treatment.lowest_at, lambda d: -control.highest_at(d)], at)

    def upper(at: float) -> float:
        return -lowest([lambda d: -treatment.highest_at(d), control.lowest_at], at)

    known = math.isfinite(lower(z)) and math.isfinite(upper(z))
    distance = distance_to_zero(lower if effect > 0 else lambda at: -upper(at)) if effect and known else 0.0
    return TestResult(
        method="quantiles by unit",
        statistic=math.copysign(distance, effect) if known else None,
        p_value=min(1.0, 2 * float(ndtr(-distance))) if known else None,
        effect=effect,
        lower=lower(z) if known else None,
        upper=upper(z) if known else None,
        note="Holds for one look at a planned end, and for tied values."
        if known
        else "Too few requests for an interval of so extreme a quantile.",
    )
