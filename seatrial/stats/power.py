"""How many units a question needs, for one look at a planned end and for the sequence that may be looked at any time.

The sequence's number is where the expected effect is its half-width plus the usual allowance for power away: with
that many units it has spoken with at least the stated chance (it may speak earlier). Counted in units of both arms.

References:
    Lachin (1981), Introduction to sample size determination and power analysis for clinical trials,
    Controlled Clinical Trials 2(2).
"""

import math
from typing import NamedTuple

from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import check_alpha
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS
from seatrial.stats.sequence import PLAN_UNITS, multiplier

MOST_UNITS = 10**13
"""Where the search ends: nobody has as many."""


class Plan(NamedTuple):
    """Units of both arms together: for one look at the end, and for looking at any time."""

    fixed: int
    always_valid: int


class Design(NamedTuple):
    """How a question is asked.

    Attributes:
        share: The treatment's share of the units, between 0 and 1.
        alpha: Chance of a false claim.
        power: Chance of a claim when the effect is as stated.
        sides: 2 for a primary metric, 1 for a guardrail.
        plan_units: Units of both arms at which the sequence is narrowest.
    """

    share: float = 0.5
    alpha: float = 0.05
    power: float = 0.8
    sides: int = 2
    plan_units: float = PLAN_UNITS

    def checked(self) -> "Design":
        """Itself; raises BadInput for shares outside 0 to 1."""
        for name, value in (("share", self.share), ("power", self.power)):
            if not 0 < value < 1:
                raise BadInput(f"{name} {value!r} must lie between 0 and 1")
        check_alpha(self.alpha)
        return self


DEFAULT = Design()


def plan_means(difference: float, sd: float, design: Design = DEFAULT) -> Plan:
    """Units to see a difference of means, with the same standard deviation ``sd`` in both arms."""
    if not sd > 0:
        raise BadInput(f"standard deviation {sd!r} must be above 0")
    share = design.checked().share
    return _plan(difference, sd * sd / (share * (1 - share)), design, MINIMUM_UNITS / min(share, 1 - share))


def plan_proportions(control: float, treatment: float, design: Design = DEFAULT) -> Plan:
    """Units to see the share ``treatment`` where the control has the share ``control``, each between 0 and 1.

    For rare events (below ten in an arm) the exact sequence often speaks earlier than this says.
    """
    for value in (control, treatment):
        if not 0 < value < 1:
            raise BadInput(f"share {value!r} must lie between 0 and 1; a share of 0 or 1 is never shown to differ")
    share = design.checked().share
    v_t, v_c = treatment * (1 - treatment), control * (1 - control)
    pooled = (share * v_t + (1 - share) * v_c) / (share * (1 - share))
    variance = max(v_t / share + v_c / (1 - share), pooled)
    rarest = min(share * min(treatment, 1 - treatment), (1 - share) * min(control, 1 - control))
    least = max(MINIMUM_UNITS / min(share, 1 - share), MINIMUM_EVENTS / rarest)
    return _plan(treatment - control, variance, design, least)


def _plan(difference: float, variance: float, design: Design, least: float) -> Plan:
    """``variance`` is the effect's times the units of both arms; ``least`` the minimum before any verdict."""
    if difference == 0:
        raise BadInput("a difference of 0 needs infinitely many units; say which effect matters")
    allowance = float(ndtri(design.power))
    z = float(ndtri(1 - design.alpha / design.sides)) + allowance
    fixed = z * z * variance / difference**2
    return Plan(math.ceil(fixed), math.ceil(max(_sequence(abs(difference), variance, design, allowance), least)))


def _sequence(difference: float, variance: float, design: Design, allowance: float) -> float:
    def short(n: float) -> bool:
        half = multiplier(n, design.alpha, design.plan_units, "two" if design.sides == 2 else "lower")
        return difference * math.sqrt(n / variance) < half + allowance

    low, high = 1.0, 2.0
    while short(high):
        low, high = high, 2 * high
        if high > MOST_UNITS:
            raise BadInput(f"a difference of {difference:g} needs more than {MOST_UNITS:g} units; ask for a larger one")
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (middle, high) if short(middle) else (low, middle)
    return high
