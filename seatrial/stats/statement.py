"""From evidence and a word to the whole verdict."""

from typing import Literal

import msgspec

from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Method
from seatrial.stats.interval import finite
from seatrial.stats.sentence import sentence_of
from seatrial.stats.verdict import Question, Role, Verdict, Word, known


def stated(
    effect: Effect,
    question: Question,
    evidence: Evidence,
    *,
    role: Role,
    word: Word,
    p_value: float,
    smaller: bool = False,
) -> Verdict:
    """The verdict with all its numbers and its sentence."""
    relative = evidence.relative
    verdict = Verdict(
        metric=question.metric,
        role=role,
        word=word,
        want=question.want,
        method=evidence.method,
        alpha=question.alpha,
        alpha_worse=question.alpha_worse,
        n_treatment=effect.n_treatment,
        n_control=effect.n_control,
        treatment_mean=finite(effect.treatment_mean),
        control_mean=finite(effect.control_mean),
        effect=finite(effect.effect),
        lower=finite(evidence.absolute.lower),
        upper=finite(evidence.absolute.upper),
        relative_effect=None if relative is None else known(effect.relative),
        relative_lower=None if relative is None else finite(relative.lower),
        relative_upper=None if relative is None else finite(relative.upper),
        margin_scale=None if question.margin is None else _scale(question.margin, evidence),
        margin=None if question.margin is None else question.margin.size,
        p_value=finite(p_value),
        smaller_than_cared=smaller,
        not_worse=None if role == "guardrail" else keeps_margin(evidence, question),
    )
    return msgspec.structs.replace(verdict, sentence=sentence_of(verdict, question))


def keeps_margin(evidence: Evidence, question: Question) -> bool:
    """Whether the whole interval lies on the good side of the smallest effect cared about, or of 0 without one."""
    margin = question.margin or ZERO
    if question.want == "higher":
        return evidence.beyond(margin.flipped()).lower > 0
    return evidence.beyond(margin).upper < 0


def _scale(margin: Margin, evidence: Evidence) -> Literal["relative", "absolute"]:
    """The margin's, but 0 is 0 on either: then that of the interval which the word rests on."""
    return "relative" if margin.size == 0 and evidence.zero_by_ratio else margin.scale


def no_data(effect: Effect, question: Question, role: Role, method: Method, reason: str) -> Verdict:
    """The verdict below the minimum: what was counted, and what is missing."""
    verdict = Verdict(
        metric=question.metric,
        role=role,
        word="no-data",
        want=question.want,
        method=method,
        alpha=question.alpha,
        alpha_worse=question.alpha_worse,
        n_treatment=effect.n_treatment,
        n_control=effect.n_control,
        treatment_mean=finite(effect.treatment_mean) if effect.n_treatment else None,
        control_mean=finite(effect.control_mean) if effect.n_control else None,
        effect=finite(effect.effect) if effect.n_treatment and effect.n_control else None,
        margin_scale=None if question.margin is None else question.margin.scale,
        margin=None if question.margin is None else question.margin.size,
        reason=reason,
    )
    return msgspec.structs.replace(verdict, sentence=sentence_of(verdict, question))
