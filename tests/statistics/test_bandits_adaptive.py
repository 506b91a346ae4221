"""Estimates under changing weights: equal arms are rarely called different, and a real difference is covered."""

import numpy as np
import pytest
from scipy.stats import binom

from seatrial.bandits import AdaptiveData, adaptive_effect
from seatrial.spec.errors import BadInput
from tests.statistics.adaptive_worlds import errors


def test_a_plain_test_finds_what_is_not_there_and_ours_does_not() -> None:
    """A smaller scene than `make adaptive` runs; the limits leave room for 300 worlds' chance."""
    found = errors(300, seed=11, share=0.3)
    assert found.naive > 0.06
    assert found.ours * 300 <= binom.ppf(0.999, 300, 0.06)


def data(n: int = 3000, seed: int = 1, floor: float = 0.1) -> AdaptiveData:
    """Arm 1 is better by 0.1; its chance goes up and down with the epoch, whatever it earns."""
    rng = np.random.default_rng(seed)
    epochs = np.arange(n) // 100
    chance = floor + (1 - 2 * floor) * (np.sin(epochs) + 1) / 2
    arms = (rng.random(n) < chance).astype(np.int64)
    rewards = (rng.random(n) < np.where(arms == 1, 0.5, 0.4)).astype(np.float64)
    return AdaptiveData(np.arange(n), epochs, arms, rewards, np.column_stack([1 - chance, chance]))


def test_a_difference_is_covered() -> None:
    found = [adaptive_effect(data(seed=seed), 1, 0) for seed in range(300)]
    covered = sum(one.lower <= 0.1 <= one.upper for one in found)
    assert binom.ppf(0.001, 300, 0.95) <= covered
    assert np.mean([one.effect for one in found]) == pytest.approx(0.1, abs=4 * found[0].se / np.sqrt(300))


def test_constant_chances_are_a_plain_doubly_robust_difference() -> None:
    world = data()
    even = AdaptiveData(world.units, world.epochs, world.arms, world.rewards, np.full((world.rewards.size, 2), 0.5))
    found = adaptive_effect(even, 1, 0)
    one_epoch = AdaptiveData(even.units, np.zeros(3000, dtype=np.int64), even.arms, even.rewards, even.chances)
    plain = np.where(even.arms == 1, even.rewards / 0.5, -even.rewards / 0.5)
    assert adaptive_effect(one_epoch, 1, 0).effect == pytest.approx(plain.mean())
    assert adaptive_effect(one_epoch, 1, 0).se == pytest.approx(plain.std() / np.sqrt(3000), rel=1e-3)
    assert found.se < adaptive_effect(one_epoch, 1, 0).se  # the earlier epochs' means take noise away


def test_rows_of_one_unit_are_not_more_evidence() -> None:
    world = data()
    rows = np.repeat(np.arange(3000), 2)
    twice = AdaptiveData(
        world.units[rows], world.epochs[rows], world.arms[rows], world.rewards[rows], world.chances[rows]
    )
    assert adaptive_effect(twice, 1, 0).se == pytest.approx(adaptive_effect(world, 1, 0).se, rel=1e-6)


def test_later_rewards_do_not_change_what_earlier_rows_are_judged_by() -> None:
    world = data()
    changed = world.rewards.copy()
    changed[-100:] = 1 - changed[-100:]
    before, after = (
        adaptive_effect(AdaptiveData(world.units, world.epochs, world.arms, rewards, world.chances), 1, 0)
        for rewards in (world.rewards, changed)
    )
    # Only the hundred last rows' own scores may move it: each by at most 1 / (0.1 · Σ√e), for both arms.
    bound = 100 * (1 / 0.1) * 2 / np.sqrt(world.chances).sum(axis=0).min()
    assert abs(before.effect - after.effect) <= bound


def test_an_arm_without_a_chance_is_refused() -> None:
    world = data()
    chances = world.chances.copy()
    chances[200:300] = (1.0, 0.0)
    hurt = AdaptiveData(world.units, world.epochs, world.arms, world.rewards, chances)
    with pytest.raises(BadInput, match=r"arm 1 had a chance of 0 in some epoch, .* give the bandit a floor above 0"):
        adaptive_effect(hurt, 1, 0)


def test_rows_out_of_order_and_columns_that_do_not_fit_are_refused() -> None:
    world = data()
    with pytest.raises(BadInput, match="out of order"):
        adaptive_effect(AdaptiveData(world.units, world.epochs[::-1], world.arms, world.rewards, world.chances), 1, 0)
    with pytest.raises(BadInput, match="different lengths"):
        adaptive_effect(AdaptiveData(world.units[:5], world.epochs, world.arms, world.rewards, world.chances), 1, 0)
    with pytest.raises(BadInput, match="arm 2 is not one of 2"):
        adaptive_effect(world, 2, 0)
    nothing = np.zeros(0, dtype=np.int64)
    with pytest.raises(BadInput, match="no row"):
        adaptive_effect(AdaptiveData(nothing, nothing, nothing, np.zeros(0), np.zeros((0, 2))), 1, 0)
