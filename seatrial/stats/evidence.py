"""What is known about an effect, by whichever method applies: its interval, and where it stands beside any margin."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scipy.special import stdtr, stdtrit

from seatrial.spec.errors import BadInput
from seatrial.stats.bernoulli import difference_sequence
from seatrial.stats.conditional import PhaseCounts, conditional_p, ratio_sequence
from seatrial.stats.contrast import Margin, contrasts, relative_interval, shifted_bounds
from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect
from seatrial.stats.interval import Interval, Side
from seatrial.stats.minimum import what_is_missing, what_is_missing_once
from seatrial.stats.sequence import always_valid_p, multiplier
from seatrial.stats.verdict import Question

Method = Literal["always-valid", "exact", "fixed", "group-sequential"]
"""``always-valid``: the asymptotic sequence, below its minimum the exact one. ``exact``: the exact sequence throughout,
for rare failures, which it finds sooner. ``fixed``: one look at a planned end. ``group-sequential``: a few planned
looks, which only ``planned_looks.judge_looks`` can read, for it needs them all."""


_BY_WELCH = "for one look"


class Level(NamedTuple):
    """The error budget of one end of an interval; ``sides`` 2 when ``alpha`` is shared with the other end."""

    alpha: float
    sides: Literal[1, 2]

    @property
    def one_sided(self) -> float:
        """This end's own part of alpha."""
        return self.alpha / self.sides


class Levels(NamedTuple):
    """The budgets of both ends; where an end has two, the wider interval counts."""

    lower: tuple[Level, ...]
    upper: tuple[Level, ...]


@dataclass(frozen=True)
class Evidence:
    """What a method knows.

    Attributes:
        method: Its name in words, for sentences.
        absolute: The interval of the effect in the metric's unit.
        relative: The interval relative to the size of the control's mean; None where refused.
        beyond: Gives for a signed margin the interval of "effect minus margin"; only its signs mean something.
        p_value: Gives for a signed margin and a side the always-valid p-value against it.
        zero_by_ratio: Whether a margin of 0 is told by the relative interval, which is then the one to show.
    """

    method: str
    absolute: Interval
    relative: Interval | None
    beyond: Callable[[Margin], Interval]
    p_value: Callable[[Margin, Side], float]
    zero_by_ratio: bool = False


def gather(
    effect: Effect, counts: Sequence[PhaseCounts], levels: Levels, question: Question, method: Method
) -> Evidence | str:
    """The evidence by the method that applies, or in words what is missing for any.

    Raises:
        BadInput: ``group-sequential``, which one effect says nothing about.
    """
    if method == "group-sequential":
        raise BadInput("group-sequential verdicts need the effect at every planned look; call judge_looks with them")
    missing = what_is_missing(effect, question.treatment, question.control)
    if method == "exact" or (method == "always-valid" and counts and missing is not None):
        return _exact(counts, levels) if _both_arms(counts) else missing or "no events were counted"
    if method == "fixed":
        return what_is_missing_once(effect, question.treatment, question.control) or fixed_evidence(effect, levels)
    if missing is not None:
        return missing
    return _sequence(effect, levels, question.plan_units)


def _both_arms(counts: Sequence[PhaseCounts]) -> bool:
    return any(c.treatment_units for c in counts) and any(c.control_units for c in counts)


def _sequence(effect: Effect, levels: Levels, plan_units: float) -> Evidence:
    def widest(end: tuple[Level, ...]) -> float:
        return max(multiplier(effect.n, e.alpha, plan_units, "two" if e.sides == 2 else "lower") for e in end)

    def p_value(shift: Margin, side: Side) -> float:
        alpha = (levels.upper if side == "upper" else levels.lower)[0].alpha
        return max(always_valid_p(c.value, c.se, effect.n, alpha, plan_units, side) for c in contrasts(effect, shift))

    return _from_multipliers(
        words(levels, "valid at every look"), effect, widest(levels.lower), widest(levels.upper), p_value
    )


