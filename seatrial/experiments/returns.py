"""What additional costs brought: the incremental return on them, beside the verdict on a metric of value."""

import math

import numpy as np

from seatrial.experiments.counted import Counted
from seatrial.stats.interval import TestResult, finite
from seatrial.stats.moments import PairMoments
from seatrial.stats.roi import incremental_roi

LEAST = 1e-9
"""A smaller difference of costs, as a share of them, is rounding."""

NOTE = "Additional value less additional cost, over additional cost; for one look."
UNREADABLE = "The challenger may cost no more than the champion, so there is no return to be read; see value and cost."


def return_on_costs(counted: Counted, alpha: float) -> list[TestResult]:
    """The return of the challenger's additional costs with Fieller's interval; none without costs, or over several
    periods of weights, whose costs have no common difference."""
    strata = np.unique(counted.strata[counted.here])
    arms = (counted.here & counted.treatment, counted.here & ~counted.treatment)
    if len(strata) != 1 or not counted.y[counted.here].any() or min(int(arm.sum()) for arm in arms) < 2:
        return []
    t, c = (PairMoments.from_values((counted.x + counted.y)[arm], counted.y[arm]) for arm in arms)
    found = incremental_roi(t, c, alpha)
    more = abs(t.mean_y - c.mean_y) > LEAST * max(t.mean_y, c.mean_y)
    clear = more and found.shape == "interval" and math.isfinite(found.value)
    return [
        TestResult(
            method="incremental ROI, Fieller",
            statistic=None,
            p_value=None,
            effect=finite(found.value) if clear else None,
            lower=finite(found.interval.lower) if clear else None,
            upper=finite(found.interval.upper) if clear else None,
            note=NOTE if clear else UNREADABLE,
        )
    ]
