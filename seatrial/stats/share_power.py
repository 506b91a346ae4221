"""How many units a question about two shares needs, by the rule that judges it, also where events are few.

While events are many the formula of ``stats.power`` says it. Below that an exact method speaks, which needs more: the
power of the rule itself is then added up over the counts that two binomial arms may have, and the least number of units
looked for from which on it is enough. What is summed is the chance of a claim at that many units; who looks at any time
may have heard it before.

References:
    Suissa, Shuster (1985), Exact unconditional sample sizes for the 2x2 binomial trial, JRSS A 148(4).
    Farrington, Manning (1990), Test statistics and sample size formulae for comparative binomial trials with null
    hypothesis of non-zero risk difference or non-unity relative risk, Statistics in Medicine 9(12).
"""

import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from scipy.stats import binom

from seatrial.spec.errors import BadInput
from seatrial.stats.bernoulli import difference_sequence
from seatrial.stats.conditional import PhaseCounts, conditional_p
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Level, Levels, Method, gather
from seatrial.stats.interval import Side
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS, what_is_missing
from seatrial.stats.moments import Moments
from seatrial.stats.power import DEFAULT, MOST_UNITS, Design, Plan, plan_units_of
from seatrial.stats.unconditional import Table, unconditional_p
from seatrial.stats.verdict import Question

ENOUGH = 3.0 * MINIMUM_EVENTS
"""Expected events of each kind, per arm, from which on hardly any world has fewer than the minimum."""

_STRATA = 24
"""Counts of the control that are told apart, each as likely as the others; where fewer can come, all of them."""

_TAIL = 1e-4
_STEP = 2.0
_CLOSE = 1.01
"""The number of units is found to a hundredth."""


class Claim(NamedTuple):
    """What is to be shown of two shares: that the treatment's lies on its own side of a line.

    Attributes:
        control: The control's true share, above 0 and below 1.
        treatment: The treatment's; on the good side of the line.
        line: Signed: a difference of shares, or relative to the control's share.
    """

    control: float
    treatment: float
    line: Margin = ZERO

    @classmethod
    def of_margin(cls, share: float, margin: Margin, want: Literal["higher", "lower"]) -> "Claim":
        """That a share which is the same in both arms is not worse by a margin."""
        return cls(share, share, margin if want == "lower" else margin.flipped())

    @property
    def factor(self) -> float:
        """The contrast asked about is treatment - factor · control."""
        return 1 + self.line.size if self.line.scale == "relative" else 1.0

    @property
    def distance(self) -> float:
        """How far the truth lies above the line; below 0 it lies under it."""
        shift = self.line.size if self.line.scale == "absolute" else 0.0
        return self.treatment - self.factor * self.control - shift


def plan_shares(claim: Claim, design: Design = DEFAULT) -> Plan:
    """Units to show a claim, at one look and looking at any time; arguments and errors as of ``units_of_shares``."""
    return Plan(units_of_shares(claim, design, "fixed"), units_of_shares(claim, design, "always-valid"))


def units_of_shares(claim: Claim, design: Design = DEFAULT, method: Method = "fixed") -> int:
    """The least units of all arms from which on a claim is shown with the design's power.

    Args:
        claim: True shares, and the line.
        design: Its correlation is of use only where events are many: exact methods adjust nothing.
        method: ``fixed``, ``always-valid``, or ``exact`` for the exact sequence throughout.

    Raises:
        BadInput: The truth lies on the line, a share is none, or no number of units is enough.
    """
    design = design.checked()
    variance, fewest = _spread(claim, design)
    if claim.distance == 0:
        raise BadInput("the true shares lie on the line itself, which no number of units shows; say which effect is")
    plan = plan_units_of(claim.distance, variance, design)
    formula = plan.fixed if method == "fixed" else plan.always_valid
    if events_are_many(claim, formula, design) and method != "exact":
        return formula
    least = max(MINIMUM_UNITS / min(design.share, design.control), ENOUGH / fewest)
    return _least_units(claim, design, method, max(formula, math.ceil(least)))


def events_are_many(claim: Claim, units: float, design: Design = DEFAULT) -> bool:
    """Whether so many units of all arms have events enough of each kind for the usual formula to say what they show."""
    return units >= max(MINIMUM_UNITS / min(design.share, design.control), ENOUGH / _spread(claim, design)[1])


def power_of_shares(claim: Claim, units: float, design: Design = DEFAULT, method: Method = "fixed") -> float:
    """The chance that a claim is shown with so many units of all arms, by the judge's own rule, 0 to 1."""
    n, m = max(1, round(units * design.share)), max(1, round(units * design.control))
    shown = _rule(claim, design, method, n, m)
    rising = claim.distance > 0  # more of the treatment's events speak for a claim above the line
    low, high = _ends(n, claim.treatment)
    total, hint = 0.0, round(n * claim.treatment)
    for y, weight in _counts(m, claim.control):
        for first, last in _stretches(y, n, m, low, high):
            if rising:
                found = -_last(lambda x, y=y: shown(-x, y), -last, -first, -hint)  # type: ignore[misc]
                total += weight * float(binom.sf(found - 1, n, claim.treatment) - binom.sf(last, n, claim.treatment))
            else:
                found = _last(lambda x, y=y: shown(x, y), first, last, hint)  # type: ignore[misc]
                total += weight * float(binom.cdf(found, n, claim.treatment) - binom.cdf(first - 1, n, claim.treatment))
            hint = found if first <= found <= last else hint
    return total


