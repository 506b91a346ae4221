"""Units that a margin on a share takes, where events are few: against simulated verdicts of the judge itself."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.at_once import judge_at_once
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.guardrail import judge_guardrail
from seatrial.stats.moments import Moments
from seatrial.stats.power import Design, plan_non_inferiority, plan_proportions
from seatrial.stats.share_power import Claim, plan_shares, power_of_shares, units_of_shares
from seatrial.stats.unconditional import Table
from seatrial.stats.verdict import Question

WORLDS = 150
ONE_POINT = Margin("absolute", 0.01)


def shown(share: float, margin: Margin, want: Any, units: int, to_treatment: float, method: Any) -> float:
    """In how many worlds the judge says non-inferior, where nothing differs."""
    rng, n, m = np.random.default_rng(5), round(units * to_treatment), round(units * (1 - to_treatment))
    asked = Question(metric="errors", want=want, margin=margin)

    @cache
    def is_shown(a: int, b: int) -> bool:
        effect = Effect.of_means(Moments.from_counts(a, n), Moments.from_counts(b, m), two_valued=True)
        if method == "fixed":
            verdict = judge_at_once(effect, asked, "guardrail", table=Table(a, n, b, m))
        else:
            counts = (PhaseCounts(a, n, b, m, to_treatment),)
            verdict = judge_guardrail(effect, asked, counts=counts, method=method)
        return verdict.word == "non-inferior"

    worlds = zip(rng.binomial(n, share, WORLDS), rng.binomial(m, share, WORLDS), strict=True)
    return sum(is_shown(int(a), int(b)) for a, b in worlds) / WORLDS


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("share", "margin", "want", "to_treatment", "method"),
    [
        (0.001, ONE_POINT, "lower", 0.5, "fixed"),
        (0.001, ONE_POINT, "lower", 0.5, "always-valid"),
        (0.001, Margin("absolute", 0.005), "lower", 0.05, "always-valid"),
        (0.99, Margin("absolute", 0.02), "higher", 0.3, "always-valid"),
        (0.01, Margin("relative", 1.0), "lower", 0.5, "always-valid"),
        (0.005, Margin("relative", 1.0), "lower", 0.2, "exact"),
    ],
)
def test_the_judge_shows_what_was_planned_with_the_power_that_was_planned(
    share: float, margin: Margin, want: Any, to_treatment: float, method: Any
) -> None:
    claim, design = Claim.of_margin(share, margin, want), Design(share=to_treatment, sides=1)
    units = units_of_shares(claim, design, method)
    expected = power_of_shares(claim, units, design, method)
    assert expected >= 0.795
    seen = shown(share, margin, want, units, to_treatment, method)
    assert seen == pytest.approx(expected, abs=4 * (0.16 / WORLDS) ** 0.5)


def test_what_the_formula_says_is_far_too_few_where_events_are_rare() -> None:
    formula = plan_non_inferiority(0.01, (0.001 * 0.999) ** 0.5)
    ours = plan_shares(Claim.of_margin(0.001, ONE_POINT, "lower"), Design(sides=1))
    assert formula.fixed == 248
    assert ours.fixed > 3 * formula.fixed
    assert ours.always_valid > 2 * formula.always_valid
    assert power_of_shares(Claim.of_margin(0.001, ONE_POINT, "lower"), 248, Design(sides=1)) < 0.01


def test_where_events_are_many_it_is_the_formula() -> None:
    claim = Claim.of_margin(0.1, ONE_POINT, "higher")
    assert plan_shares(claim, Design(sides=1)) == plan_non_inferiority(0.01, 0.3)
    assert plan_shares(Claim(0.1, 0.11)) == plan_proportions(0.1, 0.11)


def test_a_relative_margin_is_a_contrast_whose_spread_grows_with_it() -> None:
    """Treatment less (1 + x) times control has the variance v (1/a + (1 + x)²/b)."""
    found = plan_shares(Claim.of_margin(0.1, Margin("relative", 0.5), "lower"), Design(sides=1)).fixed
    variance = 0.09 * (2 + 2 * 1.5**2)
    assert found == pytest.approx((1.6449 + 0.8416) ** 2 * variance / 0.05**2, rel=1e-3)


def test_the_power_of_the_sum_is_that_of_all_tables() -> None:
    """Every pair of counts one by one, where no count is passed over and no order is made use of."""
    from scipy.stats import binom

    from seatrial.stats.share_power import _rule

    claim, design, n = Claim.of_margin(0.004, ONE_POINT, "lower"), Design(sides=1), 1500
    rule = _rule(claim, design, "always-valid", n, n)
    chances = binom.pmf(np.arange(30), n, 0.004)
    whole = sum(chances[x] * chances[y] for x in range(30) for y in range(30) if rule(x, y))
    assert power_of_shares(claim, 2 * n, design, "always-valid") == pytest.approx(whole, abs=0.005)


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        (Claim(0.1, 0.1, ZERO), "on the line itself"),
        (Claim(0.0, 0.1), r"share 0\.0"),
        (Claim(0.1, 1.0), r"share 1\.0"),
    ],
)
def test_what_cannot_be_shown_is_refused(claim: Claim, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        plan_shares(claim)
