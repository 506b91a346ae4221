import math

import numpy as np
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.at_once import judge_at_once
from seatrial.stats.effect import Effect
from seatrial.stats.few_power import arms_of, power_of_few
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.power import (
    Design,
    detectable_in_looks,
    detectable_means,
    plan_group_sequential,
    plan_means,
    plan_proportions,
    plan_ratios,
)
from seatrial.stats.sequence import multiplier
from seatrial.stats.verdict import Question


def test_looking_at_any_time_costs_about_twice_the_units() -> None:
    plan = plan_means(0.1, 1.0)
    assert 1.5 * plan.fixed < plan.always_valid < 3 * plan.fixed


def test_the_sequences_number_is_where_the_effect_stands_clear_of_its_half_width() -> None:
    plan = plan_means(0.1, 1.0, Design(share=0.2, sides=1))
    se = (1 / (0.2 * 0.8 * plan.always_valid)) ** 0.5
    allowance = 0.8416212
    assert 0.1 / se == pytest.approx(multiplier(plan.always_valid, 0.05, 5000, "lower") + allowance, rel=1e-3)


def test_the_minimum_rules_are_part_of_the_plan() -> None:
    assert plan_means(5.0, 1.0, Design(share=0.01)).always_valid >= 10_000
    assert plan_proportions(0.001, 0.5).always_valid >= 20_000


def test_smaller_effects_and_smaller_shares_need_more() -> None:
    assert plan_means(0.05, 1.0).always_valid > plan_means(0.1, 1.0).always_valid
    assert plan_means(0.1, 1.0, Design(share=0.05)).always_valid > plan_means(0.1, 1.0).always_valid
    assert plan_proportions(0.1, 0.09).always_valid == pytest.approx(plan_proportions(0.9, 0.91).always_valid, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plan_means(0.0, 1.0), "infinitely many"),
        (lambda: plan_means(1.0, 0.0), "standard deviation 0"),
        (lambda: plan_means(1e-9, 1.0), "ask for a larger one"),
        (lambda: plan_proportions(0.0, 0.1), "share 0"),
        (lambda: plan_means(1.0, 1.0, Design(share=1.0)), r"share 1\.0"),
        (lambda: plan_means(1.0, 1.0, Design(power=0.0)), r"power 0\.0"),
        (lambda: plan_means(1.0, 1.0, Design(alpha=2.0)), r"alpha 2\.0"),
    ],
)
def test_what_cannot_be_planned_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("effect", "share"), [(3.0, 0.5), (2.0, 0.5), (1.5, 0.5), (1.0, 0.5), (2.0, 0.2), (1.0, 0.1), (1.0, 0.35)]
)
def test_few_units_at_one_look_show_what_they_were_planned_for(effect: float, share: float) -> None:
    """By the judge itself, 120 worlds: the normal quantile said 4 units for the first, with which nothing is shown."""
    n, m = arms_of(plan_means(effect, 1.0, Design(share=share)).fixed, (share, 1 - share))
    rng, worlds, better = np.random.default_rng(5), 120, 0
    asked = Question(
        metric="y", want="higher", margin=None, alpha=0.05, plan_units=5000, treatment="new", control="control"
    )
    for _ in range(worlds):
        t, c = rng.normal(10 + effect, 1, n), rng.normal(10, 1, m)
        both = Effect.of_means(Moments.from_values(t), Moments.from_values(c))
        verdict = judge_at_once(both, asked, "primary", values=lambda t=t, c=c: (t, c), drawn=999)  # type: ignore[misc]
        better += verdict.word == "better"
    assert better / worlds >= 0.8 - 2 * math.sqrt(0.16 / worlds)


def test_where_no_relabelling_is_rare_enough_nothing_is_shown() -> None:
    assert power_of_few(3, 3, 50.0, 0.05) == 0  # of 20 ways two are 0.1
    assert power_of_few(4, 4, 50.0, 0.05) == pytest.approx(1.0)  # of 70 ways two are 0.029
    assert plan_means(50.0, 1.0).fixed == 8
    assert detectable_means(7, 1.0).fixed == math.inf
    assert detectable_means(plan_means(1.0, 1.0).fixed, 1.0).fixed == pytest.approx(1.0, rel=0.03)


def test_a_hundred_units_an_arm_are_the_least_where_few_have_no_verdict() -> None:
    looks = [0.2, 0.4, 0.6, 0.8, 1.0]
    assert plan_group_sequential(1.5, 1.0, looks) == 200
    assert plan_group_sequential(1.5, 1.0, looks, design=Design(share=0.1)) == 1000
    assert detectable_in_looks(199, 1.0, 1.03) == math.inf
    past = PairMoments.from_values(np.arange(1.0, 9.0), np.arange(2.0, 10.0))
    assert plan_ratios(5.0, past).fixed == 200


def test_few_units_are_not_adjusted_for_covariates() -> None:
    close = Design(correlation=0.9999999)
    assert plan_means(1.5, 1.0, close).fixed == plan_means(1.5, 1.0).fixed
    assert plan_means(0.05, 1.0, close).fixed == 200
    assert plan_proportions(0.1, 0.105, close).fixed == plan_proportions(0.1, 0.105, close).always_valid == 200


def test_a_covariate_that_explains_all_is_none() -> None:
    with pytest.raises(BadInput, match="explains all of the metric"):
        plan_means(1.0, 1.0, Design(correlation=1 - 1e-12))
