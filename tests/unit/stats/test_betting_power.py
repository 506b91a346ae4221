"""Units that a mean within a range takes when it is bet on, against simulated verdicts of the judge itself."""

import math

import numpy as np
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.betting_power import BoundedClaim, power_of_bounded, units_of_bounded
from seatrial.stats.bounded import Bounded, bounded_evidence
from seatrial.stats.by_evidence import judge_by
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments
from seatrial.stats.power import Design, plan_means
from seatrial.stats.verdict import Question

WORLDS = 150


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("design", "claim"),
    [
        (Design(), BoundedClaim(0.3, 0.2, 0.0, 1.0, 0.03)),
        (Design(share=0.2, sides=1), BoundedClaim(0.3, 0.2, 0.0, 1.0, 0.0, Margin("absolute", -0.04))),
        (Design(sides=1), BoundedClaim(1.0, 1.5, 0.0, 50.0, 0.0, Margin("relative", -0.2))),
        (Design(sides=1), BoundedClaim(1.0, 1.5, 0.0, 50.0, 0.0, Margin("relative", 0.2))),
    ],
)
def test_the_judge_shows_what_was_planned_with_the_power_that_was_planned(design: Design, claim: BoundedClaim) -> None:
    units, rng, shown = units_of_bounded(claim, design), np.random.default_rng(4), 0
    line = claim.line
    role = "primary" if line == ZERO else "guardrail"
    margin = None if line == ZERO else Margin(line.scale, abs(line.size))
    asked = Question(metric="spent", want="lower" if line.size > 0 else "higher", margin=margin)
    shape = (claim.mean / claim.sd) ** 2
    for _ in range(WORLDS):
        x = rng.gamma(shape, claim.mean / shape, units)
        if claim.high == 1.0:
            of = claim.mean * (1 - claim.mean) / claim.sd**2 - 1
            x = rng.beta(claim.mean * of, (1 - claim.mean) * of, units)
        treated = rng.random(units) < design.share
        x = np.clip(x + claim.effect * treated, claim.low, claim.high)
        bets = Bounded.of(x, treated, design.share, claim.low, claim.high)
        effect = Effect.of_means(Moments.from_values(x[treated]), Moments.from_values(x[~treated]))
        word = judge_by(effect, asked, role, lambda at, bets=bets: bounded_evidence(bets, at)).word  # type: ignore[arg-type, misc]
        shown += word in ("better", "non-inferior")
    assert shown / WORLDS == pytest.approx(0.8, abs=0.03 + 3 * math.sqrt(0.16 / WORLDS))


def test_the_least_number_is_where_the_power_is_reached_and_stays() -> None:
    claim = BoundedClaim(0.3, 0.2, 0.0, 1.0, 0.03)
    units = units_of_bounded(claim)
    assert power_of_bounded(claim, units) >= 0.8 > power_of_bounded(claim, units - 2)
    far = claim._replace(effect=0.003)
    many = units_of_bounded(far)
    assert many > 200_000
    assert power_of_bounded(far, many) == pytest.approx(0.8, abs=0.01)
    assert units > plan_means(0.03, 0.2).fixed


def test_a_wider_range_takes_more_and_a_smaller_arm_too() -> None:
    near, far = (units_of_bounded(BoundedClaim(1.0, 1.0, 0.0, high, 0.2)) for high in (5.0, 200.0))
    assert far > near
    assert units_of_bounded(BoundedClaim(1.0, 1.0, 0.0, 5.0, 0.2), Design(share=0.05)) > near


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        (BoundedClaim(0.3, 0.0, 0.0, 1.0, 0.1), "says nothing to bet on"),
        (BoundedClaim(0.3, 0.2, 0.0, 1.0, 0.0), "on the line itself"),
        (BoundedClaim(0.3, 0.2, 0.0, 1.0, 1e-9), r"more than 1e\+13 units"),
        (BoundedClaim(0.3, 0.2, -1.0, 1.0, 0.0, Margin("relative", 0.1)), "no relative margin"),
    ],
)
def test_what_cannot_be_planned_is_refused(claim: BoundedClaim, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        units_of_bounded(claim)
