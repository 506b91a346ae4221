"""The verdict on a guardrail: its line is the margin, not 0."""

from collections.abc import Sequence

from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Level, Levels, Method, gather
from seatrial.stats.statement import no_data, stated
from seatrial.stats.verdict import Question, Verdict, Word


def judge_guardrail(
    effect: Effect,
    question: Question,
    *,
    counts: Sequence[PhaseCounts] = (),
    method: Method = "always-valid",
) -> Verdict:
    """Non-inferior: the interval lies wholly on the good side of the margin; worse: wholly beyond it.

    The good claim is one-sided at ``question.alpha``, the bad one at ``question.alpha_worse`` (default: alpha too).
    Arguments as in ``judge_primary``; a missing margin is a margin of 0.
    """
    evidence = gather(effect, counts, guardrail_levels(question), question, method)
    if isinstance(evidence, str):
        return no_data(effect, question, "guardrail", method, evidence)
    line = guardrail_line(question)
    return stated(
        effect,
        question,
        evidence,
        role="guardrail",
        word=guardrail_word(evidence, line, question),
        p_value=evidence.p_value(line, "lower" if question.want == "higher" else "upper"),
    )


def rollback_alpha(alpha_rollback: float, others: int) -> float:
    """Each sequence's part of a release's rollback budget: the primary's ``worse`` side and the others share it.

    Args:
        alpha_rollback: Chance that an identical version is ever taken back.
        others: Guardrails, and the paired accuracy of a shadow where there is one.
    """
    return alpha_rollback / (others + 1)


def guardrail_levels(question: Question) -> Levels:
    """One-sided budgets: the good end's, and the end that says ``worse``."""
    good = (Level(question.alpha, 1),)
    bad = (Level(question.alpha if question.alpha_worse is None else question.alpha_worse, 1),)
    return Levels(good, bad) if question.want == "higher" else Levels(bad, good)


def guardrail_line(question: Question) -> Margin:
    """The margin as a signed difference: how far on the bad side is accepted."""
    margin = ZERO if question.margin is None else question.margin
    return margin.flipped() if question.want == "higher" else margin


def guardrail_word(evidence: Evidence, line: Margin, question: Question) -> Word:
    """On which side of the line the whole interval lies, if it does."""
    bounds = evidence.beyond(line)
    above, below = bounds.lower > 0, bounds.upper < 0
    if not above and not below:
        return "inconclusive"
    return "non-inferior" if above == (question.want == "higher") else "worse"
