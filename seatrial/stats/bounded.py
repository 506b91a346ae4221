"""The effect on a bounded metric by betting: exact, valid at every look, whatever the weights did meanwhile.

Each unit becomes one number whose mean, given everything before it, is the contrast "treatment - factor · control":
the value less what earlier units make one expect, over the chance with which the unit was drawn into its arm. Against a
contrast m one bets, unit by unit, that these numbers lie above it; if m is the contrast, wealth ever exceeds 1/alpha
with probability at most alpha. Every unit has its own chance, so its own bounds and its own stake: units of a canary's
first step are noisy and are bet on little, as a mean weighted by precision would count them. Where chances are equal
the stakes are those of ``betting``. Reads one column a unit, in order of exposure.

References:
    Waudby-Smith, Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86(1), section 4.
    Waudby-Smith, Wu, Ramdas, Karampatziakis, Mineiro (2022), Anytime-valid off-policy inference for contextual bandits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from seatrial.spec.errors import BadInput
from seatrial.stats.betting import TRUNCATION, running_mean
from seatrial.stats.contrast import Margin
from seatrial.stats.evidence import Evidence, Levels, words
from seatrial.stats.interval import Interval, Side, check_alpha

Floats = NDArray[np.float64]

_HAIR = 1e-10
"""How closely an end is found, as a share of the widest interval, and what is then given away."""


@dataclass(frozen=True, eq=False)
class Bounded:
    """Units of two arms in order of exposure, arrays [n].

    Attributes:
        values: One a unit, between ``low`` and ``high``.
        treated: Whether it is the treatment's.
        chance: With which it was drawn to be, known when it was; above 0 and below 1.
        low: The smallest value there can be, known beforehand.
        high: The largest.
    """

    values: Floats
    treated: NDArray[np.bool_]
    chance: Floats
    low: float
    high: float

    @classmethod
    def of(cls, values: ArrayLike, treated: ArrayLike, chance: ArrayLike, low: float, high: float) -> "Bounded":
        """Checked.

        Raises:
            BadInput: Bounds that are none, a value outside them, a chance of 0 or 1, shapes that do not match.
        """
        x = np.asarray(values, dtype=np.float64).ravel()
        t = np.asarray(treated, dtype=np.bool_).ravel()
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise BadInput(f"bounds {low!r} to {high!r} are not a finite range; a metric without one cannot be bet on")
        if x.shape != t.shape:
            raise BadInput(f"{x.size} values and {t.size} variants are not one a unit")
        p: Floats = np.broadcast_to(np.asarray(chance, dtype=np.float64), x.shape)
        if x.size and not (p.min() > 0 and p.max() < 1):
            raise BadInput(
                f"a chance of {p.min()!r} to {p.max()!r} leaves an arm without units; it must lie inside 0 to 1"
            )
        outside = np.flatnonzero(~((x >= low) & (x <= high)))
        if outside.size:
            where = int(outside[0])
            raise BadInput(
                f"value {x[where]} of unit {where} lies outside {low!r} to {high!r}; widen the declared bounds"
            )
        return cls(x, t, p, low, high)

    def reach(self, factor: float) -> Interval:
        """The smallest and the largest contrast there can be."""
        ends = (factor * self.low, factor * self.high)
        return Interval(self.low - max(ends), self.high - min(ends))


@dataclass(frozen=True, eq=False)
class _Bets:
    """Numbers [n], the lowest that each could have been, and what was staked before it was seen."""

    numbers: Floats
    floors: Floats
    stakes: Floats

    def log_wealth(self, contrast: float) -> Floats:
        """After each unit, of bets on "above ``contrast``"."""
        stakes = np.minimum(self.stakes, TRUNCATION / np.maximum(contrast - self.floors, 1e-300))
        wealth: Floats = np.cumsum(np.log1p(stakes * (self.numbers - contrast)))
        return wealth


def bounded_sequence(units: Bounded, alpha: float = 0.05, side: Side = "two", factor: float = 1.0) -> Interval:
    """The interval of treatment's mean less ``factor`` times control's, valid at every look.

    Args:
        units: Of both arms.
        alpha: Chance of ever excluding the true contrast.
        side: Which ends are wanted; the other is the end of what is possible.
        factor: 1 for the difference; 1 + x for a margin of x relative to the control.
    """
    budget = check_alpha(alpha) / (2 if side == "two" else 1)
    reach = units.reach(factor)
    lower = reach.lower if side == "upper" else _lower(_bets(units, budget, factor, 1), reach, budget)
    mirrored = Interval(-reach.upper, -reach.lower)
    upper = reach.upper if side == "lower" else -_lower(_bets(units, budget, factor, -1), mirrored, budget)
    return Interval(lower, upper)


def betting_effect(
    values: ArrayLike,
    treated: ArrayLike,
    chance: ArrayLike,
    low: float,
    high: float,
    alpha: float = 0.05,
    side: Side = "two",
) -> Interval:
    """The interval of treatment's mean less control's, valid at every look; arguments as of ``Bounded.of``."""
    return bounded_sequence(Bounded.of(values, treated, chance, low, high), alpha, side)


def log_evidence(units: Bounded, contrast: float, budget: float, side: Side, factor: float = 1.0) -> Floats:
    """ln of the wealth after each unit [n] of bets against "the contrast is at most ``contrast``" (``lower``), or "at
    least" (``upper``), with stakes for ``budget``: an e-value at any look."""
    sign = -1 if side == "upper" else 1
    reach = units.reach(factor)
    least = reach.lower if sign == 1 else -reach.upper
    return _bets(units, budget, factor, sign).log_wealth(max(sign * contrast, least))


