import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.power import Design, plan_means, plan_proportions
from seatrial.stats.sequence import multiplier


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
