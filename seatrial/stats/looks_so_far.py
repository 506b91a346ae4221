"""A plan of a few looks, as far as it has come: which looks have been taken, and what they say together.

What a look saw is found again as long as the first so many units are always the same ones; between two looks the last
one speaks. Where it is over before its planned end, one look more is taken at all there is, with all of alpha that is
left. So few units after a planned look that nothing lies between the two make it the same look: it takes that one's
place, unless that one has decided.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from seatrial.stats.effect import Effect
from seatrial.stats.futility import is_futile
from seatrial.stats.group_walk import CLOSEST
from seatrial.stats.planned_looks import LooksVerdict, Stage, judge_looks
from seatrial.stats.sentence import sentence_of
from seatrial.stats.spending import Spending
from seatrial.stats.verdict import Overrun, Question, Role, Verdict


class LookPlan(NamedTuple):
    """Looks at equal parts of the planned units.

    Attributes:
        units: Matured units of both arms at the end.
        looks: How many, the last at the end.
        spending: How alpha is spent over them.
    """

    units: int
    looks: int
    spending: Spending = Spending()

    @property
    def ends(self) -> tuple[int, ...]:
        """Units at each look."""
        return tuple(math.ceil(self.units * look / self.looks) for look in range(1, self.looks + 1))


class _Taken(NamedTuple):
    """Units at each look so far, and whether the last one came before its time."""

    ends: Sequence[int]
    cut: bool


def judge_so_far(
    plan: LookPlan,
    n: int,
    effect_at: Callable[[int], Effect],
    question: Question,
    role: Role,
    *,
    over: bool,
    last: str = "the last before its time",
) -> Verdict | None:
    """The verdict of the looks that have been taken; None before the first.

    Args:
        plan: The looks.
        n: Matured units of both arms.
        effect_at: The effect of the first so many of them.
        question: What was asked before the first look.
        role: ``primary``, ``secondary`` or ``guardrail``.
        over: Whether no more units come.
        last: What a look that is over too soon is called.
    """

    def stages(ends: Sequence[int]) -> list[Stage]:
        return [Stage(end / plan.units, effect_at(end)) for end in ends]

    def decides(ends: Sequence[int]) -> bool:
        found = judge_looks(stages(ends), question, role=role, spending=plan.spending)
        return found.stopped_at is not None

    taken = _taken(plan, n, over=over, decides=decides)
    if not taken.ends:
        return None
    final = taken.cut or len(taken.ends) == plan.looks
    seen = stages(taken.ends)
    found = judge_looks(seen, question, role=role, spending=plan.spending, final=final)
    verdict = found.verdict
    if verdict.word == "no-data":
        return verdict
    shares = [end / plan.units for end in plan.ends]
    futile = verdict.word == "inconclusive" and not final
    futile = futile and is_futile(seen[-1].effect, shares, len(seen), question, plan.spending)
    method = f"{verdict.method} of {plan.looks} ({plan.spending.form}){f', {last}' if taken.cut else ''}"
    verdict = msgspec.structs.replace(verdict, method=method, futile=futile, overrun=_overrun(found, seen))
    return msgspec.structs.replace(verdict, sentence=sentence_of(verdict, question))


def _overrun(found: LooksVerdict, seen: Sequence[Stage]) -> Overrun | None:
    if found.overrun is None or found.stopped_at is None:
        return None
    return Overrun(decided_at=found.stopped_at, units=seen[-1].effect.n, effect=found.overrun)


def _taken(plan: LookPlan, n: int, *, over: bool, decides: Callable[[Sequence[int]], bool]) -> _Taken:
    ends = [end for end in plan.ends if end <= n]
    cut = over and len(ends) < plan.looks
    if not cut or n <= (ends[-1] if ends else 0) or n / plan.units < CLOSEST:
        return _Taken(ends, cut)
    if not ends or (n - ends[-1]) / plan.units >= CLOSEST:
        return _Taken([*ends, n], cut)
    return _Taken(ends, False) if decides(ends) else _Taken([*ends[:-1], n], cut)
