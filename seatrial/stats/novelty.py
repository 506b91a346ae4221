"""Does the effect wear off, or grow? What units did early in their window against what they did late, in both arms.

An effect that is the same share of the control's mean throughout leaves the ratio of the arms' means as it is, whether
outcomes come early or late:

    change = ln(treatment late / control late) - ln(treatment early / control early)

with its standard error by the delta method at the unit, for early and late of one unit go together.

References:
    Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 3: primacy and novelty effects.
    Deng, Knoblich, Lu (2018), Applying the delta method in metric analytics, KDD.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from seatrial.stats.effect import Effect
from seatrial.stats.minimum import MINIMUM_EVENTS
from seatrial.stats.moments import Moments, PairMoments


class Novelty(NamedTuple):
    """How the effect changed from early to late.

    Attributes:
        early, late: The effect in each, relative to the control.
        change: Of the log of the arms' ratio; below 0 it wore off where it was good.
        se: Of the change.
        p_value: Two-sided, against no change; for one look.
    """

    early: float
    late: float
    change: float
    se: float
    p_value: float


def novelty(treatment: PairMoments, control: PairMoments) -> Novelty | None:
    """From each arm's totals by unit, x early and y late; None where a part has too few events or no positive mean."""
    change = change_of(treatment, control)
    if change is None:
        return None
    early, late = treatment.mean_x / control.mean_x, treatment.mean_y / control.mean_y
    se = change.se_unpooled
    return Novelty(early - 1, late - 1, change.effect, se, 2 * float(ndtr(-abs(change.effect) / se)))


def change_of(treatment: PairMoments, control: PairMoments) -> Effect | None:
    """The change as an effect, to be combined over phases and looked at any time: arms' means are ln(late / early).

    Its pooled variance takes both arms' units to spread alike about their arm's own course, which a small arm whose few
    events happen to lie close together would not show. None as of :func:`novelty`.
    """
    for arm in (treatment, control):
        if min(arm.x.effective_events, arm.y.effective_events) < MINIMUM_EVENTS or min(arm.mean_x, arm.mean_y) <= 0:
            return None
    change = Effect.of_means(_course(treatment), _course(control))
    return change if change.se_unpooled > 0 else None


def course_of(arm: PairMoments, early: NDArray[np.float64], late: NDArray[np.float64]) -> NDArray[np.float64]:
    """A number a unit [n] whose mean is the arm's ln(mean late) - ln(mean early), and whose spread is its error's."""
    return math.log(arm.mean_y / arm.mean_x) + late / arm.mean_y - early / arm.mean_x


def _course(arm: PairMoments) -> Moments:
    """ln(mean late) - ln(mean early), and how units spread about it, by the delta method."""
    spread = arm.combination(-1 / arm.mean_x, 1 / arm.mean_y)
    return Moments(arm.n, math.log(arm.mean_y / arm.mean_x), spread.m2)
