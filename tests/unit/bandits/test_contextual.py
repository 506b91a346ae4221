"""Policies that choose by context: their formulas, their regression, and that they learn who likes what."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seatrial.bandits import LinearThompson, Normal, Regression, SquareCB, best
from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]


def learned(arms: int, n: int, seed: int) -> tuple[list[Regression], Floats]:
    """Regressions on n rewards an arm of known lines, and the lines [arms, 3]."""
    rng = np.random.default_rng(seed)
    lines = rng.uniform(-0.1, 0.1, (arms, 3)) + np.array([0.5, 0, 0])
    found = []
    for line in lines:
        contexts = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
        found.append(Regression.empty(3).with_rewards(contexts, contexts @ line + rng.normal(0, 0.05, n)))
    return found, lines


def test_a_regression_is_the_ridge_solution_and_grows_by_parts() -> None:
    rng = np.random.default_rng(1)
    contexts, rewards = rng.normal(size=(200, 4)), rng.normal(size=200)
    whole = Regression.empty(4, ridge=2.0).with_rewards(contexts, rewards)
    exact = np.linalg.solve(contexts.T @ contexts + 2 * np.eye(4), contexts.T @ rewards)
    assert whole.coefficients == pytest.approx(exact, rel=1e-9)
    assert whole.spread.T @ whole.spread == pytest.approx(
        np.linalg.inv(contexts.T @ contexts + 2 * np.eye(4)), rel=1e-9
    )
    parts = Regression.empty(4, ridge=2.0).with_rewards(contexts[:50], rewards[:50])
    parts = parts.merge(Regression.empty(4, ridge=2.0).with_rewards(contexts[50:], rewards[50:]))
    assert parts.coefficients == pytest.approx(exact, rel=1e-9)
    residual = rewards - contexts @ whole.coefficients
    assert whole.noise == pytest.approx(math.sqrt(float(residual @ residual) / 196), rel=1e-6)


def test_weights_of_rewards_count_as_repeats() -> None:
    contexts, rewards = np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([1.0, 0.0])
    weighted = Regression.empty(2).with_rewards(contexts, rewards, np.array([2.0, 1.0]))
    repeated = Regression.empty(2).with_rewards(contexts[[0, 0, 1]], rewards[[0, 0, 1]])
    assert weighted.coefficients == pytest.approx(repeated.coefficients)
    assert weighted.n == 3


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match=r"shape \(1, 2\); expected \[1, 3\]"):
        Regression.empty(3).with_rewards(np.ones((1, 2)), np.ones(1))
    with pytest.raises(BadInput, match="ridges 1 and 2"):
        Regression.empty(3).merge(Regression.empty(3, 2.0))
    with pytest.raises(BadInput, match="without arms"):
        SquareCB().publish([])
    with pytest.raises(BadInput, match="without arms"):
        LinearThompson().publish([])


def test_inverse_gap_weighting_is_the_papers() -> None:
    arms, _ = learned(4, 100, 2)
    context = np.array([1.0, 0.3, -0.7])
    predicted = np.array([float(arm.coefficients @ context) for arm in arms])
    gamma, leader = 10 * math.sqrt(400), int(predicted.argmax())
    expected = 1 / (4 + gamma * (predicted.max() - predicted))
    expected[leader] = 1 - np.delete(expected, leader).sum()
    assert SquareCB().publish(arms).chances(context) == pytest.approx(expected, rel=1e-9)
    floored = SquareCB().publish(arms, floor=0.05).chances(context)
    assert floored == pytest.approx(0.05 + 0.8 * expected, rel=1e-9)


def test_linear_thompson_is_the_chance_to_be_best_at_the_context() -> None:
    arms, _ = learned(3, 30, 4)
    context = np.array([1.0, 0.1, 0.2])
    noise = math.sqrt(sum(arm.n * arm.noise**2 for arm in arms) / 90)
    posteriors = [
        Normal(float(arm.coefficients @ context), noise * float(np.linalg.norm(arm.spread @ context))) for arm in arms
    ]
    assert LinearThompson().publish(arms).chances(context) == pytest.approx(best(posteriors), abs=1e-9)


@pytest.mark.parametrize("policy", [SquareCB(), LinearThompson()], ids=["square-cb", "linear-thompson"])
@given(seed=st.integers(0, 1000), floor=st.floats(0, 0.1), n=st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_chances_are_chances_above_the_floor(
    policy: SquareCB | LinearThompson, seed: int, floor: float, n: int
) -> None:
    arms, _ = learned(4, n, seed)
    context = np.array([1.0, *np.random.default_rng(seed).normal(size=2)])
    chances = policy.publish(arms, floor).chances(context)
    assert (chances >= floor - 1e-12).all()
    assert math.fsum(chances) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("policy", [SquareCB(), LinearThompson()], ids=["square-cb", "linear-thompson"])
def test_it_learns_who_likes_what(policy: SquareCB | LinearThompson) -> None:
    """Two arms, each good for one sign of a feature: no single arm earns over 0.5, the policy earns over 0.6."""
    rng = np.random.default_rng(7)
    arms = [Regression.empty(2), Regression.empty(2)]
    earned: list[float] = []
    for _ in range(20):
        published = policy.publish(arms)
        contexts = np.column_stack([np.ones(100), rng.normal(size=100)])
        chosen = np.array([rng.choice(2, p=published.chances(context)) for context in contexts])
        good = np.where(chosen == 0, contexts[:, 1] > 0, contexts[:, 1] <= 0)
        rewards = (rng.random(100) < np.where(good, 0.7, 0.3)).astype(np.float64)
        earned.append(float(rewards.mean()))
        arms = [arm.with_rewards(contexts[chosen == i], rewards[chosen == i]) for i, arm in enumerate(arms)]
    assert np.mean(earned[10:]) > 0.6
