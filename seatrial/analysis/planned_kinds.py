"""What each kind of metric takes: units for an effect or a margin, and the inverse, which of them so many units show.

Means and ratios by the usual formulas, shares by the rule that judges them, quantiles by order statistics of the past
values, ranks by those values moved, means within a range by the growth of bets where one looks at any time.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seatrial.analysis.power_past import Goal, Past
from seatrial.spec.errors import BadInput
from seatrial.stats.betting_power import BoundedClaim, power_of_bounded, units_of_bounded
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.evidence import Method
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS
from seatrial.stats.power import (
    Design,
    Plan,
    detectable_in_looks,
    detectable_means,
    detectable_proportions,
    plan_means,
    plan_non_inferiority,
    plan_proportions,
    proportions_in_looks,
    smallest_size,
    units_in_looks,
)
from seatrial.stats.quantile_power import Past as PastValues
from seatrial.stats.quantile_power import QuantileClaim, plan_quantiles, power_of_quantiles
from seatrial.stats.rank_power import move_for_effect, move_for_margin, power_of_ranks, units_of_ranks
from seatrial.stats.share_power import Claim, events_are_many, plan_shares, power_of_shares
from seatrial.stats.verdict import Want

Values = NDArray[np.float64]


def plan_of(past: Past, effect: Margin, design: Design, goal: Goal, values: Values | None = None) -> Plan:
    """Units of all arms for an effect, or to show that a margin is kept with no true difference.

    Args:
        past: What is known of the metric.
        effect: The effect, or the margin.
        design: Of the question.
        goal: Which of the two.
        values: Past values by unit, of a quantile.
    """
    _check(effect, goal)
    asked = _one_sided(design) if goal == "non-inferior" else design
    if past.kind == "quantile":
        known = _values(past, values)
        plans = [plan_quantiles(known, claim, asked) for claim in _quantile_claims(past, effect, goal)]
        return Plan(max(plan.fixed for plan in plans), max(plan.always_valid for plan in plans))
    if past.share:
        return _of_shares(past, effect, asked, goal)
    size = _size(past, effect)
    few = not past.divided
    planned = plan_non_inferiority if goal == "non-inferior" else plan_means
    plan = planned(size, past.sd, design, few=few)
    if past.divided:
        least = least_divided(past, design)
        return Plan(max(plan.fixed, least), max(plan.always_valid, least))
    if past.range is None:
        return plan
    return plan._replace(always_valid=max(units_of_bounded(c, asked) for c in _bounded_claims(past, effect, goal)))


def least_divided(past: Past, design: Design) -> int:
    """Units of all arms below which a ratio, or anything by cluster, has no verdict."""
    return math.ceil(max(MINIMUM_UNITS, MINIMUM_EVENTS / past.below) / min(design.share, design.control))


def units_by_ranks(past: Past, effect: Margin, design: Design, goal: Goal, values: Values | None) -> int:
    """Units of all arms for one look by ranks; arguments as of ``plan_of``."""
    _check(effect, goal)
    known, asked = _of_ranks(past, design, values), _one_sided(design) if goal == "non-inferior" else design
    if goal == "non-inferior":
        return units_of_ranks(move_for_margin(known, _size(past, effect), past.metric), asked)
    return units_of_ranks(move_for_effect(known, effect, past.metric), asked)


def in_looks(past: Past, effect: Margin, design: Design, times: float) -> int:
    """Units of a whole plan with looks, which takes so many ``times`` those of one, for an effect."""
    size = _size(past, effect)
    if past.share:
        return proportions_in_looks(past.mean, _treated(past, size), times, design)
    least = least_divided(past, design) if past.divided else 0
    return max(units_in_looks(size, past.sd, times, design), least)


def smallest(
    past: Past,
    units: float,
    design: Design,
    goal: Goal,
    method: Method,
    values: Values | None = None,
) -> float:
    """The smallest effect that so many units of all arms show, or the smallest margin that they hold, in its unit.

    Infinite where they show none. Arguments as of ``plan_of``.
    """
    asked = _one_sided(design) if goal == "non-inferior" else design
    if past.divided and units < least_divided(past, design):
        return math.inf
    formula = detectable_means(units, past.sd, asked, few=not past.divided)
    start = past.sd / math.sqrt(units)
    if past.ranks:
        known = _of_ranks(past, design, values)
        return smallest_size(_rank_power(past, known, units, asked, goal), asked.power, start)
    if past.kind == "quantile":
        return smallest_size(
            _quantile_power(past, _values(past, values), units, asked, goal, method), asked.power, start
        )
    if past.share and goal == "better":
        shown = detectable_proportions(units, past.mean, design)
    elif past.share and not events_are_many(Claim(past.mean, past.mean), units, asked):
        return smallest_size(_share_power(past, units, asked, method), asked.power, start)
    elif past.range is not None and method == "always-valid":
        return smallest_size(_bounded_power(past, units, asked, goal), asked.power, start)
    else:
        shown = formula
    return shown.fixed if method == "fixed" else shown.always_valid


def smallest_in_looks(past: Past, units: float, design: Design, times: float) -> float:
    """The smallest effect that a plan of so many units with looks shows; ``times`` as of ``in_looks``."""
    if past.share:
        shown = detectable_proportions(units / times, past.mean, design).fixed
        enough = math.isfinite(shown) and units >= proportions_in_looks(past.mean, past.mean + shown, 0.0, design)
        return shown if enough else math.inf
    if past.divided and units < least_divided(past, design):
        return math.inf
    return detectable_in_looks(units, past.sd, times, design)


def _one_sided(design: Design) -> Design:
    return design._replace(sides=1)


def _size(past: Past, effect: Margin) -> float:
    return effect.size * abs(past.mean) if effect.scale == "relative" else effect.size


def _ways(past: Past) -> tuple[Want, ...]:
    """Which way is good; both where it was not said."""
    return ("lower", "higher") if past.want is None else (past.want,)


def _signed(margin: Margin, want: Want) -> Margin:
    return margin if want == "lower" else margin.flipped()


def _of_shares(past: Past, effect: Margin, design: Design, goal: Goal) -> Plan:
    if goal == "better":
        size = _size(past, effect)
        return plan_proportions(past.mean, _treated(past, size), design)
    alike = effect.scale == "absolute" and design.share == design.control  # the arms can be exchanged
    ways = _ways(past)[:1] if alike else _ways(past)
    plans = [plan_shares(Claim.of_margin(past.mean, effect, want), design) for want in ways]
    return Plan(max(plan.fixed for plan in plans), max(plan.always_valid for plan in plans))


def _treated(past: Past, size: float) -> float:
    """The share with the effect: a rise, of what is better low a fall where a rise is not possible."""
    if past.mean + size < 1:
        return past.mean + size
    if past.want != "lower":
        raise BadInput(
            f"{past.metric!r} is {past.mean:.4g} now, and a rise by {size:.4g} would pass 1; give a smaller effect, or "
            f"plan the share of all others ({1 - past.mean:.4g})"
        )
    return past.mean - size


def _check(effect: Margin, goal: Goal) -> None:
    if goal == "non-inferior" and not effect.size > 0:
        raise BadInput(f"margin {effect.size!r} must be above 0: it is how much worse is still accepted")


def _of_ranks(past: Past, design: Design, values: Values | None) -> Values:
    if values is None:
        raise BadInput(f"what {past.metric!r} takes by ranks is told by past values of units; give their files")
    if design.correlation:
        raise BadInput(f"{past.metric!r} is compared by ranks, which takes no covariate; leave --correlation out")
    return values


def _rank_power(past: Past, values: Values, units: float, design: Design, goal: Goal) -> Callable[[float], float]:
    def power(size: float) -> float:
        if goal == "non-inferior":
            return power_of_ranks(move_for_margin(values, size, past.metric), units, design)
        return power_of_ranks(move_for_effect(values, Margin("absolute", size), past.metric), units, design)

    return power


def _share_power(past: Past, units: float, design: Design, method: Method) -> Callable[[float], float]:
    alike = design.share == design.control

    def power(size: float) -> float:
        if size >= 1:
            return 1.0
        ways = _ways(past)[:1] if alike else _ways(past)
        claims = [Claim.of_margin(past.mean, Margin("absolute", size), want) for want in ways]
        return min(power_of_shares(claim, units, design, method) for claim in claims)

    return power


def _values(past: Past, values: Values | None) -> PastValues:
    if values is None or past.q is None:
        raise BadInput(f"what the quantile {past.metric!r} takes is told by past values of units; give their files")
    return PastValues.of(values, past.q)


def _quantile_claims(past: Past, effect: Margin, goal: Goal) -> list[QuantileClaim]:
    if goal == "non-inferior":
        return [QuantileClaim(0.0, _signed(effect, want)) for want in _ways(past)]
    size = _size(past, effect)
    if size == 0:
        raise BadInput("a difference of 0 needs infinitely many units; say which effect matters")
    return [QuantileClaim(size if past.want != "lower" else -size, ZERO)]


def _quantile_power(
    past: Past, known: PastValues, units: float, design: Design, goal: Goal, method: Method
) -> Callable[[float], float]:
    def power(size: float) -> float:
        claims = _quantile_claims(past, Margin("absolute", size), goal)
        return min(power_of_quantiles(known, claim, units, design, method) for claim in claims)

    return power


def _bounded_power(past: Past, units: float, design: Design, goal: Goal) -> Callable[[float], float]:
    def power(size: float) -> float:
        claims = _bounded_claims(past, Margin("absolute", size), goal)
        return min(power_of_bounded(claim, units, design) for claim in claims)

    return power


def _bounded_claims(past: Past, effect: Margin, goal: Goal) -> list[BoundedClaim]:
    assert past.range is not None
    low, high = past.range
    if goal == "non-inferior":
        lines = [_signed(effect, want) for want in _ways(past)]
        return [BoundedClaim(past.mean, past.sd, low, high, 0.0, line) for line in lines]
    size = _size(past, effect)
    return [BoundedClaim(past.mean, past.sd, low, high, size if past.want != "lower" else -size)]
