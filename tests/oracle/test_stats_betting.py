"""Betting sequences against their definition, by counting every path, and against the paper's own formula."""

import itertools
import math

import numpy as np
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.betting import (
    betting_difference,
    betting_effect,
    betting_sequence,
    log_wealth,
    pseudo_outcomes,
)


def by_the_book(values: list[float], mean: float, budget: float) -> list[float]:
    """Wealth after each value, written down from the paper's section 4.2 with its prior of half a value."""
    wealth, found = 1.0, []
    total, squares = 0.5, 0.25
    for t, x in enumerate(values, start=1):
        variance = squares / t
        stake = math.sqrt(2 * math.log(1 / budget) / (variance * t * math.log(t + 1)))
        wealth *= 1 + min(stake, 0.5 / mean) * (x - mean)
        found.append(wealth)
        total += x
        squares += (x - total / (t + 1)) ** 2
    return found


def test_the_wealth_is_the_papers() -> None:
    values = np.random.default_rng(1).beta(2, 5, 60).tolist()
    for mean in (0.1, 0.3, 0.9):
        expected = np.log(by_the_book(values, mean, 0.025))
        assert log_wealth(values, mean, 0.025) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_mean_wealth_at_the_true_mean_is_one(share: float) -> None:
    """Over all paths of eleven coins."""
    total = 0.0
    for path in itertools.product((0.0, 1.0), repeat=11):
        ones = sum(path)
        total += share**ones * (1 - share) ** (11 - ones) * math.exp(log_wealth(path, share, 0.05)[-1])
    assert total == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_of_all_paths_at_most_alpha_ever_cross(share: float) -> None:
    crossed = 0.0
    for path in itertools.product((0.0, 1.0), repeat=12):
        ones = sum(path)
        if log_wealth(path, share, 0.2).max() >= math.log(1 / 0.2):
            crossed += share**ones * (1 - share) ** (12 - ones)
    assert 0 < crossed <= 0.2


def test_the_interval_inverts_the_wealth() -> None:
    values = np.random.default_rng(2).beta(2, 5, 500)
    interval = betting_sequence(values, 0.0, 1.0, 0.05)
    level = math.log(2 / 0.05)
    assert log_wealth(values, interval.lower, 0.025)[-1] == pytest.approx(level, abs=1e-5)
    assert log_wealth(1 - values, 1 - interval.upper, 0.025)[-1] == pytest.approx(level, abs=1e-5)
    one_sided = betting_sequence(values, 0.0, 1.0, 0.05, "lower")
    assert one_sided.lower > interval.lower
    assert one_sided.upper == 1.0


def test_a_change_of_unit_changes_the_unit_only() -> None:
    values = np.random.default_rng(3).beta(2, 5, 300)
    plain, scaled = betting_sequence(values, 0, 1), betting_sequence(20 * values - 5, -5, 15)
    assert scaled == pytest.approx((20 * plain.lower - 5, 20 * plain.upper - 5), rel=1e-6)


def test_the_mean_of_pseudo_outcomes_is_the_effect_over_all_assignments() -> None:
    """Whatever the values, units drawn with unequal chances: each assignment weighed by its chance."""
    treated_values, control_values = [0.9, 0.2, 0.7, 1.0, 0.1], [0.1, 0.4, 0.6, 0.0, 0.3]
    chances = [0.5, 0.3, 0.8, 0.1, 0.6]
    total = np.zeros(5)
    for arms in itertools.product((False, True), repeat=5):
        weight = math.prod(p if arm else 1 - p for arm, p in zip(arms, chances, strict=True))
        values = [t if arm else c for arm, t, c in zip(arms, treated_values, control_values, strict=True)]
        pseudo, reach = pseudo_outcomes(values, arms, chances, 0.0, 1.0)
        assert np.abs(pseudo).max() <= reach
        total += weight * pseudo
    assert total == pytest.approx(np.subtract(treated_values, control_values), rel=1e-9)


def test_two_arms() -> None:
    rng = np.random.default_rng(4)
    treated = rng.random(4000) < 0.5
    values = rng.random(4000) < np.where(treated, 0.35, 0.25)
    by_pairs = betting_effect(values, treated, 0.5, 0, 1)
    by_arms = betting_difference(values[treated], values[~treated], 0, 1)
    assert 0 < by_pairs.lower < 0.1 < by_pairs.upper < 0.2
    assert by_arms.contains(0.1)
    assert by_pairs.upper - by_pairs.lower < by_arms.upper - by_arms.lower
    assert betting_effect(values, treated, 0.5, 0, 1, side="lower").lower > by_pairs.lower
    assert betting_difference(values[treated], values[~treated], 0, 1, side="upper").upper < by_arms.upper


def test_extremes() -> None:
    assert betting_sequence([], 0, 1) == (0.0, 1.0)
    ones = betting_sequence([1.0] * 200, 0, 1)
    assert ones.upper == 1.0
    assert 0.9 < ones.lower < 1
    assert betting_sequence([0.0] * 200, 0, 1).lower == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: betting_sequence([0.5, 1.5], 0, 1), "of unit 1 lies outside"),
        (lambda: betting_sequence([0.5, float("nan")], 0, 1), "of unit 1 lies outside"),
        (lambda: betting_sequence([0.5], 1, 1), "not a finite range"),
        (lambda: betting_sequence([0.5], 0, float("inf")), "not a finite range"),
        (lambda: betting_effect([0.5], [True], 1.0, 0, 1), "leaves an arm without units"),
        (lambda: betting_effect([0.5, 0.1], [True], 0.5, 0, 1), "not one a unit"),
    ],
)
def test_what_cannot_be_bet_on_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()
