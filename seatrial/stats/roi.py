"""Return on what was spent: of one variant, and of the difference between two (what the additional cost brought).

Value and cost are totals by unit, in one currency. Both are uncertain, so the interval is Fieller's, and says so where
costs may as well be nothing.

References:
    Fieller (1954), Some problems in interval estimation, JRSS B 16(2).
    Willan, O'Brien (1996), Confidence intervals for cost-effectiveness ratios: an application of Fieller's theorem,
    Health Economics 5(4).
"""

import math

from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.fieller import RatioInterval, fieller, fieller_of
from seatrial.stats.interval import Interval, check_alpha
from seatrial.stats.moments import PairMoments


def roi(pair: PairMoments, alpha: float = 0.05) -> RatioInterval:
    """(value - cost) / cost of a variant; x the value and y the cost of each unit."""
    return _less_one(fieller(pair, alpha))


def incremental_roi(treatment: PairMoments, control: PairMoments, alpha: float = 0.05) -> RatioInterval:
    """(additional value - additional cost) / additional cost, by unit, treatment against control.

    It can be read only where the treatment is shown to cost more. Where it may cost less the ratio has no sign (of one
    that earns more and costs less it is below -1): its ``shape`` is then not ``interval``, and value and cost are to
    be read each by itself. Where it is shown to cost less the value is NaN and ``everything`` is left.

    Raises:
        BadInput: Fewer than two units in an arm.
    """
    if min(treatment.n, control.n) < 2:
        raise BadInput(f"{treatment.n} and {control.n} units give no interval; wait for two at least in each arm")

    def over(m2: float, other: float) -> float:
        return m2 / (treatment.n - 1) / treatment.n + other / (control.n - 1) / control.n

    found = fieller_of(
        treatment.mean_x - control.mean_x,
        treatment.mean_y - control.mean_y,
        over(treatment.m2_x, control.m2_x),
        over(treatment.m2_y, control.m2_y),
        over(treatment.c_xy, control.c_xy),
        float(ndtri(1 - check_alpha(alpha) / 2)),
    )
    if found.shape == "interval" and treatment.mean_y < control.mean_y:
        return RatioInterval(math.nan, Interval(-math.inf, math.inf), "everything")
    return _less_one(found)


def _less_one(found: RatioInterval) -> RatioInterval:
    return RatioInterval(found.value - 1, Interval(found.interval.lower - 1, found.interval.upper - 1), found.shape)
