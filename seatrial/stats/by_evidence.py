"""A verdict from evidence that no standard error tells: betting, order statistics."""

from collections.abc import Callable

from seatrial.stats.contrast import ZERO
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Levels
from seatrial.stats.guardrail import guardrail_levels, guardrail_line, guardrail_word
from seatrial.stats.primary import is_inside, levels_of, word_of
from seatrial.stats.statement import stated
from seatrial.stats.verdict import Question, Role, Verdict


def judge_by(effect: Effect, question: Question, role: Role, evidence_at: Callable[[Levels], Evidence]) -> Verdict:
    """The verdict on an effect.

    Args:
        effect: The means, or quantiles, that are shown.
        question: What was asked before the first look.
        role: ``guardrail`` asks for the margin, the others for a difference.
        evidence_at: What is known, with the error budgets of both ends.
    """
    if role == "guardrail":
        evidence, line = evidence_at(guardrail_levels(question)), guardrail_line(question)
        word = guardrail_word(evidence, line, question)
        p_value = evidence.p_value(line, "lower" if question.want == "higher" else "upper")
        return stated(effect, question, evidence, role=role, word=word, p_value=p_value)
    evidence = evidence_at(levels_of(question))
    word = word_of(evidence, question)
    smaller = word in ("better", "worse") and is_inside(evidence, question)
    p_value = evidence.p_value(ZERO, "two")
    return stated(effect, question, evidence, role=role, word=word, p_value=p_value, smaller=smaller)
