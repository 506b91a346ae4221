"""How many units a question needs: for one look at a planned end, for a few planned looks, and for the sequence that
may be looked at any time; and the inverse, which effect so many units can show.

The sequence's number is where the expected effect is its half-width plus the usual allowance for power away: with
that many units it has spoken with at least the stated chance (it may speak earlier). Counted in units of all arms.

No plan has fewer units than the judge asks for before it says anything: 100 an arm, which one look at means does not
need (``few_power``). There it does not adjust for covariates either.

References:
    Lachin (1981), Introduction to sample size determination and power analysis for clinical trials,
    Controlled Clinical Trials 2(2).
    Schultzberg, Ankargren, Frånberg (2024), Risk-aware product decisions in A/B tests with multiple metrics,
    arXiv:2402.11609 (power, not alpha, is divided over guardrails).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.cuped import EXPLAINS_ALL
from seatrial.stats.few_power import distance_of_few, units_of_few
from seatrial.stats.group_bounds import Sides, inflation, spending_bounds
from seatrial.stats.interval import Side, check_alpha
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS
from seatrial.stats.moments import PairMoments
from seatrial.stats.ratio import linearise
from seatrial.stats.sequence import PLAN_UNITS, multiplier
from seatrial.stats.spending import Spending

MOST_UNITS = 10**13
"""Where the search ends: nobody has as many."""


class Plan(NamedTuple):
    """Units of all arms together: for one look at the end, and for looking at any time."""

    fixed: int
    always_valid: int


class Detectable(NamedTuple):
    """The smallest effect, in the metric's unit, that is shown with the stated power: at one look, and at any time.

    Infinite for ``always_valid`` below the minimum of units.
    """

    fixed: float
    always_valid: float


class Design(NamedTuple):
    """How a question is asked.

    Attributes:
        share: Each treatment's share of the units of all arms, above 0; the control has what is left.
        alpha: Chance of a false claim; of several treatments each gets its part (as Holm's first step).
        power: Chance of a claim when the effect is as stated.
        sides: 2 for a primary metric, 1 for a guardrail.
        plan_units: Units of the two arms compared at which the sequence is narrowest.
        treatments: How many are compared with the control.
        correlation: Of the metric with its covariates within an arm (the root of R²): CUPED takes that off.
    """

    share: float = 0.5
    alpha: float = 0.05
    power: float = 0.8
    sides: int = 2
    plan_units: float = PLAN_UNITS
    treatments: int = 1
    correlation: float = 0.0

    def checked(self) -> "Design":
        """Itself; raises BadInput for shares outside 0 to 1, or that leave the control nothing."""
        for name, value in (("share", self.share), ("power", self.power)):
            if not 0 < value < 1:
                raise BadInput(f"{name} {value!r} must lie between 0 and 1")
        if self.treatments < 1 or not self.control > 0:
            raise BadInput(f"{self.treatments} treatments of {self.share:g} each leave the control no units")
        if not -1 < self.correlation < 1:
            raise BadInput(f"correlation {self.correlation!r} with the covariate must lie between -1 and 1")
        if self.left < EXPLAINS_ALL:
            raise BadInput(
                f"a covariate with the correlation {self.correlation!r} explains all of the metric, which no "
                "value from before the exposure does; give that of one"
            )
        check_alpha(self.alpha)
        return self

    @property
    def control(self) -> float:
        """The control's share of the units."""
        return 1 - self.treatments * self.share

    @property
    def compared(self) -> float:
        """The share of all units that are in the two arms compared."""
        return self.share + self.control

    @property
    def each(self) -> float:
        """The alpha of each comparison with the control; guardrails share none."""
        return self.alpha / self.treatments if self.sides == 2 else self.alpha

    @property
    def left(self) -> float:
        """The share of the variance that covariates do not explain."""
        return 1 - self.correlation**2


DEFAULT = Design()


def plan_means(difference: float, sd: float, design: Design = DEFAULT, *, few: bool = True) -> Plan:
    """Units to see a difference of means, with the same standard deviation ``sd`` in both arms.

    ``few``: one look tells fewer than 100 units an arm by relabelling, as it does means of units in one phase.
    """
    variance, least = _of_means(sd, design.checked())
    plan = _plan(difference, variance, least, design)
    if plan.fixed >= least:
        return plan
    if not few:
        return plan._replace(fixed=math.ceil(least))
    unadjusted, _ = _of_means(sd, design._replace(correlation=0.0))
    between = _fixed(difference, unadjusted, design), least
    shares = design.share, design.control
    fixed = units_of_few(abs(difference) / sd, shares, design.each, design.power, design.sides, between)
    return plan._replace(fixed=min(fixed, math.ceil(least)))


def plan_proportions(control: float, treatment: float, design: Design = DEFAULT) -> Plan:
    """Units to see the share ``treatment`` where the control has the share ``control``, each between 0 and 1.

    For rare events (below ten in an arm) the exact sequence often speaks earlier than this says.
    """
    variance, least = _of_proportions(control, treatment, design.checked())
    plan = _plan(treatment - control, variance, least, design)
    if not design.correlation or plan.fixed >= least:
        return plan
    unadjusted, _ = _of_proportions(control, treatment, design._replace(correlation=0.0))
    fixed = min(_fixed(treatment - control, unadjusted, design), least)  # few units or events: nothing is adjusted
    return plan._replace(fixed=math.ceil(fixed))


def plan_units_of(distance: float, variance: float, design: Design = DEFAULT) -> Plan:
    """Units to see a contrast so far from its line, whose variance times the units of all arms is ``variance``."""
    return _plan(distance, variance, 0.0, design)


def least_units(power: Callable[[float], float], target: float) -> int:
    """The least units of all arms, to a hundredth, with which a power that rises with them reaches a target.

    Raises:
        BadInput: More than anybody has do not.
    """
    high = 4.0
    while power(high) < target:
        high *= 2
        if high > MOST_UNITS:
            raise BadInput(f"showing this takes more than {MOST_UNITS:g} units; ask for a larger effect or margin")
    low = high / 2
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if power(middle) >= target else (middle, high)
    return math.ceil(high)


def smallest_size(power: Callable[[float], float], target: float, start: float) -> float:
    """The smallest effect or margin, to a thousandth, with which a power that rises with it reaches a target.

    Args:
        power: By the size, above 0.
        target: 0 to 1.
        start: A size about as large, from which it is looked for up and down.

    Returns:
        Infinite where a million times ``start`` is not enough.
    """
    low = high = start
    while power(high) < target:
        low, high = high, 2 * high
        if high > 1e6 * start:
            return math.inf
    while low == high or power(low) >= target:
        low, high = low / 2, low
        if low < 1e-9 * start:
            return high
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if power(middle) >= target else (middle, high)
    return high


def plan_ratios(difference: float, past: PairMoments, design: Design = DEFAULT) -> Plan:
    """Units to see a difference of ratios of totals, whose spread by unit is as in the ``past`` (delta method)."""
    return plan_means(difference, _sd_of(past), design, few=False)


def plan_non_inferiority(
    margin: float, sd: float, design: Design = DEFAULT, effect: float = 0.0, *, few: bool = True
) -> Plan:
    """Units to show that a mean is not worse by ``margin`` (above 0), when the true effect is ``effect`` (good: > 0).

    One-sided at the design's alpha, whatever its ``sides``; ``few`` as of ``plan_means``.
    """
    if not margin > 0:
        raise BadInput(f"margin {margin!r} must be above 0: it is how much worse is still accepted")
    if not margin + effect > 0:
        raise BadInput(f"an effect of {effect:g} is beyond the margin of {margin:g}, which is then never shown to hold")
    return plan_means(margin + effect, sd, design._replace(sides=1), few=few)


def plan_group_sequential(
    difference: float, sd: float, looks: Sequence[float], spending: Spending = Spending(), design: Design = DEFAULT
) -> int:
    """Units of a whole plan with looks at shares of its information, the last one at 1, for a difference of means."""
    if not looks or looks[-1] != 1:
        raise BadInput(f"planned looks {list(looks)} must end at 1, when all units are there")
    sides: Sides = 2 if design.sides == 2 else 1
    bounds = spending_bounds(looks, design.each, spending, sides=sides, final=True)
    return units_in_looks(difference, sd, inflation(looks, bounds, design.each, design.power, sides), design)


def units_in_looks(difference: float, sd: float, times: float, design: Design = DEFAULT) -> int:
    """Units of a whole plan with looks, which takes so many ``times`` those of one look, for a difference of means."""
    variance, least = _of_means(sd, design.checked())
    return math.ceil(max(_fixed(difference, variance, design) * times, least))


def proportions_in_looks(control: float, treatment: float, times: float, design: Design = DEFAULT) -> int:
    """The same for two shares, each between 0 and 1."""
    variance, least = _of_proportions(control, treatment, design.checked())
    return math.ceil(max(_fixed(treatment - control, variance, design) * times, least))


def detectable_means(units: float, sd: float, design: Design = DEFAULT, *, few: bool = True) -> Detectable:
    """The smallest difference of means that ``units`` of all arms show; ``few`` as of ``plan_means``."""
    variance, least = _of_means(sd, design.checked())
    found = _detectable(units, variance, least, design)
    if units >= least:
        return found
    if not few:
        return found._replace(fixed=math.inf)
    shares = design.share, design.control
    return found._replace(fixed=sd * distance_of_few(units, shares, design.each, design.power, design.sides))


def detectable_in_looks(units: float, sd: float, times: float, design: Design = DEFAULT) -> float:
    """The smallest difference of means that a plan of so many units with looks shows; ``times`` as above."""
    variance, least = _of_means(sd, design.checked())
    return _z(design) * math.sqrt(variance * times / units) if units >= least else math.inf


def detectable_ratios(units: float, past: PairMoments, design: Design = DEFAULT) -> Detectable:
    """The smallest difference of ratios that ``units`` of all arms show, with the spread of the ``past``."""
    return detectable_means(units, _sd_of(past), design, few=False)


def detectable_proportions(units: float, control: float, design: Design = DEFAULT) -> Detectable:
    """The smallest rise of a share above ``control`` that ``units`` of all arms show; infinite where none can be."""
    design.checked()
    fixed = _smallest_rise(units, control, design, _z(design))
    sequence = _smallest_rise(units, control, design, _reach(units, design))
    if math.isfinite(sequence) and units < _of_proportions(control, control + sequence, design)[1]:
        sequence = math.inf
    return Detectable(fixed, sequence)


def power_of_each(power: float, guardrails: int) -> float:
    """The power that the primary and each guardrail must be planned with, so that all of them hold with ``power``."""
    if not 0 < power < 1 or guardrails < 0:
        raise BadInput(f"power {power!r} must lie between 0 and 1, and {guardrails} guardrails be 0 or more")
    return 1 - (1 - power) / (guardrails + 1)


def chance_of_conclusion(
    effect: float, se: float, units_now: float, units_then: float, alpha: float = 0.05, plan_units: float = PLAN_UNITS
) -> float:
    """The chance that the two-sided sequence excludes 0 at ``units_then``, given what is seen now (flat prior).

    At least this chance, for it may have spoken in between. Units of both arms.

    References:
        Spiegelhalter, Freedman, Blackburn (1986), Monitoring clinical trials: conditional or predictive power?
        Controlled Clinical Trials 7(1).
    """
    if not (se > 0 and 0 < units_now <= units_then):
        raise BadInput(f"standard error {se!r} at {units_now} units, asked for {units_then}, foretells nothing")
    half = multiplier(units_then, alpha, plan_units) * se * math.sqrt(units_now / units_then)
    if units_then == units_now:
        return float(abs(effect) > half)
    # Then's estimate, given now's: normal about it; its variance is what both the truth and the new units add.
    spread = se * math.sqrt(1 - units_now / units_then)
    return float(ndtr((effect - half) / spread) + ndtr((-effect - half) / spread))


def _of_means(sd: float, design: Design) -> tuple[float, float]:
    """The effect's variance times the units of all arms, and the least units before any verdict."""
    if not sd > 0:
        raise BadInput(f"standard deviation {sd!r} must be above 0")
    variance = sd * sd * design.left * (1 / design.share + 1 / design.control)
    return variance, MINIMUM_UNITS / min(design.share, design.control)


def _of_proportions(control: float, treatment: float, design: Design) -> tuple[float, float]:
    for value in (control, treatment):
        if not 0 < value < 1:
            raise BadInput(f"share {value!r} must lie between 0 and 1; a share of 0 or 1 is never shown to differ")
    a, b = design.share, design.control
    v_t, v_c = treatment * (1 - treatment), control * (1 - control)
    pooled = (a * v_t + b * v_c) / (a + b) * (1 / a + 1 / b)
    rarest = min(a * min(treatment, 1 - treatment), b * min(control, 1 - control))
    return design.left * max(v_t / a + v_c / b, pooled), max(MINIMUM_UNITS / min(a, b), MINIMUM_EVENTS / rarest)


def _sd_of(past: PairMoments) -> float:
    line = linearise(past)
    if line.n < 2:
        raise BadInput(f"{past.n} past units with nothing below the line have no spread; give more of the past")
    return math.sqrt(line.variance)


def _smallest_rise(units: float, control: float, design: Design, errors: float) -> float:
    """The smallest rise that is so many standard errors large, its own variance counted; infinite where none is."""

    def excess(rise: float) -> float:
        return rise - errors * math.sqrt(_of_proportions(control, control + rise, design)[0] / units)

    steps = [(1 - control) * (1 - 1e-9) * (k / 100) ** 2 for k in range(1, 101)]
    seen = next((k for k, rise in enumerate(steps) if excess(rise) >= 0), None)
    if seen is None:
        return math.inf
    before = steps[seen - 1] if seen else steps[0] * 1e-9
    return float(brentq(excess, before, steps[seen], xtol=1e-14)) if excess(before) < 0 else before


def _plan(difference: float, variance: float, least: float, design: Design) -> Plan:
    """``variance`` is the effect's times the units of all arms; ``least`` the minimum before any verdict."""
    fixed = _fixed(difference, variance, design)
    return Plan(math.ceil(fixed), math.ceil(max(_sequence(abs(difference), variance, design), least)))


def _fixed(difference: float, variance: float, design: Design) -> float:
    if difference == 0:
        raise BadInput("a difference of 0 needs infinitely many units; say which effect matters")
    return _z(design) ** 2 * variance / difference**2


def _z(design: Design) -> float:
    """How many standard errors the effect must be for one look."""
    return float(ndtri(1 - design.each / design.sides) + ndtri(design.power))


def _sequence(difference: float, variance: float, design: Design) -> float:
    def short(n: float) -> bool:
        return difference * math.sqrt(n / variance) < _reach(n, design)

    low, high = 1.0, 2.0
    while short(high):
        low, high = high, 2 * high
        if high > MOST_UNITS:
            raise BadInput(f"a difference of {difference:g} needs more than {MOST_UNITS:g} units; ask for a larger one")
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (middle, high) if short(middle) else (low, middle)
    return high


def _reach(units: float, design: Design) -> float:
    """How many standard errors the effect must be, for the sequence to speak with the stated power."""
    side: Side = "two" if design.sides == 2 else "lower"
    half = multiplier(units * design.compared, design.each, design.plan_units, side)
    return half + float(ndtri(design.power))


def _detectable(units: float, variance: float, least: float, design: Design) -> Detectable:
    if not units > 0:
        raise BadInput(f"{units!r} units show nothing; give a number above 0")
    se = math.sqrt(variance / units)
    return Detectable(_z(design) * se, _reach(units, design) * se if units >= least else math.inf)
