"""The verdict on a metric that decides: better, worse, equivalent, or not yet."""

from collections.abc import Sequence

from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.contrast import ZERO
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Level, Levels, Method, gather
from seatrial.stats.statement import no_data, stated
from seatrial.stats.verdict import Question, Role, Verdict, Word


def judge_primary(
    effect: Effect,
    question: Question,
    *,
    counts: Sequence[PhaseCounts] = (),
    method: Method = "always-valid",
    role: Role = "primary",
) -> Verdict:
    """The verdict on an effect of one phase or several combined.

    Args:
        effect: From ``Effect.of_means``, ``Effect.of_ratios`` or ``combine_phases(...).effect``.
        question: What was asked before the first look; ``margin`` is the smallest effect cared about.
        counts: For two-valued metrics the events of each phase: the exact sequence then speaks below the minimum.
        method: ``always-valid``; ``exact`` for rare failures (needs ``counts``); ``fixed`` for one look at the end.
        role: ``primary`` or ``secondary``.
    """
    evidence = gather(effect, counts, levels_of(question), question, method)
    if isinstance(evidence, str):
        return no_data(effect, question, role, method, evidence)
    word = word_of(evidence, question)
    return stated(
        effect,
        question,
        evidence,
        role=role,
        word=word,
        p_value=evidence.p_value(ZERO, "two"),
        smaller=word in ("better", "worse") and is_inside(evidence, question),
    )


def levels_of(question: Question) -> Levels:
    """Both ends at alpha together; the end that says ``worse`` at ``alpha_worse`` too, where that is stricter."""
    both = Level(question.alpha, 2)
    worse = (both,) if question.alpha_worse is None else (both, Level(question.alpha_worse, 1))
    return Levels((both,), worse) if question.want == "higher" else Levels(worse, (both,))


def word_of(evidence: Evidence, question: Question) -> Word:
    """What the evidence shows: a direction before equivalence, else nothing yet."""
    bounds = evidence.beyond(ZERO)
    above, below = bounds.lower > 0, bounds.upper < 0
    if above or below:
        return "better" if above == (question.want == "higher") else "worse"
    return "equivalent" if is_inside(evidence, question) else "inconclusive"


def is_inside(evidence: Evidence, question: Question) -> bool:
    """Whether the whole interval lies within the smallest effect cared about."""
    if question.margin is None or question.margin.size <= 0:
        return False
    return evidence.beyond(question.margin).upper < 0 and evidence.beyond(question.margin.flipped()).lower > 0