def _spread(claim: Claim, design: Design) -> tuple[float, float]:
    """The contrast's variance times the units of all arms, and the rarest kind of event in an arm, a unit of all."""
    for share in (claim.control, claim.treatment):
        if not 0 < share < 1:
            raise BadInput(f"share {share!r} must lie between 0 and 1; of a share of 0 or 1 no spread is known")
    a, b, square = design.share, design.control, claim.factor**2
    v_t, v_c = claim.treatment * (1 - claim.treatment), claim.control * (1 - claim.control)
    common = (a * v_t + b * v_c) / (a + b)
    fewest = min(a * min(claim.treatment, 1 - claim.treatment), b * min(claim.control, 1 - claim.control))
    return design.left * max(v_t / a + square * v_c / b, common * (1 / a + square / b)), fewest


def _least_units(claim: Claim, design: Design, method: Method, start: int) -> int:
    """The least units from which on the rule has the power, looked for downwards from where the formula holds."""

    def enough(units: float) -> bool:
        return power_of_shares(claim, units, design, method) >= design.power

    high = float(start)
    while not enough(high):
        high *= _STEP
        if high > MOST_UNITS:
            raise BadInput(f"showing this takes more than {MOST_UNITS:g} units; ask for a wider margin")
    low = high / _STEP
    while low * min(design.share, design.control) > 1 and enough(low):
        low, high = low / _STEP, low
    while high / low > _CLOSE:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return math.ceil(high)


def _rule(claim: Claim, design: Design, method: Method, n: int, m: int) -> Callable[[int, int], bool]:
    """Whether counts of the treatment and of the control show the claim."""
    level = Level(design.each, 2 if design.sides == 2 else 1)
    levels = Levels((level,), (level,))
    asked = Question(metric="share", alpha=design.each, plan_units=design.plan_units)
    weight = design.share / design.compared
    above = claim.distance > 0

    side: Side = "lower" if above else "upper"

    def exactly(x: int, y: int) -> bool:
        """As ``evidence`` has it of exact methods, of one end alone: they are asked some thousand times."""
        if method == "fixed":
            return unconditional_p(Table(x, n, y, m), claim.line, side) <= level.one_sided
        counts = (PhaseCounts(x, n, y, m, weight),)
        if claim.line.scale == "relative" or claim.line.size == 0:
            return conditional_p(counts, side, max(claim.factor, 1e-9)) <= level.one_sided
        ends = difference_sequence(counts, level.one_sided, side)
        return ends.lower > claim.line.size if above else ends.upper < claim.line.size

    def shown(x: int, y: int) -> bool:
        effect = Effect.of_means(Moments.from_counts(x, n), Moments.from_counts(y, m), two_valued=True)
        if method == "exact" or what_is_missing(effect) is not None:
            return exactly(x, y)
        evidence = gather(effect, (), levels, asked, method)
        assert not isinstance(evidence, str)
        ends = evidence.beyond(claim.line)
        return ends.lower > 0 if above else ends.upper < 0

    return shown


def _counts(m: int, share: float) -> Iterator[tuple[int, float]]:
    """The control's counts with their chances: each, or where many can come the middles of equally likely parts."""
    low, high = _ends(m, share)
    if high - low < _STRATA:
        for y in range(low, high + 1):
            yield y, float(binom.pmf(y, m, share))
        return
    for k in range(_STRATA):
        yield int(binom.ppf((k + 0.5) / _STRATA, m, share)), 1 / _STRATA


def _ends(n: int, share: float) -> tuple[int, int]:
    return int(binom.ppf(_TAIL, n, share)), int(binom.ppf(1 - _TAIL, n, share))


def _stretches(y: int, n: int, m: int, low: int, high: int) -> Iterator[tuple[int, int]]:
    """The treatment's counts in stretches within which one method judges, beside ``y`` of ``m``."""
    cuts = [low]
    if min(y, m - y) >= MINIMUM_EVENTS:
        cuts += [cut for cut in (MINIMUM_EVENTS, n - MINIMUM_EVENTS + 1) if low < cut <= high]
    for first, after in zip(cuts, [*cuts[1:], high + 1], strict=True):
        yield first, after - 1


def _last(shown: Callable[[int], bool], first: int, last: int, hint: int) -> int:
    """The last of a stretch that is shown, where all before it are; the one before the first where none is."""
    at = min(max(hint, first), last)
    step = 1
    if shown(at):
        low, high = at, last + 1
        while low + step < high:
            if not shown(low + step):
                high = low + step
                break
            low, step = low + step, 2 * step
    else:
        low, high = first - 1, at
        while high - step > low:
            if shown(high - step):
                low = high - step
                break
            high, step = high - step, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if shown(middle) else (low, middle)
    return low
