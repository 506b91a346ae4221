"""The verdict of one look by ranks: on the shift where there is one, else on which arm's values are larger.

Where many pairs are equal (revenue that nine of ten units do not have) the shift is 0 from end to end of its interval,
whatever happens to the others: it says nothing, and no margin in its unit can be told. Then the word is that of the
chance that a unit of the treatment lies above one of the control; likewise where that chance and the shift disagree.
"""

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from seatrial.stats.brunner_munzel import Placed, above_evidence, placed
from seatrial.stats.by_evidence import judge_by
from seatrial.stats.contrast import ZERO
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Levels
from seatrial.stats.guardrail import guardrail_levels, guardrail_word
from seatrial.stats.interval import Interval
from seatrial.stats.minimum import MINIMUM_EVENTS
from seatrial.stats.moments import Moments
from seatrial.stats.permuted import can_be_relabelled, permuted_evidence
from seatrial.stats.primary import levels_of, word_of
from seatrial.stats.ranked import ranked_evidence, ranked_shift
from seatrial.stats.sentence import sentence_of
from seatrial.stats.statement import keeps_margin, no_data, stated
from seatrial.stats.verdict import Above, Question, Role, Verdict

TIED = 0.05
"""With a larger share of equal pairs the shift is not told: a step of this share is as large as the error of an
interval's end with some 250 units an arm."""


def judge_ranks(effect: Effect, question: Question, role: Role, arms: tuple[ArrayLike, ArrayLike]) -> Verdict:
    """The verdict, once.

    Args:
        effect: The means that stand beside.
        question: What was asked before; its margin is one of the shift.
        role: ``guardrail`` asks for the margin, the others for a difference.
        arms: Values [n] of the treatment, [m] of the control, one or more each.
    """
    levels = guardrail_levels(question) if role == "guardrail" else levels_of(question)
    found = placed(*arms)
    if found.equal == 0:
        return _by_shift(effect, question, role, arms)
    known = _above(found, question, levels, arms)
    if isinstance(known, Evidence):
        shift = ranked_evidence(*arms, levels).absolute
        if found.equal <= TIED and _side(shift) == _side(known.absolute):
            return _by_shift(effect, question, role, arms)
        return _by_chance(effect, question, role, found, known)
    return no_data(effect, question, role, "fixed", known)


def _by_shift(effect: Effect, question: Question, role: Role, arms: tuple[ArrayLike, ArrayLike]) -> Verdict:
    found = judge_by(effect, question, role, lambda levels: ranked_evidence(*arms, levels))
    found = msgspec.structs.replace(found, effect=ranked_shift(*arms))
    return msgspec.structs.replace(found, sentence=sentence_of(found, question))


def _above(found: Placed, question: Question, levels: Levels, arms: tuple[ArrayLike, ArrayLike]) -> Evidence | str:
    """What is known of the chance; in words what is missing for that."""
    t, c = (np.asarray(values, dtype=np.float64).ravel() for values in arms)
    if min(t.size, c.size) < 2:
        return f"1 unit of {question.treatment if t.size <= c.size else question.control} tells nothing by ranks"
    if found.equal == 1:
        return "every unit had the same value, so nothing can be said about its spread"
    if found.others >= MINIMUM_EVENTS:
        return above_evidence(found, levels)
    both = np.concatenate([t, c])
    ordered = np.sort(both)
    ranks = (np.searchsorted(ordered, both, "left") + np.searchsorted(ordered, both, "right") + 1) / (2 * both.size)
    few = ranks[: t.size], ranks[t.size :]
    if not can_be_relabelled(*few):
        few_others = f"{found.others} of {MINIMUM_EVENTS} units of each variant have another than the most common value"
        return f"{few_others}, and there are too many units to relabel"
    of_ranks = Effect.of_means(*(Moments.from_values(arm) for arm in few))
    return permuted_evidence(*few, of_ranks, levels)


def _by_chance(effect: Effect, question: Question, role: Role, found: Placed, known: Evidence) -> Verdict:
    """A direction, or none; of a margin only that it is kept where the treatment is shown not to be worse at all."""
    ends = Interval(max(0.5 + known.absolute.lower, 0.0), min(0.5 + known.absolute.upper, 1.0))
    above = Above(value=found.above, lower=ends.lower, upper=ends.upper, equal=found.equal)
    shift_free = msgspec.structs.replace(question, margin=None)
    if role != "guardrail":
        word, p_value = word_of(known, shift_free), known.p_value(ZERO, "two")
    else:
        word = guardrail_word(known, ZERO, question)
        p_value = known.p_value(ZERO, "lower" if question.want == "higher" else "upper")
        if word != "non-inferior" and question.margin is not None and question.margin.size > 0:
            return no_data(effect, question, role, "fixed", _no_margin(above, question))
    verdict = stated(effect, question, known, role=role, word=word, p_value=p_value)
    verdict = msgspec.structs.replace(verdict, effect=None, lower=None, upper=None, relative_effect=None, above=above)
    not_worse = None if role == "guardrail" else keeps_margin(known, shift_free)
    verdict = msgspec.structs.replace(verdict, relative_lower=None, relative_upper=None, not_worse=not_worse)
    return msgspec.structs.replace(verdict, sentence=sentence_of(verdict, question))


def _no_margin(above: Above, question: Question) -> str:
    told = above.told(question.treatment, question.control)
    return f"{told}: ranks tell no shift of such values, nor whether it keeps a margin; compare means, or set it to 0"


def _side(interval: Interval) -> int:
    return int(interval.lower > 0) - int(interval.upper < 0)
