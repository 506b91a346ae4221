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

from scipy.optimize import brentq
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
        level = -math.log(share * (6 / (math.pi * k) ** 2 if len(phases) > 1 else 1.0))
        treatment, control = phase[:2], phase[2:4]
        if side != "upper":
            lower += weight * (_lower(*treatment, level) - _upper(*control, level)) / sum(weights)
        if side != "lower":
            upper += weight * (_upper(*treatment, level) - _lower(*control, level)) / sum(weights)
    return Interval(-1.0 if side == "upper" else lower, 1.0 if side == "lower" else upper)


def _upper(successes: float, n: float, level: float) -> float:
    return 1 - _lower(n - successes, n, level)


def _lower(successes: float, n: float, level: float) -> float:
    """Where the evidence against "at most this share", falling in the share, meets the level; a hair below."""
    if successes == 0:
        return 0.0

    def excess(share: float) -> float:
        return min(log_evidence_above(successes, n, share), _FAR) - level

    low, high = successes / n * 1e-9, successes / n
    if excess(low) < 0:
        return 0.0
    found = brentq(excess, low, high, xtol=1e-300, rtol=_HAIR)
    return max(0.0, float(found) * (1 - 2 * _HAIR))


_FAR = 1e6
"""Evidence beyond any level: infinite where the share is all but impossible."""

_HAIR = 1e-11
"""How closely an end is found, relative (Brent's method, 1973), and the half of what is then given away."""