def fixed_evidence(effect: Effect, levels: Levels) -> Evidence:
    """Welch's t in the larger of the unpooled and the pooled standard error: a small arm's own is too small as often
    as its rare values have not come (of 100 units beside 9 900, 1 % of which buy, 30 % claims without a difference)."""
    degrees = degrees_of(effect)

    def widest(end: tuple[Level, ...]) -> float:
        return max(float(stdtrit(degrees, 1 - e.one_sided)) for e in end)

    def p_value(shift: Margin, side: Side) -> float:
        return max(_fixed_p(c.value / c.se, degrees, side) for c in contrasts(effect, shift))

    return _from_multipliers(words(levels, _BY_WELCH), effect, widest(levels.lower), widest(levels.upper), p_value)


def _from_multipliers(
    method: str, effect: Effect, lower: float, upper: float, p_value: Callable[[Margin, Side], float]
) -> Evidence:
    return Evidence(
        method=method,
        absolute=shifted_bounds(effect, Margin("absolute", 0.0), lower, upper),
        relative=relative_interval(effect, lower, upper),
        beyond=lambda shift: shifted_bounds(effect, shift, lower, upper),
        p_value=p_value,
    )


def _exact(counts: Sequence[PhaseCounts], levels: Levels) -> Evidence:
    low = min(e.one_sided for e in levels.lower)
    high = min(e.one_sided for e in levels.upper)
    absolute = Interval(
        difference_sequence(counts, low, "lower").lower, difference_sequence(counts, high, "upper").upper
    )
    ratio = Interval(ratio_sequence(counts, low, "lower").lower, ratio_sequence(counts, high, "upper").upper)

    def beyond(shift: Margin) -> Interval:
        if shift.scale == "relative" or shift.size == 0:
            return Interval(ratio.lower - 1 - shift.size, ratio.upper - 1 - shift.size)
        return Interval(absolute.lower - shift.size, absolute.upper - shift.size)

    def p_value(shift: Margin, side: Side) -> float:
        if shift.scale == "relative" or shift.size == 0:
            return conditional_p(counts, side, max(1 + shift.size, 1e-9))
        return math.nan

    return Evidence(
        method=words(levels, "exact, valid at every look"),
        absolute=absolute,
        relative=Interval(ratio.lower - 1, ratio.upper - 1),
        beyond=beyond,
        p_value=p_value,
        zero_by_ratio=True,
    )


def agreed(method: str, one: Evidence, other: Evidence) -> Evidence:
    """Only what two methods both know: the wider intervals and the larger p-values."""

    def wider(a: Interval, b: Interval) -> Interval:
        return Interval(min(a.lower, b.lower), max(a.upper, b.upper))

    return Evidence(
        method=method,
        absolute=wider(one.absolute, other.absolute),
        relative=None if one.relative is None or other.relative is None else wider(one.relative, other.relative),
        beyond=lambda shift: wider(one.beyond(shift), other.beyond(shift)),
        p_value=lambda shift, side: max(one.p_value(shift, side), other.p_value(shift, side)),
    )


def is_by_welch(method: str) -> bool:
    """Whether a verdict's method is Welch's t for one look, and none for few or tied values, ratios or every look."""
    return method.endswith(f", {_BY_WELCH}")


def words(levels: Levels, kind: str) -> str:
    shares = sorted({1 - e.alpha for e in (*levels.lower, *levels.upper)}, reverse=True)
    sides = "one-sided" if all(e.sides == 1 for e in (*levels.lower, *levels.upper)) else "interval"
    return f"{' and '.join(f'{100 * share:.4g}%' for share in shares)} {sides}, {kind}"


def _fixed_p(t: float, degrees: float, side: Side) -> float:
    if side == "two":
        return min(1.0, 2 * float(stdtr(degrees, -abs(t))))
    return float(stdtr(degrees, -t if side == "lower" else t))
