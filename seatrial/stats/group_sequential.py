"""A few planned looks: whether to stop at them, and an honest estimate after stopping.

The decision stands at the first look that crosses, whatever units bring that were still maturing then; those units'
effect (the overrun) is reported beside it. The last look gets all alpha that was not spent. After stopping, the
estimate is median-unbiased and its interval ordered by stage (an early crossing is stronger than a late one); before,
the interval is the repeated one, as wide as the bound.

References:
    Tsiatis, Rosner, Mehta (1984), Exact confidence intervals following a group sequential test, Biometrics 40(3).
    Jennison, Turnbull (1989), Interim analyses: the repeated confidence interval approach, JRSS B 51(3).
    Kim (1989), Point estimation following group sequential tests, Biometrics 45(2).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from scipy.optimize import brentq

from seatrial.spec.errors import BadInput
from seatrial.stats.group_bounds import Sides, spending_bounds
from seatrial.stats.group_walk import Bounds, Walk, check_shares
from seatrial.stats.spending import Spending


class Look(NamedTuple):
    """One planned look.

    Attributes:
        share: Matured units over planned units, above 0; may pass 1.
        effect: Treatment minus control then.
        se: Its standard error, above 0.
    """

    share: float
    effect: float
    se: float


class GroupPlan(NamedTuple):
    """What was fixed before the first look; ``sides`` 1 asks only whether the effect is above 0."""

    alpha: float = 0.05
    spending: Spending = Spending()
    sides: Sides = 2


class GroupResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the looks say.

    Attributes:
        bounds: The Z at each look that stops.
        stopped_at: The number of the look (from 1) that crossed first, or of the final one; None while it goes on.
        crossed: ``upper``, ``lower``, or None.
        effect: Median-unbiased after stopping, else the plain estimate at the last look.
        lower: Lower end of the 1 - alpha interval of the effect, stage-wise after stopping, else repeated.
        upper: Upper end; infinite for a one-sided plan.
        p_value: Stage-wise, after stopping; two-sided for a two-sided plan; None before.
        overrun: The plain estimate at the latest look, where looks came after the one that crossed; else None.
        note: In one sentence, how the numbers are to be read.
    """

    bounds: tuple[Bounds, ...]
    stopped_at: int | None
    crossed: str | None
    effect: float
    lower: float
    upper: float
    p_value: float | None
    overrun: float | None
    note: str


def group_sequential(looks: Sequence[Look], plan: GroupPlan = GroupPlan(), *, final: bool = False) -> GroupResult:
    """The state after the looks so far; ``final`` when the last of them is the last there will be.

    Raises:
        BadInput: No look, shares that do not rise, or a standard error that is not above 0.
    """
    for look in looks:
        if not (look.se > 0 and math.isfinite(look.effect)):
            raise BadInput(
                f"a look with effect {look.effect} and standard error {look.se} says nothing; wait for units"
            )
    shares = [look.share for look in looks]
    bounds = spending_bounds(shares, plan.alpha, plan.spending, sides=plan.sides, final=final)
    crossed_at = next((k for k, (look, b) in enumerate(zip(looks, bounds, strict=True)) if _crosses(look, b)), None)
    last = len(looks) - 1
    if crossed_at is None and not final:
        return _going_on(looks[-1], bounds, plan)
    at = last if crossed_at is None else crossed_at
    stop = looks[at]
    z = stop.effect / stop.se
    ordering = _Ordering(shares[: at + 1], bounds[: at + 1], z)
    unit = math.sqrt(stop.share) * stop.se
    tail = plan.alpha / plan.sides
    return GroupResult(
        bounds=bounds,
        stopped_at=at + 1,
        crossed=None if crossed_at is None else "upper" if z >= bounds[at].upper else "lower",
        effect=ordering.drift(0.5) * unit,
        lower=ordering.drift(tail) * unit,
        upper=ordering.drift(1 - tail) * unit if plan.sides == 2 else math.inf,
        p_value=ordering.p_value(plan.sides),
        overrun=looks[-1].effect if at < last else None,
        note="Holds for the planned looks; the estimate is median-unbiased.",
    )


def _crosses(look: Look, bounds: Bounds) -> bool:
    z = look.effect / look.se
    return z >= bounds.upper or z <= bounds.lower


def _going_on(look: Look, bounds: tuple[Bounds, ...], plan: GroupPlan) -> GroupResult:
    half = bounds[-1].upper * look.se
    return GroupResult(
        bounds=bounds,
        stopped_at=None,
        crossed=None,
        effect=look.effect,
        lower=look.effect - half,
        upper=look.effect + half if plan.sides == 2 else math.inf,
        p_value=None,
        overrun=None,
        note="Holds for the planned looks; nothing is decided yet, and the interval is the repeated one.",
    )


class _Ordering:
    """The chance of a result at least as high as the one seen, in the stage-wise order, as a function of the drift."""

    def __init__(self, shares: Sequence[float], bounds: Sequence[Bounds], z: float) -> None:
        self._shares, self._bounds, self._z = shares, bounds, z
        self._finest = check_shares(shares)
        self._low = z <= bounds[-1].lower

    def as_high(self, drift: float) -> float:
        """Rises in the drift from 0 to 1."""
        walk, total = Walk(drift, self._finest), 0.0
        for share, bound in zip(self._shares[:-1], self._bounds[:-1], strict=True):
            total += walk.below(share, bound.lower) if self._low else walk.above(share, bound.upper)
            walk.go_on(share, bound)
        last = self._shares[-1]
        # A crossing below is lower than everything that could still have come, so its complement is counted.
        return 1 - total - walk.below(last, self._z) if self._low else total + walk.above(last, self._z)

    def drift(self, chance: float) -> float:
        """The drift under which a result as high has this chance."""
        low, high = self._z / math.sqrt(self._shares[-1]) - 10.0, self._z / math.sqrt(self._shares[-1]) + 10.0
        while self.as_high(low) > chance:
            low -= 10.0
        while self.as_high(high) < chance:
            high += 10.0
        return float(brentq(lambda d: self.as_high(d) - chance, low, high, xtol=1e-9))

    def p_value(self, sides: Sides) -> float:
        """Against no effect."""
        high = self.as_high(0.0)
        return high if sides == 1 else min(1.0, 2 * min(high, 1 - high))
