"""Exact sequence for one arm's share of ones, and for the difference of two arms' shares at half of alpha each.

Against p0 the evidence is the likelihood ratio mixed evenly over the shares beyond p0 (Robbins' mixture). It falls
steadily as p0 grows, so the shares not yet refuted form an interval.

References:
    Robbins (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Stat. 41(5).
    Howard, Ramdas, McAuliffe, Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences,
    Annals of Statistics 49(2).
"""

import math
from collections.abc import Sequence

from scipy.special import betaincc, betaln, xlog1py, xlogy

from seatrial.spec.errors import BadInput
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.interval import Interval, Side, check_alpha


def log_evidence_above(successes: float, n: float, share: float) -> float:
    """ln of the e-value against "the true share is at most ``share``"."""
    x, y = successes, n - successes
    tail = float(betaincc(x + 1, y + 1, share))
    if tail <= 0:
        return -math.inf
    likelihood = float(xlogy(x, share) + xlog1py(y, -share))
    return float(betaln(x + 1, y + 1)) + math.log(tail) - math.log1p(-share) - likelihood


def share_sequence(successes: int, n: int, alpha: float = 0.05, side: Side = "two") -> Interval:
    """The interval of a share after ``n`` units, valid at every look.

    Raises:
        BadInput: Unless 0 <= successes <= n.
    """
    check_alpha(alpha)
    if not 0 <= successes <= n:
        raise BadInput(f"{successes} successes in {n} units cannot be; give 0 <= successes <= n")
    level = math.log((2 if side == "two" else 1) / alpha)
    lower = 0.0 if side == "upper" else _lower(successes, n, level)
    upper = 1.0 if side == "lower" else 1 - _lower(n - successes, n, level)
    return Interval(lower, upper)


def difference_sequence(phases: Sequence[PhaseCounts], alpha: float = 0.05, side: Side = "two") -> Interval:
    """The interval of treatment's share minus control's, valid at every look.

    Each end spends alpha (two-sided: half of it) evenly on the two arms, and over phases 6/(pi k)² of it on the k-th,
    which are combined by precision weights.
    """
    check_alpha(alpha)
    used = [p for p in phases if p.treatment_units and p.control_units]
    if not used:
        return Interval(-1.0, 1.0)
    share = (alpha / 2 if side == "two" else alpha) / 2
    weights = [p.treatment_units * p.control_units / (p.treatment_units + p.control_units) for p in used]
    lower = upper = 0.0
    for k, (phase, weight) in enumerate(zip(used, weights, strict=True), start=1):
        spent = share * (6 / (math.pi * k) ** 2 if len(phases) > 1 else 1.0)
        treatment = _ends(phase.treatment_events, phase.treatment_units, spent)
        control = _ends(phase.control_events, phase.control_units, spent)
        lower += weight * (treatment.lower - control.upper) / sum(weights)
        upper += weight * (treatment.upper - control.lower) / sum(weights)
    return Interval(-1.0 if side == "upper" else lower, 1.0 if side == "lower" else upper)


def _ends(successes: int, n: int, alpha: float) -> Interval:
    """A lower and an upper end, each at alpha."""
    return share_sequence(successes, n, 2 * alpha)


def _lower(successes: int, n: int, level: float) -> float:
    if successes == 0:
        return 0.0
    low, high = 0.0, successes / n
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if log_evidence_above(successes, n, middle) >= level else (low, middle)
    return low
