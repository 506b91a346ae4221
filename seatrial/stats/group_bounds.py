"""Bounds of a group-sequential test: at each look the Z that spends what the spending function allows by then.

References:
    Lan, DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70(3).
    Jennison, Turnbull (2000), Group sequential methods with applications to clinical trials, chapters 7 and 19.
    Pampallona, Tsiatis, Kim (2001), Interim monitoring of group sequential trials using spending functions for the
    type I and type II error probabilities, Drug Information Journal 35(4) (futility).
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal

from scipy.optimize import brentq
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.group_walk import Bounds, Walk, check_shares, crossing
from seatrial.stats.interval import check_alpha
from seatrial.stats.spending import Spending

Sides = Literal[1, 2]

_FARTHEST = 12.0
"""|Z| beyond which no bound is looked for."""

_LEAST = 1e-14
"""Alpha below which a look cannot stop anything."""


def spending_bounds(
    shares: Sequence[float],
    alpha: float = 0.05,
    spending: Spending = Spending(),
    *,
    sides: Sides = 2,
    final: bool = False,
) -> tuple[Bounds, ...]:
    """The bounds at the looks so far.

    Args:
        shares: Information at the looks as shares of the plan, rising, above 0; may pass 1.
        alpha: Chance of ever crossing without an effect.
        spending: How alpha is spent over the information.
        sides: 2 for bounds on both sides at alpha / 2 each, 1 for the upper side alone.
        final: The last of these looks is the last there will be: it gets all alpha that is left, whatever its share.

    Raises:
        BadInput: Shares that do not rise.
    """
    return _spending_bounds(tuple(shares), check_alpha(alpha) / sides, spending, sides, final)


@functools.lru_cache(maxsize=512)
def _spending_bounds(
    shares: tuple[float, ...], one: float, spending: Spending, sides: Sides, final: bool
) -> tuple[Bounds, ...]:
    """Of the same plan the same bounds are asked for again by every metric and at every look; ``one`` side's alpha."""
    walk, spent, found = Walk(0.0, check_shares(shares)), 0.0, []
    for number, share in enumerate(shares, start=1):
        allowed = one if final and number == len(shares) else spending.spent(share, one)
        upper = _upper(walk, share, allowed - spent)
        spent = max(spent, allowed)
        bound = Bounds(-upper if sides == 2 else -math.inf, upper)
        found.append(bound)
        walk.go_on(share, bound)
    return tuple(found)


def futility_bounds(
    shares: Sequence[float], bounds: Sequence[Bounds], drift: float, beta: float, spending: Spending = Spending()
) -> tuple[float, ...]:
    """The Z below which going on is unlikely to show the effect that was planned for; advice only.

    Non-binding: the upper bounds were computed as if nobody stopped here, so alpha holds either way.

    Args:
        shares: As for ``spending_bounds``, to the end of the plan.
        bounds: The upper bounds that were found for them.
        drift: Expected Z with all the information, under the planned effect.
        beta: Chance of missing that effect that may be spent.
        spending: How it is spent.
    """
    walk, spent, found = Walk(drift, check_shares(shares)), 0.0, []
    for number, (share, bound) in enumerate(zip(shares, bounds, strict=True), start=1):
        allowed = beta if number == len(shares) else spending.spent(share, beta)
        lower = min(_lower(walk, share, allowed - spent), bound.upper)
        spent = max(spent, allowed)
        found.append(lower)
        walk.go_on(share, Bounds(lower, bound.upper))
    return tuple(found)


def planned_drift(shares: Sequence[float], bounds: Sequence[Bounds], power: float = 0.8) -> float:
    """The expected Z, with all the information, at which the upper bound is crossed with the chance ``power``."""
    if not 0 < power < 1:
        raise BadInput(f"power {power!r} must lie between 0 and 1")

    def excess(drift: float) -> float:
        return sum(crossing(shares, bounds, drift).upper) - power

    return float(brentq(excess, -_FARTHEST, 3 * _FARTHEST, xtol=1e-10))


def futility_drift(
    shares: Sequence[float], bounds: Sequence[Bounds], beta: float, spending: Spending = Spending()
) -> float:
    """The planned drift when one does stop for futility: the last futility bound meets the last upper bound."""

    def gap(drift: float) -> float:
        walk, spent = Walk(drift, check_shares(shares)), 0.0
        for share, bound in zip(shares[:-1], bounds[:-1], strict=True):
            lower = min(_lower(walk, share, spending.spent(share, beta) - spent), bound.upper)
            spent = spending.spent(share, beta)
            walk.go_on(share, Bounds(lower, bound.upper))
        return walk.below(shares[-1], bounds[-1].upper) - (beta - spent)

    start = planned_drift(shares, bounds, 1 - beta)
    return float(brentq(gap, start, start + 3.0, xtol=1e-10))


def inflation(shares: Sequence[float], bounds: Sequence[Bounds], alpha: float, power: float, sides: Sides = 2) -> float:
    """How many times the units of a fixed test the whole plan needs for the same power."""
    fixed = float(ndtri(1 - alpha / sides) + ndtri(power))
    return (planned_drift(shares, bounds, power) / fixed) ** 2


def _upper(walk: Walk, share: float, alpha: float) -> float:
    if alpha < _LEAST or walk.above(share, _FARTHEST) >= alpha:
        return math.inf
    return float(brentq(lambda z: walk.above(share, z) - alpha, -_FARTHEST, _FARTHEST, xtol=1e-12))


def _lower(walk: Walk, share: float, beta: float) -> float:
    if beta < _LEAST or walk.below(share, -_FARTHEST) >= beta:
        return -math.inf
    if walk.below(share, _FARTHEST) <= beta:
        return math.inf
    return float(brentq(lambda z: walk.below(share, z) - beta, -_FARTHEST, _FARTHEST, xtol=1e-12))
