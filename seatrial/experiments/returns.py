"""What costs brought: each variant's own return on them, and the incremental one of what the challenger costs more.

A return on additional costs can be read only where there are some: where the interval of the difference of costs lies
above 0. Where it lies below, the challenger is cheaper, and what it earns says the rest.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from seatrial.experiments.counted import Counted, Values
from seatrial.stats.fieller import RatioInterval
from seatrial.stats.interval import Interval, TestResult, finite
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.roi import incremental_roi, roi

LEAST = 1e-9
"""A smaller difference of costs, as a share of them, is rounding."""

NOTE = "Additional value less additional cost, over additional cost; for one look."
OWN = "Value less cost, over cost; for one look."
UNREADABLE = "The challenger is not shown to cost more, so there is no return to be read; see value and cost."
CHEAPER = {
    1: "The challenger earns more and costs less: there is no additional cost whose return could be read.",
    -1: "The challenger earns less and costs less: what is saved is no return; see the metric itself.",
    0: "The challenger costs less, and is not shown to earn more or less: no additional cost has a return to be read.",
}

_INCREMENTAL, _OWN = "incremental ROI, Fieller", "ROI of {}, Fieller"
_ROI = "ROI"


def returns_on_costs(counted: Counted, alpha: float, names: tuple[str, str]) -> list[TestResult]:
    """The return on the challenger's additional costs and each variant's own, with Fieller's intervals.

    None without costs; no incremental one over several periods of weights, whose costs have no common difference.

    Args:
        counted: The units; a value metric's total less its costs in ``x``, its costs in ``y``.
        alpha: The intervals cover 1 - alpha.
        names: Of the challenger and the champion.
    """
    arms = (counted.here & counted.treatment, counted.here & ~counted.treatment)
    if not counted.y[counted.here].any() or min(int(arm.sum()) for arm in arms) < 2:
        return []
    value: Values = counted.x + counted.y
    pairs = [PairMoments.from_values(value[arm], counted.y[arm]) for arm in arms]
    found = []
    if len(np.unique(counted.strata[counted.here])) == 1:
        found.append(_incremental(pairs[0], pairs[1], alpha))
    for name, pair in zip(names, pairs, strict=True):
        if pair.mean_y > 0:
            found.append(_told(_OWN.format(name), roi(pair, alpha), OWN))
    return found


def said_of_returns(metric: str, fixed: Sequence[TestResult]) -> str:
    """The returns in one sentence; "" where there are none."""
    here = [one for one in fixed if _ROI in one.method]
    parts = []
    for one in here:
        name = one.method.partition(",")[0]
        if one.effect is None or one.lower is None or one.upper is None:
            parts.append(f"no {name}, as {one.note[:1].lower()}{one.note[1:].rstrip('.')}")
        else:
            parts.append(f"{name} {_percent(one.effect)} ({_percent(one.lower)} to {_percent(one.upper)})")
    return f"{metric}, returns on costs for one look: {', '.join(parts)}." if parts else ""


def _percent(share: float) -> str:
    return f"{100 * share:+.4g}%"


def _incremental(treatment: PairMoments, control: PairMoments, alpha: float) -> TestResult:
    more = abs(treatment.mean_y - control.mean_y) > LEAST * max(treatment.mean_y, control.mean_y)
    cost = _difference(treatment.y, control.y, alpha)
    if more and cost.lower > 0:
        return _told(_INCREMENTAL, incremental_roi(treatment, control, alpha), NOTE)
    if not (more and cost.upper < 0):
        return _without(UNREADABLE)
    earned = _difference(treatment.x, control.x, alpha)
    return _without(CHEAPER[(earned.lower > 0) - (earned.upper < 0)])


def _difference(treatment: Moments, control: Moments, alpha: float) -> Interval:
    """Of two means, by the normal quantile, as the incremental return's own interval is."""
    se = math.sqrt(treatment.variance / treatment.n + control.variance / control.n)
    half = float(ndtri(1 - alpha / 2)) * se
    return Interval(treatment.mean - control.mean - half, treatment.mean - control.mean + half)


def _told(method: str, found: RatioInterval, note: str) -> TestResult:
    clear = found.shape == "interval" and math.isfinite(found.value)
    return TestResult(
        method=method,
        statistic=None,
        p_value=None,
        effect=finite(found.value) if clear else None,
        lower=finite(found.interval.lower) if clear else None,
        upper=finite(found.interval.upper) if clear else None,
        note=note if clear else "Its cost may be nothing, so there is no return to be read.",
    )


def _without(note: str) -> TestResult:
    return TestResult(method=_INCREMENTAL, statistic=None, p_value=None, effect=None, note=note)
