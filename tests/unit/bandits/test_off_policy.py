"""Off-policy estimates against their formulas by hand, and every refusal."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from seatrial.bandits import Logged, fixed, off_policy, overlap
from seatrial.bandits.outcome_model import folds_of
from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]


def two_arms(n: int = 400, chance: float = 0.5, seed: int = 1) -> Logged:
    rng = np.random.default_rng(seed)
    arms = (rng.random(n) >= chance).astype(np.int64)
    rewards = (rng.random(n) < np.where(arms == 0, 0.3, 0.6)).astype(np.float64)
    return Logged(np.arange(n), arms, rewards, np.where(arms == 0, chance, 1 - chance))


def test_ips_and_snips_by_hand() -> None:
    logged = two_arms()
    target = np.tile([0.3, 0.7], (400, 1))
    found = off_policy(logged, target)
    weights = np.where(logged.arms == 0, 0.6, 1.4)
    scores = weights * logged.rewards
    assert found.estimate("ips").value == pytest.approx(scores.mean())
    assert found.estimate("ips").se == pytest.approx(scores.std(ddof=1) / 20)
    assert found.estimate("snips").value == pytest.approx(scores.sum() / weights.sum())
    assert found.overlap.effective_sample == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert (found.overlap.largest_weight, found.overlap.mean_weight) == (1.4, pytest.approx(weights.mean()))
    assert found.earned == logged.rewards.mean()


def test_doubly_robust_and_switch_by_hand_with_a_model_of_ones_own() -> None:
    logged = two_arms()
    target, model = np.tile([0.3, 0.7], (400, 1)), np.tile([0.35, 0.55], (400, 1))
    found = off_policy(logged, target, model=model)
    residuals = logged.rewards - np.where(logged.arms == 0, 0.35, 0.55)
    scores = 0.3 * 0.35 + 0.7 * 0.55 + np.where(logged.arms == 0, 0.6, 1.4) * residuals
    assert found.estimate("doubly-robust").value == pytest.approx(scores.mean())
    assert found.estimate("switch").value == pytest.approx(scores.mean())  # no weight is large: nothing is left out
    assert found.estimate("direct").value == pytest.approx(0.3 * 0.35 + 0.7 * 0.55)


def test_without_contexts_the_model_is_the_arms_mean() -> None:
    logged = two_arms(4000)
    found = off_policy(logged, fixed(logged, 1, 2))
    mean = logged.rewards[logged.arms == 1].mean()
    se = logged.rewards[logged.arms == 1].std(ddof=1) / math.sqrt((logged.arms == 1).sum())
    assert found.estimate("direct").value == pytest.approx(mean, abs=1e-3)
    assert found.estimate("direct").se == pytest.approx(se, rel=0.02)


def test_switch_leaves_the_rare_and_heavy_to_the_model() -> None:
    rng = np.random.default_rng(4)
    n = 4000
    arms = (rng.random(n) < 0.004).astype(np.int64)
    rewards = rng.normal(1.0, 0.1, n)
    logged = Logged(np.arange(n), arms, rewards, np.where(arms == 1, 0.004, 0.996))
    target = np.tile([0.97, 0.03], (n, 1))
    found = off_policy(logged, target, model=np.tile([1.0, 1.0], (n, 1)))
    assert found.estimate("switch").se <= found.estimate("doubly-robust").se
    assert found.estimate("switch").value == pytest.approx(1.0, abs=0.02)


def test_the_logging_policy_itself_is_what_was_earned() -> None:
    logged = two_arms()
    found = off_policy(logged, np.tile([0.5, 0.5], (400, 1)))
    assert found.estimate("ips").value == pytest.approx(logged.rewards.mean())
    assert found.overlap.effective_sample == pytest.approx(400)


def test_folds_hold_whole_units() -> None:
    units = np.repeat(np.arange(100), 3)
    folds = folds_of(units, seed=1)
    assert all(np.unique(folds[units == unit]).size == 1 for unit in range(100))
    assert np.bincount(folds).tolist() == [60] * 5


def reasons(logged: Logged, target: Floats) -> str:
    found = off_policy(logged, target)
    assert found.estimates == ()
    with pytest.raises(BadInput, match="there is no estimate"):
        found.estimate("ips")
    return " ".join(found.refusals)


def test_it_refuses_what_was_never_tried() -> None:
    logged = two_arms()
    chance = logged.propensities.copy()
    chance[:3] = (0.0, 1e-5, 0.5)
    hurt = Logged(logged.units, logged.arms, logged.rewards, chance)
    assert "In 2 rows an arm that the target policy would have used had a chance of 0" in reasons(
        hurt, np.tile([0.5, 0.5], (400, 1))
    )
    only_one = Logged(logged.units, np.zeros(400, dtype=np.int64), logged.rewards, np.ones(400))
    assert "uses arm 1, which nobody got" in reasons(only_one, np.tile([0.5, 0.5], (400, 1)))
    # What the target would not have done either does not matter.
    assert off_policy(only_one, fixed(only_one, 0, 2)).refusals == ()


def test_it_refuses_where_the_targets_arm_had_no_chance_though_nobody_got_it_there() -> None:
    """Rows in which an arm had no chance are rows of other arms: only the chances of all arms show them."""
    rng = np.random.default_rng(3)
    second = np.where(np.arange(4000) < 400, 0.0, 0.2)
    arms = (rng.random(4000) < second).astype(np.int64)
    rewards = (rng.random(4000) < np.where(second == 0, 0.9, 0.1)).astype(np.float64)
    chances = np.column_stack([1 - second, second])
    logged = Logged(np.arange(4000), arms, rewards, chances[np.arange(4000), arms], chances=chances)
    assert "In 400 rows an arm that the target policy would have used had a chance" in reasons(
        logged, fixed(logged, 1, 2)
    )
    assert "In 400 rows" in reasons(logged, np.tile([0.99, 0.01], (4000, 1)))
    # Of two arms a propensity of 1 says as much of the other.
    silent = Logged(logged.units, logged.arms, logged.rewards, logged.propensities)
    assert "In 400 rows" in reasons(silent, fixed(logged, 1, 2))
    assert off_policy(silent, fixed(logged, 0, 2)).refusals == ()
    assert off_policy(logged, fixed(logged, 0, 2)).refusals == ()


def test_it_refuses_a_small_effective_sample() -> None:
    assert "effective sample is 80 units, below 100" in reasons(two_arms(80), np.tile([0.5, 0.5], (80, 1)))


def test_it_refuses_weights_that_do_not_average_one() -> None:
    logged = two_arms(4000, 0.8)
    told_even = Logged(logged.units, logged.arms, logged.rewards, np.full(4000, 0.5))
    assert "instead of 1, by more than 4 standard errors" in reasons(told_even, np.tile([0.2, 0.8], (4000, 1)))


def test_it_refuses_where_one_unit_carries_the_weight() -> None:
    logged = two_arms()
    units = logged.units.copy()
    units[:60] = 0
    one = Logged(units, logged.arms, logged.rewards, logged.propensities)
    assert "One unit carries 1" in reasons(one, np.tile([0.5, 0.5], (400, 1)))


def test_no_rows_are_no_answer() -> None:
    empty = np.zeros(0)
    nothing = Logged(empty.astype(np.int64), empty.astype(np.int64), empty, empty)
    assert "no row" in reasons(nothing, np.zeros((0, 2)))
    assert overlap(nothing, np.zeros((0, 2))).effective_sample == 0


def test_columns_that_do_not_fit_are_refused() -> None:
    logged = two_arms()
    with pytest.raises(BadInput, match="expected \\[400, arms\\]"):
        off_policy(logged, np.ones((3, 2)))
    with pytest.raises(BadInput, match="a sum of 1"):
        off_policy(logged, np.tile([0.5, 0.6], (400, 1)))
    with pytest.raises(BadInput, match="a row is of arm 1; the target policy knows 1"):
        off_policy(logged, np.ones((400, 1)))
    with pytest.raises(BadInput, match="reward nan"):
        Logged(logged.units, logged.arms, np.full(400, np.nan), logged.propensities)
    with pytest.raises(BadInput, match="propensity of 2"):
        Logged(logged.units, logged.arms, logged.rewards, np.full(400, 2.0))
    with pytest.raises(BadInput, match="all must be"):
        Logged(logged.units[:5], logged.arms, logged.rewards, logged.propensities)
    with pytest.raises(BadInput, match="3 contexts for 400 rows"):
        Logged(logged.units, logged.arms, logged.rewards, logged.propensities, np.ones((3, 1)))
    with pytest.raises(BadInput, match="3 rows of chances for 400 rows"):
        Logged(logged.units, logged.arms, logged.rewards, logged.propensities, chances=np.ones((3, 2)))
    three = Logged(logged.units, logged.arms, logged.rewards, logged.propensities, chances=np.ones((400, 3)))
    with pytest.raises(BadInput, match="the chances have the shape"):
        off_policy(three, np.tile([0.5, 0.5], (400, 1)))
    with pytest.raises(BadInput, match="the model has the shape"):
        off_policy(logged, np.tile([0.5, 0.5], (400, 1)), model=np.ones((400, 3)))
