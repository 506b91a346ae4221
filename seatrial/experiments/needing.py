"""How many units one metric of a release needs, by the method that will judge it."""

import math

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.asks import Ask
from seatrial.experiments.measure import Measure
from seatrial.experiments.metric import method_of_guardrail
from seatrial.spec.errors import BadInput
from seatrial.stats.betting_power import BoundedClaim, units_of_bounded
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.evidence import Method
from seatrial.stats.minimum import MINIMUM_EVENTS
from seatrial.stats.moments import Moments
from seatrial.stats.power import Design, least_units, plan_means
from seatrial.stats.quantile_power import Past, QuantileClaim, power_of_quantiles
from seatrial.stats.share_power import Claim, units_of_shares

Floats = NDArray[np.float64]


def units_needed(
    ask: Ask,
    measure: Measure,
    values: Moments,
    difference: float,
    units: tuple[Floats, Floats],
    design: Design,
    *,
    once: bool,
) -> int:
    """Units of both arms for a primary's smallest effect, or a guardrail's margin with no true difference.

    Args:
        ask: Its question.
        measure: Its shape.
        values: What a unit of the champion counts with.
        difference: The effect or the margin, in the metric's unit, above 0.
        units: The champion's numbers [n], [n]: values, and what they are divided by.
        design: Of the question.
        once: Whether it is judged at one look.

    Raises:
        BadInput: It cannot be told; why, in words.
    """
    sd = math.sqrt(values.variance)
    if measure.shape == "proportion":
        return _of_shares(ask, values.mean, difference, design, once=once)
    if measure.shape == "quantile":
        past, claim = Past.of(units[0], measure.q or 0.5), QuantileClaim(*_asked(ask, difference))
        method: Method = "fixed" if once else "always-valid"
        return least_units(lambda n: power_of_quantiles(past, claim, n, design, method), design.power)
    if measure.range is not None and not once:
        return units_of_bounded(BoundedClaim(values.mean, sd, *measure.range, *_asked(ask, difference)), design)
    plan = plan_means(difference, sd, design, few=measure.shape == "mean")
    found = plan.fixed if once else plan.always_valid
    return max(found, _until_enough(*units, design)) if measure.shape == "share" else found


def _asked(ask: Ask, difference: float) -> tuple[float, Margin]:
    """The true effect, and the line beyond which it is to be shown to lie."""
    higher = ask.question.want == "higher"
    if ask.part != "guardrail":
        return (difference if higher else -difference), ZERO
    assert ask.question.margin is not None
    return 0.0, ask.question.margin.flipped() if higher else ask.question.margin


def _of_shares(ask: Ask, share: float, difference: float, design: Design, *, once: bool) -> int:
    """By the rule that judges shares of units: below ten events of each kind it is exact, and needs more."""
    guards = ask.part == "guardrail"
    if guards:
        assert ask.question.margin is not None
        claim = Claim.of_margin(share, ask.question.margin, ask.question.want)
    else:
        rises = (ask.question.want == "higher" and share + difference < 1) or share <= difference
        claim = Claim(share, share + (difference if rises else -difference))
    return units_of_shares(claim, design, "fixed" if once else method_of_guardrail(ask) if guards else "always-valid")


def _until_enough(x: Floats, y: Floats, design: Design) -> int:
    """Units of both arms until the smaller has the least of effective events of each kind, as ratios are judged."""
    fewest = min(Moments.from_values(kind).effective_events for kind in (x, y - x))
    if not fewest > 0:
        raise BadInput("one of its two kinds of event has not come yet")
    return math.ceil(MINIMUM_EVENTS * len(x) / fewest / min(design.share, design.control))
