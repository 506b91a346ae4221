"""A quantile over all requests when units bring several: order statistics, widened for the likeness inside a unit.

The share of requests below the quantile is a ratio by unit, so its standard error is the delta method's; the interval
is read off the order statistics at q ± z·error (the outer interval, which is somewhat careful). One look.

References:
    Deng, Knoblich, Lu (2018), Applying the delta method in metric analytics, KDD, section 4.
    Woodruff (1952), Confidence intervals for medians and other position measures, JASA 47.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, TestResult, check_alpha
from seatrial.stats.moments import PairMoments
from seatrial.stats.ratio import linearise

Floats = NDArray[np.float64]


class ClusteredQuantile(NamedTuple):
    """A quantile over all requests.

    Attributes:
        value: The quantile.
        interval: At 1 - alpha; infinite where no order statistic reaches.
        share_se: Standard error of the share of requests below it, by unit.
        se: Of the quantile: half the interval over z; infinite where the interval is.
        units: How many units.
    """

    value: float
    interval: Interval
    share_se: float
    se: float
    units: int


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
    below = np.bincount(unit, weights=x <= value)
    error = linearise(PairMoments.from_values(below, count)).standard_error
    z = float(ndtri(1 - alpha / 2))
    low, high = math.floor(n * (q - z * error)), math.ceil(n * (q + z * error)) + 1
    interval = Interval(
        float(ordered[low - 1]) if low >= 1 else -math.inf, float(ordered[high - 1]) if high <= n else math.inf
    )
    return ClusteredQuantile(value, interval, error, (interval.upper - interval.lower) / (2 * z), int(count.size))


def compare_clustered_quantiles(
    treatment: ClusteredQuantile, control: ClusteredQuantile, alpha: float = 0.05
) -> TestResult:
    """The difference of two arms' quantiles, by the normal approximation; ``alpha`` as both were made with."""
    z = float(ndtri(1 - check_alpha(alpha) / 2))
    se = math.hypot(treatment.se, control.se)
    effect = treatment.value - control.value
    known = math.isfinite(se)
    return TestResult(
        method="quantiles by unit",
        statistic=effect / se if known and se > 0 else None,
        p_value=math.erfc(abs(effect) / se / math.sqrt(2)) if known and se > 0 else None,
        effect=effect,
        lower=effect - z * se if known else None,
        upper=effect + z * se if known else None,
        note="Holds for one look at a planned end."
        if known
        else "Too few requests for an interval of so extreme a quantile.",
    )
