"""How long a bandit takes beside an even split: sizes against the textbook, and when it does not pay."""

import math

import pytest

from seatrial.bandits import Arm, Options, Thompson, simulate
from seatrial.spec.errors import BadInput


def click(share: float) -> Arm:
    return Arm(share, math.sqrt(share * (1 - share)))


def test_an_even_split_needs_what_the_textbook_says() -> None:
    found = simulate((click(0.1), click(0.12)), Thompson(), Options(floor=0.05), units=1000, delay=3, worlds=2)
    per_arm = (1.959964 + 0.841621) ** 2 * (0.09 + 0.1056) / 0.02**2
    assert found.split_epochs == math.ceil(2 * per_arm / 1000) + 3


def test_a_bandit_finds_a_clearly_better_arm_and_loses_less() -> None:
    found = simulate((click(0.1), click(0.2)), Thompson(), Options(floor=0.01), units=100, delay=1, epochs=50)
    assert found.bandit_found > 0.9
    assert found.bandit_epochs is not None
    assert found.bandit_epochs < found.split_epochs + 5
    assert found.pays


def test_a_penalty_makes_the_arm_that_earns_less_the_better_one() -> None:
    """An arm of 0.10 that costs 0.05 is worth less than one of 0.09: the very arm that the weights go to is found."""
    costly = Options(floor=0.01, penalty=(0.05, 0.0))
    found = simulate((click(0.1), click(0.09)), Thompson(), costly, units=1000, delay=1, epochs=50, worlds=5)
    per_arm = (1.959964 + 0.841621) ** 2 * (0.09 + 0.0819) / 0.04**2
    assert found.split_epochs == math.ceil(2 * per_arm / 1000) + 1
    assert found.bandit_found == 1
    assert found.bandit_lost < 0.04 * 5 / 50
    assert found.split_lost == pytest.approx(0.04 / 2 * found.split_epochs / 50)


def test_a_penalty_may_make_arms_alike_and_is_of_every_arm() -> None:
    with pytest.raises(BadInput, match="all arms have earned the same so far"):
        simulate((click(0.5), click(0.25)), Thompson(), Options(penalty=(0.25, 0.0)), units=10, delay=0)
    with pytest.raises(BadInput, match="1 penalties for 2 arms"):
        simulate((click(0.5), click(0.25)), Thompson(), Options(penalty=(0.25,)), units=10, delay=0)


def test_rewards_that_come_too_late_do_not_pay() -> None:
    """All rewards of the bandit's first epochs come when an even split has its answer already."""
    found = simulate((click(0.1), click(0.2)), Thompson(), Options(floor=0.05), units=1000, delay=20, epochs=40)
    assert not found.pays
    assert found.bandit_epochs is not None
    assert found.bandit_epochs > 20


def test_the_same_seed_gives_the_same_worlds() -> None:
    arms = (Arm(5.0, 2.0), Arm(6.0, 2.0))
    first, again = (
        simulate(arms, Thompson("normal"), Options(floor=0.05), units=200, delay=0, epochs=10, worlds=3, seed=4)
        for _ in range(2)
    )
    assert first == again


def test_forgetting_is_played_too() -> None:
    """With a half-life of 100 the arms are never well known, and more is lost."""
    arms = (click(0.1), click(0.12))
    plain, forgets = (
        simulate(arms, Thompson(), Options(floor=0.01, half_life=half_life), units=500, delay=1, worlds=5)
        for half_life in (None, 100.0)
    )
    assert forgets.bandit_lost > 1.5 * plain.bandit_lost


def test_a_reset_that_finds_no_change_is_nearly_nothing() -> None:
    arms = (click(0.1), click(0.3))
    plain, reset = (
        simulate(arms, Thompson(), Options(floor=0.05, reset=one), units=50, delay=0, epochs=20, worlds=8)
        for one in (None, 0.01)
    )
    assert reset.bandit_lost == pytest.approx(plain.bandit_lost, rel=0.5)


def test_revenue_is_nothing_or_an_amount() -> None:
    """Normal draws of the same mean and spread would be below 0, which `hurdle` refuses."""
    arms = (Arm(0.1, 1.0, positive=0.02), Arm(1.0, 4.0, positive=0.1))
    found = simulate(arms, Thompson("hurdle"), Options(floor=0.05), units=300, delay=0, epochs=6, worlds=2)
    assert found.bandit_found == 1


def test_too_many_records_to_keep_are_refused() -> None:
    with pytest.raises(BadInput, match="20000 units an epoch over 100 epochs are over 1000000 records"):
        simulate((click(0.1), click(0.2)), Thompson(), Options(half_life=50.0), units=20_000, delay=0)


def test_equal_arms_and_no_traffic_are_refused() -> None:
    with pytest.raises(BadInput, match="all arms have earned the same so far"):
        simulate((click(0.1), click(0.1)), Thompson(), Options(), units=10, delay=0)
    with pytest.raises(BadInput, match="0 units an epoch are too few"):
        simulate((click(0.1), click(0.2)), Thompson(), Options(), units=0, delay=0)
