"""The verdict of one look at a planned end, by the method that fits what there is; the verdict says which.

From the minimum on (100 units an arm, ten events of each kind, ten units that carry a mean or ratio) intervals are
Welch's, in the larger of the unpooled and the pooled standard error. Below it shares are judged exactly and means by
permutation, so that a small test is no test without an answer. By ranks where the metric says so; quantiles by order
statistics; ratios whose denominators are uncertain by Fieller's.
"""

from collections.abc import Callable, Sequence

import msgspec
from numpy.typing import ArrayLike

from seatrial.stats.by_evidence import judge_by
from seatrial.stats.by_ranks import judge_ranks
from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect
from seatrial.stats.guardrail import judge_guardrail
from seatrial.stats.minimum import MINIMUM_UNITS, is_spread, what_is_missing, what_is_missing_once
from seatrial.stats.permuted import can_be_relabelled, permuted_evidence
from seatrial.stats.primary import judge_primary
from seatrial.stats.quantile_difference import Arms, quantile_evidence
from seatrial.stats.relabelling import DRAWN
from seatrial.stats.statement import no_data
from seatrial.stats.uncertain_ratio import Ratios, fieller_evidence, is_uncertain
from seatrial.stats.unconditional import Table, unconditional_evidence
from seatrial.stats.verdict import Question, Role, Verdict

Values = Callable[[], tuple[ArrayLike, ArrayLike]]
"""Reads both arms' values, one a unit: treatment [n], control [m]."""


def judge_at_once(
    effect: Effect,
    question: Question,
    role: Role,
    *,
    table: Table | None = None,
    values: Values | None = None,
    ratios: Sequence[Ratios] = (),
    drawn: int = DRAWN,
) -> Verdict:
    """The verdict on one effect, once.

    Args:
        effect: Of one phase, or several combined; where it is small it must not be adjusted for covariates.
        question: What was asked before.
        role: ``guardrail`` asks for the margin, the others for a difference.
        table: Of a share of one phase, the counts.
        values: Of a mean of one phase, how to read its units.
        ratios: Of a ratio both arms of each phase; where their denominators are uncertain it must not be adjusted.
        drawn: Relabellings of a small mean, where not all are counted.
    """
    small = what_is_missing(effect, question.treatment, question.control) is not None
    fewest = min(effect.n_treatment, effect.n_control)
    if small and table is not None and fewest:
        counts = table
        return judge_by(effect, question, role, lambda levels: unconditional_evidence(counts, levels))
    if values is not None and fewest > 1 and effect.se > 0:
        missing = what_is_missing_once(effect, question.treatment, question.control)
        if missing is not None:
            arms = values()
            if not small and is_spread(*arms):
                effect = msgspec.structs.replace(effect, carriers=None)
            elif not can_be_relabelled(*arms):
                return no_data(effect, question, role, "fixed", f"{missing}, and it has too many units to relabel")
            else:
                return judge_by(effect, question, role, lambda at: permuted_evidence(*arms, effect, at, drawn=drawn))
    if what_is_missing_once(effect) is None and is_uncertain(ratios):
        return judge_by(effect, question, role, lambda at: fieller_evidence(ratios, degrees_of(effect), at))
    if role == "guardrail":
        return judge_guardrail(effect, question, method="fixed")
    return judge_primary(effect, question, method="fixed", role=role)


def judge_by_ranks(effect: Effect, question: Question, role: Role, values: Values) -> Verdict:
    """The verdict by ranks, once; the means of both arms stand beside.

    Arguments as in ``judge_at_once``.
    """
    if not min(effect.n_treatment, effect.n_control):
        return no_data(effect, question, role, "fixed", "one arm has no matured units")
    return judge_ranks(effect, question, role, values())


def judge_quantile_at_once(effect: Effect, question: Question, role: Role, phases: Sequence[Arms], q: float) -> Verdict:
    """The verdict on a difference of ``q`` quantiles, once; ``phases`` are the arms of each."""
    fewest = min(effect.n_treatment, effect.n_control)
    if fewest < MINIMUM_UNITS:
        arm = question.treatment if effect.n_treatment <= effect.n_control else question.control
        return no_data(effect, question, role, "fixed", f"{fewest} of {MINIMUM_UNITS} matured units of {arm}")
    return judge_by(effect, question, role, lambda levels: quantile_evidence(phases, q, levels, "fixed"))
