"""Whether two arms differ in something that cannot depend on the variant; may be asked at every look."""

import math

from seatrial.stats.effect import Effect
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.sequence import confidence_sequence


def enough(effect: Effect) -> bool:
    """Whether there are units enough for a sequence to speak, and something is known of the difference."""
    return min(effect.n_treatment, effect.n_control) >= MINIMUM_UNITS and math.isfinite(effect.effect)


def differs(effect: Effect, alpha: float, plan_units: float) -> bool:
    """Whether the sequence of a difference excludes 0 at ``alpha``; False below the minimum of units."""
    if not enough(effect):
        return False
    if not effect.se > 0:  # every unit of an arm has the same value
        return effect.effect != 0
    return not confidence_sequence(effect.effect, effect.se, effect.n, alpha, plan_units).contains(0.0)