def bounded_evidence(units: Bounded, levels: Levels) -> Evidence:
    """What betting knows of two arms."""

    def at(factors: Sequence[float]) -> Interval:
        found = [_two_ends(units, levels, factor) for factor in factors]
        return Interval(min(one.lower for one in found), max(one.upper for one in found))

    absolute = at([1.0])

    def beyond(shift: Margin) -> Interval:
        if shift.scale == "absolute":
            return Interval(absolute.lower - shift.size, absolute.upper - shift.size)
        return at(_factors(units, shift.size))

    def p_value(shift: Margin, side: Side) -> float:
        relative = shift.scale == "relative"
        factors = _factors(units, shift.size) if relative else (1.0,)
        return max(_p_value(units, levels, side, 0.0 if relative else shift.size, factor) for factor in factors)

    return Evidence(
        method=words(levels, "by betting, exact, valid at every look"),
        absolute=absolute,
        relative=None,
        beyond=beyond,
        p_value=p_value,
    )


def _factors(units: Bounded, size: float) -> tuple[float, ...]:
    """A relative margin is of the size of the control's mean, whose sign the bounds may leave open."""
    return (1 + size,) if units.low >= 0 else (1 - size,) if units.high <= 0 else (1 + size, 1 - size)


def _two_ends(units: Bounded, levels: Levels, factor: float) -> Interval:
    lower = min(bounded_sequence(units, end.one_sided, "lower", factor).lower for end in levels.lower)
    upper = max(bounded_sequence(units, end.one_sided, "upper", factor).upper for end in levels.upper)
    return Interval(lower, upper)


def _p_value(units: Bounded, levels: Levels, side: Side, contrast: float, factor: float) -> float:
    """One over the wealth, twice that where both sides were bet on; at most alpha just where the interval excludes."""
    if not units.values.size:
        return 1.0
    budgets = {"lower": levels.lower[0].one_sided, "upper": levels.upper[0].one_sided}
    sides: tuple[Side, ...] = ("lower", "upper") if side == "two" else (side,)
    wealth = max(float(log_evidence(units, contrast, budgets[one], one, factor)[-1]) for one in sides)
    return min(1.0, len(sides) * math.exp(-min(wealth, 700.0)))


def _bets(units: Bounded, budget: float, factor: float, sign: int) -> _Bets:
    x, t, p = units.values, units.treated, units.chance
    middle = (units.low + units.high) / 2
    centre = (1 - p) * running_mean(x, t, middle) + p * running_mean(x, ~t, middle)
    centre = np.clip(centre, units.low, units.high)

    def number(values: Floats | float, treated: NDArray[np.bool_] | bool) -> Floats:
        gap = values - centre
        found: Floats = np.where(treated, gap / p, -factor * gap / (1 - p)) + (1 - factor) * centre
        return found

    possible = sign * np.stack([number(end, arm) for end in (units.low, units.high) for arm in (True, False)])
    squares = ((units.high - units.low) / 2) ** 2 + np.concatenate([[0.0], np.cumsum((x - centre) ** 2)])[: x.size]
    order = np.arange(1, x.size + 1, dtype=np.float64)
    variance = squares / order * (1 / p + factor**2 / (1 - p))
    precision = np.cumsum(1 / variance)
    stakes = np.sqrt(2 * math.log(1 / budget) / (precision * np.log(order + 1))) / variance
    return _Bets(sign * number(x, t), possible.min(axis=0), stakes)


def _lower(bets: _Bets, reach: Interval, budget: float) -> float:
    """The smallest contrast that is not refuted; wealth falls as the contrast rises."""
    if not bets.numbers.size:
        return reach.lower
    level = math.log(1 / budget)

    def excess(contrast: float) -> float:
        return float(bets.log_wealth(contrast)[-1]) - level

    hair = _HAIR * (reach.upper - reach.lower)
    if excess(reach.lower + hair) < 0:
        return reach.lower
    if excess(reach.upper) >= 0:
        return reach.upper
    return max(reach.lower, float(brentq(excess, reach.lower + hair, reach.upper, xtol=hair)) - 2 * hair)
