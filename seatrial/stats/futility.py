"""Whether going on to the end of a group-sequential plan is still likely to show the effect it was planned for.

Advice only: the bounds of efficacy are computed as if nobody stopped for futility, so alpha holds whether one does or
not, and stopping costs power alone.

References:
    Pampallona, Tsiatis, Kim (2001), Interim monitoring of group sequential trials using spending functions for the
    type I and type II error probabilities, Drug Information Journal 35(4).
"""

import math
from collections.abc import Sequence

from seatrial.stats.effect import Effect
from seatrial.stats.group_bounds import futility_bounds, planned_drift, spending_bounds
from seatrial.stats.spending import Spending
from seatrial.stats.verdict import Question

BETA = 0.2
"""Chance of missing the planned effect that futility may spend."""


def is_futile(
    effect: Effect, shares: Sequence[float], look: int, question: Question, spending: Spending = Spending()
) -> bool:
    """Whether the Z at a look lies below its futility bound.

    False where no smallest effect is asked for, where nothing is known of the spread, at the last look, and where the
    plan has too few units to show that effect with a chance of 1 - ``BETA``: its bounds would say nothing.

    Args:
        effect: Over all units of the look.
        shares: Information at every look of the plan as shares of it, rising; those to come as planned.
        look: Which of them this is, from 1.
        question: Its margin is the planned effect, on the side that is wanted; its alpha is two-sided.
        spending: How alpha, and beta, are spent.
    """
    planned = _planned(effect, question)
    if not planned > 0 or not effect.se > 0 or look >= len(shares):
        return False
    drift = planned / (effect.se * math.sqrt(shares[look - 1]))
    bounds = spending_bounds(shares, question.alpha / 2, spending, sides=1, final=True)
    if drift < planned_drift(shares, bounds, 1 - BETA):
        return False
    z = effect.effect / effect.se * (1 if question.want == "higher" else -1)
    return z < futility_bounds(shares, bounds, drift, BETA, spending)[look - 1]


def _planned(effect: Effect, question: Question) -> float:
    if question.margin is None:
        return 0.0
    scale = abs(effect.control_mean) if question.margin.scale == "relative" else 1.0
    return question.margin.size * scale
