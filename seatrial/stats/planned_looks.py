"""Verdicts at a few planned looks: the same words as at every look, from group-sequential bounds.

At each look the interval is the repeated one, as many standard errors wide as that look's bound, and what an earlier
look excluded stays excluded. The decision stands at the first look that shows anything; looks after it bring only the
overrun. The estimate after stopping is median-unbiased.

References:
    Jennison, Turnbull (1989), Interim analyses: the repeated confidence interval approach, JRSS B 51(3).
    Lan, DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70(3).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import ZERO, Margin, relative_interval, shifted_bounds
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Levels
from seatrial.stats.group_bounds import spending_bounds
from seatrial.stats.group_sequential import GroupPlan, GroupResult, Look, group_sequential
from seatrial.stats.guardrail import guardrail_levels, guardrail_line, guardrail_word
from seatrial.stats.interval import Interval
from seatrial.stats.minimum import what_is_missing
from seatrial.stats.primary import is_inside, levels_of, word_of
from seatrial.stats.spending import Spending
from seatrial.stats.statement import no_data, stated
from seatrial.stats.verdict import Question, Role, Verdict


class Stage(NamedTuple):
    """One planned look: matured units over planned units then, and the effect over all units so far."""

    share: float
    effect: Effect


class LooksVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What planned looks say.

    Attributes:
        verdict: The answer; its effect is median-unbiased once it has stopped (a guardrail's is the plain one).
        stopped_at: The number of the look (from 1) that decided, or of the last one; None while it goes on.
        result: The plain group-sequential result against 0, with its stage-wise interval; None below the minimum.
        overrun: The plain effect at the latest look, where looks came after the one that decided.
    """

    verdict: Verdict
    stopped_at: int | None
    result: GroupResult | None
    overrun: float | None


class _Reach(NamedTuple):
    """The bounds at each look for the lower and the upper end, in standard errors."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]


def judge_looks(
    stages: Sequence[Stage],
    question: Question,
    *,
    role: Role = "primary",
    spending: Spending = Spending(),
    final: bool = False,
) -> LooksVerdict:
    """The verdict after the planned looks so far.

    Args:
        stages: In order, shares rising; a look that was not planned must not be among them.
        question: What was asked before the first look.
        role: ``primary``, ``secondary`` or ``guardrail``.
        spending: How alpha is spent over the plan.
        final: The last of these looks is the last there will be.

    Raises:
        BadInput: No stage, or shares that do not rise.
    """
    if not stages:
        raise BadInput("no look has been taken yet; judge at the first planned one")
    missing = what_is_missing(stages[-1].effect, question.treatment, question.control)
    if missing is not None:
        verdict = no_data(stages[-1].effect, question, role, "group-sequential", missing)
        return LooksVerdict(verdict=verdict, stopped_at=None, result=None, overrun=None)
    used = [s for s in stages if what_is_missing(s.effect) is None]
    levels = guardrail_levels(question) if role == "guardrail" else levels_of(question)
    reach = _reach(used, levels, spending, final)
    line = guardrail_line(question) if role == "guardrail" else ZERO
    decided = _first(used, reach, line)
    at = len(used) if decided is None else decided
    over = decided is not None or final
    result = group_sequential(
        [Look(s.share, s.effect.effect, s.effect.se) for s in used[:at]],
        GroupPlan(question.alpha, spending),
        final=over,
    )
    evidence = _evidence(used[:at], reach, question, result)
    # A guardrail stops at its margin and not at 0, so the estimate that knows the stopping at 0 is not its own.
    verdict = _stated(used[at - 1].effect, evidence, question, role, line, result if role != "guardrail" else None)
    return LooksVerdict(
        verdict=verdict,
        stopped_at=len(stages) - len(used) + at if over else None,
        result=result,
        overrun=used[-1].effect.effect if at < len(used) else None,
    )


def _reach(stages: Sequence[Stage], levels: Levels, spending: Spending, final: bool) -> _Reach:
    shares = [stage.share for stage in stages]

    def of(alpha: float) -> tuple[float, ...]:
        return tuple(b.upper for b in spending_bounds(shares, alpha, spending, sides=1, final=final))

    low, high = (min(level.one_sided for level in end) for end in levels)
    return _Reach(of(low), of(low) if high == low else of(high))


def _beyond(stages: Sequence[Stage], reach: _Reach, shift: Margin) -> Interval:
    """The interval of effect - shift that all looks so far leave."""
    found = [shifted_bounds(s.effect, shift, a, b) for s, a, b in zip(stages, *_cut(reach, len(stages)), strict=True)]
    return Interval(max(i.lower for i in found), min(i.upper for i in found))


def _cut(reach: _Reach, n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return reach.lower[:n], reach.upper[:n]


def _first(stages: Sequence[Stage], reach: _Reach, line: Margin) -> int | None:
    """The number of the first look that excludes the line on either side."""
    for k in range(1, len(stages) + 1):
        left = _beyond(stages[:k], reach, line)
        if left.lower > 0 or left.upper < 0:
            return k
    return None


def _evidence(stages: Sequence[Stage], reach: _Reach, question: Question, result: GroupResult) -> Evidence:
    relative: list[Interval | None] = [
        relative_interval(s.effect, a, b) if math.isfinite(a) and math.isfinite(b) else None
        for s, a, b in zip(stages, *_cut(reach, len(stages)), strict=True)
    ]
    known = [interval for interval in relative if interval is not None]
    looks = "1 planned look" if len(stages) == 1 else f"{len(stages)} planned looks"
    return Evidence(
        method=f"{100 * (1 - question.alpha):.4g}% interval at {looks}",
        absolute=_beyond(stages, reach, ZERO),
        relative=Interval(max(i.lower for i in known), min(i.upper for i in known))
        if relative[-1] is not None
        else None,
        beyond=lambda shift: _beyond(stages, reach, shift),
        p_value=lambda shift, side: (
            result.p_value if result.p_value is not None and shift.size == 0 and side == "two" else math.nan
        ),
    )


def _stated(
    effect: Effect, evidence: Evidence, question: Question, role: Role, line: Margin, result: GroupResult | None
) -> Verdict:
    word = guardrail_word(evidence, line, question) if role == "guardrail" else word_of(evidence, question)
    if result is not None and result.stopped_at is not None:
        effect = msgspec.structs.replace(effect, treatment_mean=effect.control_mean + result.effect)
    return stated(
        effect,
        question,
        evidence,
        role=role,
        word=word,
        p_value=evidence.p_value(line, "two"),
        smaller=word in ("better", "worse") and role != "guardrail" and is_inside(evidence, question),
    )
