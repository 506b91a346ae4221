"""Betting sequences against their definition, by counting every path, and against the paper's own formula."""

import itertools
import math

import numpy as np
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.betting import betting_difference, betting_sequence, log_wealth
from seatrial.stats.bounded import Bounded, betting_effect, bounded_evidence, bounded_sequence, log_evidence
from seatrial.stats.contrast import Margin
from seatrial.stats.evidence import Level, Levels


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


def contrast_by_the_book(values: list[float], treated: list[bool], chances: list[float], m: float, f: float) -> float:
    """Wealth against "treatment - f·control is at most m", written down from the docstring, in loops; low 0, high 1."""
    wealth, precision, squares = 1.0, 0.0, 0.25
    sums = {True: [0.5, 1.0], False: [0.5, 1.0]}
    for i, (x, arm, p) in enumerate(zip(values, treated, chances, strict=True), start=1):
        c = min(max((1 - p) * sums[True][0] / sums[True][1] + p * sums[False][0] / sums[False][1], 0.0), 1.0)

        def number(value: float, arm: bool, p: float = p, c: float = c) -> float:
            return ((value - c) / p if arm else -f * (value - c) / (1 - p)) + (1 - f) * c

        variance = squares / i * (1 / p + f * f / (1 - p))
        precision += 1 / variance
        stake = math.sqrt(2 * math.log(1 / 0.025) / (precision * math.log(i + 1))) / variance
        floor = min(number(value, each) for value in (0.0, 1.0) for each in (True, False))
        wealth *= 1 + min(stake, 0.5 / (m - floor)) * (number(x, arm) - m)
        squares += (x - c) ** 2
        sums[arm][0] += x
        sums[arm][1] += 1
    return wealth


@pytest.mark.parametrize(("contrast", "factor"), [(0.0, 1.0), (-0.2, 1.0), (0.0, 0.9), (0.1, 1.3)])
def test_the_evidence_of_two_arms_is_as_written_down(contrast: float, factor: float) -> None:
    rng = np.random.default_rng(9)
    values, chances = rng.beta(2, 5, 80), np.where(np.arange(80) < 30, 0.05, 0.5)
    treated = rng.random(80) < chances
    expected = contrast_by_the_book(values.tolist(), treated.tolist(), chances.tolist(), contrast, factor)
    found = log_evidence(Bounded.of(values, treated, chances, 0, 1), contrast, 0.025, "lower", factor)
    assert found[-1] == pytest.approx(math.log(expected), rel=1e-9, abs=1e-12)


def test_with_one_chance_the_stakes_are_the_papers() -> None:
    """A treatment of ones and a control of minus ones around the centre: both arms' numbers are those of one arm."""
    rng = np.random.default_rng(5)
    scaled = Bounded.of(rng.beta(2, 5, 200), rng.random(200) < 0.5, 0.5, 0, 1)
    moved = Bounded.of(20 * scaled.values - 5, scaled.treated, 0.5, -5, 15)
    assert np.allclose(log_evidence(scaled, 0.1, 0.025, "lower"), log_evidence(moved, 2.0, 0.025, "lower"), rtol=1e-9)


def paths(values: list[list[float]], chances: list[float], m: float, factor: float) -> tuple[float, float, float]:
    """Over all assignments of units with known values in both arms: mean of the wealth, and how often it crosses 5."""
    mean = crossed = weight_of_all = 0.0
    for arms in itertools.product((False, True), repeat=len(chances)):
        weight = math.prod(p if arm else 1 - p for arm, p in zip(arms, chances, strict=True))
        seen = [pair[arm] for pair, arm in zip(values, arms, strict=True)]
        wealth = log_evidence(Bounded.of(seen, list(arms), chances, 0, 1), m, 0.2, "lower", factor)
        mean += weight * math.exp(wealth[-1])
        crossed += weight * (wealth.max() >= math.log(5))
        weight_of_all += weight
    return mean, crossed, weight_of_all


@pytest.mark.parametrize(("effect", "factor"), [(0.0, 1.0), (0.25, 1.0), (0.05, 0.8)])
def test_over_all_assignments_the_mean_wealth_is_one_and_it_seldom_crosses(effect: float, factor: float) -> None:
    """Units that differ, chances that change: exact, by enumeration; control's value and treatment's by unit."""
    controls = [0.1, 0.4, 0.6, 0.0, 0.3, 0.5, 0.2, 0.7, 0.35, 0.15]
    values = [[c, factor * c + effect] for c in controls]
    mean, crossed, whole = paths(values, [0.5, 0.3, 0.8, 0.1, 0.6, 0.5, 0.5, 0.2, 0.5, 0.4], effect, factor)
    assert whole == pytest.approx(1)
    assert mean == pytest.approx(1, rel=1e-9)
    assert crossed <= 0.2


def test_the_interval_of_two_arms_inverts_the_evidence_and_so_does_the_p_value() -> None:
    rng = np.random.default_rng(6)
    chance = np.where(np.arange(3000) < 1000, 0.05, 0.5)
    treated = rng.random(3000) < chance
    units = Bounded.of(rng.random(3000) < np.where(treated, 0.35, 0.25), treated, chance, 0, 1)
    interval = bounded_sequence(units, 0.05)
    level = math.log(2 / 0.05)
    assert log_evidence(units, interval.lower, 0.025, "lower")[-1] == pytest.approx(level, abs=1e-4)
    assert log_evidence(units, interval.upper, 0.025, "upper")[-1] == pytest.approx(level, abs=1e-4)
    known = bounded_evidence(units, Levels((Level(0.05, 2),), (Level(0.05, 2),)))
    for end, side in ((interval.lower, "lower"), (interval.upper, "upper")):
        assert known.p_value(Margin("absolute", end), side) == pytest.approx(0.025, rel=1e-3)  # type: ignore[arg-type]
    assert (known.p_value(Margin("absolute", 0.0), "two") <= 0.05) == (not interval.contains(0.0))
    relative = known.beyond(Margin("relative", 0.2))
    assert relative.lower == pytest.approx(bounded_sequence(units, 0.05, factor=1.2).lower)


def test_a_relative_margin_of_values_of_both_signs_is_asked_for_both() -> None:
    rng = np.random.default_rng(7)
    units = Bounded.of(rng.uniform(-1, 1, 500), rng.random(500) < 0.5, 0.5, -1, 1)
    known = bounded_evidence(units, Levels((Level(0.05, 2),), (Level(0.05, 2),)))
    both = [bounded_sequence(units, 0.05, factor=f) for f in (1.1, 0.9)]
    assert known.beyond(Margin("relative", 0.1)) == (min(b.lower for b in both), max(b.upper for b in both))


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
