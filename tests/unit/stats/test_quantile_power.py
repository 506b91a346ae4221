"""Units that a quantile takes, against simulated verdicts of the judge itself and against the usual formula."""

import math

import numpy as np
import pytest
from scipy import stats as oracle

from seatrial.spec.errors import BadInput
from seatrial.stats.at_once import judge_at_once
from seatrial.stats.by_evidence import judge_by
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.power import Design
from seatrial.stats.quantile_difference import Arms, quantile_effect, quantile_evidence
from seatrial.stats.quantile_power import Past, QuantileClaim, plan_quantiles, power_of_quantiles
from seatrial.stats.verdict import Question

WORLDS = 100
LOGNORMAL = Past.of(oracle.lognorm(1).ppf((np.arange(100_000) + 0.5) / 100_000), 0.9)


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("design", "claim"),
    [
        (Design(), QuantileClaim(0.36)),
        (Design(share=0.2, sides=1), QuantileClaim(0.0, Margin("relative", 0.1))),
        (Design(sides=1), QuantileClaim(0.0, Margin("absolute", -0.4))),
    ],
)
def test_the_judge_shows_what_was_planned_with_the_power_that_was_planned(design: Design, claim: QuantileClaim) -> None:
    plan, rng = plan_quantiles(LOGNORMAL, claim, design), np.random.default_rng(4)
    line = claim.line
    role = "primary" if line == ZERO else "guardrail"
    margin = None if line == ZERO else Margin(line.scale, abs(line.size))
    asked = Question(metric="spent", want="lower" if line.size > 0 else "higher", margin=margin)
    for units, once in ((plan.fixed, True), (plan.always_valid, False)):
        shown = 0
        for _ in range(WORLDS):
            treated, control = (rng.lognormal(0, 1, round(units * share)) for share in (design.share, design.control))
            arms = Arms.of(treated + claim.effect, control)
            effect = quantile_effect(arms, 0.9)
            if once:
                word = judge_at_once(effect, asked, role).word  # type: ignore[arg-type]
            else:
                word = judge_by(effect, asked, role, lambda at, arms=arms: quantile_evidence([arms], 0.9, at)).word  # type: ignore[arg-type, misc]
            shown += word in ("better", "non-inferior")
        assert shown / WORLDS == pytest.approx(0.8, abs=3.5 * math.sqrt(0.16 / WORLDS))


def test_one_look_is_the_usual_formula_where_the_density_is_flat() -> None:
    """The variance of a sample's quantile is q (1 - q) / (n f²)."""
    uniform = Past.of(np.linspace(0, 10, 100_001), 0.5)
    found = plan_quantiles(uniform, QuantileClaim(0.2)).fixed
    sd = math.sqrt(0.25) / 0.1
    assert found == pytest.approx((1.96 + 0.8416) ** 2 * sd**2 * 4 / 0.2**2, rel=0.01)


def test_power_rises_with_units_and_needs_a_hundred_in_each_arm() -> None:
    powers = [power_of_quantiles(LOGNORMAL, QuantileClaim(0.4), units) for units in (10_000, 30_000, 90_000)]
    assert powers == sorted(powers)
    assert power_of_quantiles(LOGNORMAL, QuantileClaim(400.0), 198) == 0.0


def test_a_relative_margin_of_values_below_zero_is_that_of_their_opposites() -> None:
    past = Past.of(np.linspace(5, 15, 10_001), 0.5)
    opposite = Past.of(-past.values, 0.5)
    above = plan_quantiles(past, QuantileClaim(0.0, Margin("relative", 0.2)), Design(sides=1))
    below = plan_quantiles(opposite, QuantileClaim(0.0, Margin("relative", -0.2)), Design(sides=1))
    assert above.fixed == pytest.approx(below.fixed, rel=0.01)
    assert above.always_valid == pytest.approx(below.always_valid, rel=0.01)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Past.of([1.0] * 50, 0.5), "50 past values tell too little"),
        (lambda: Past.of([1.0] * 500, 0.5), "the same value"),
        (lambda: Past.of(np.arange(500), 1.5), r"quantile 1\.5"),
        (
            lambda: plan_quantiles(
                Past.of(np.linspace(-5, 15, 1001), 0.5), QuantileClaim(0.0, Margin("relative", 0.2)), Design(sides=1)
            ),
            "no relative margin",
        ),
        (lambda: plan_quantiles(LOGNORMAL, QuantileClaim(0.0)), "on the line itself"),
        (lambda: plan_quantiles(LOGNORMAL, QuantileClaim(1e-9)), "ask for a larger effect"),
    ],
)
def test_what_cannot_be_planned_is_refused(call: object, says: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=says):
        call()
