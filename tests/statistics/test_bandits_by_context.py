"""Off-policy estimates on what a bandit by context has drawn and logged, in worlds of known truth."""

import numpy as np
import pytest
from scipy.stats import binom

from seatrial.bandits import LinearThompson, Logged, Regression, SquareCB, fixed, off_policy

WORLDS, EPOCHS, UNITS = 60, 6, 300
"""Two arms, each good for one sign of a feature: whichever of them alone earns 0.5."""


def past(policy: SquareCB | LinearThompson, rng: np.random.Generator) -> Logged:
    """What the policy did and learned, epoch by epoch, with the chances that it drew by."""
    arms = [Regression.empty(2), Regression.empty(2)]
    kept = []
    for _ in range(EPOCHS):
        published = policy.publish(arms, 0.05)
        contexts = np.column_stack([np.ones(UNITS), rng.normal(size=UNITS)])
        chances = np.array([published.shares(context) for context in contexts])
        got = (rng.random(UNITS) < chances[:, 1]).astype(np.int64)
        good = (got == 0) == (contexts[:, 1] > 0)
        rewards = (rng.random(UNITS) < np.where(good, 0.7, 0.3)).astype(np.float64)
        arms = [arm.with_rewards(contexts[got == i], rewards[got == i] - 0.5) for i, arm in enumerate(arms)]
        kept.append((got, rewards, chances, contexts[:, 1:]))
    got, rewards, chances, contexts = (np.concatenate(column) for column in zip(*kept, strict=True))
    n = np.arange(got.size)
    return Logged(n, got, rewards, chances[n, got], contexts, chances)


@pytest.mark.parametrize("policy", [SquareCB(), LinearThompson()], ids=["squarecb", "linear-thompson"])
def test_one_arm_for_everybody_is_covered_by_the_logged_vectors(policy: SquareCB | LinearThompson) -> None:
    rng = np.random.default_rng(8)
    hits, earned = dict.fromkeys(("ips", "snips", "doubly-robust"), 0), []
    for _ in range(WORLDS):
        logged = past(policy, rng)
        found = off_policy(logged, fixed(logged, 1, 2))
        assert not found.refusals
        earned.append(found.earned)
        for method in hits:
            one = found.estimate(method)  # type: ignore[arg-type]
            hits[method] += one.lower <= 0.5 <= one.upper
    assert np.mean(earned) > 0.6
    assert min(hits.values()) >= binom.ppf(0.001, WORLDS, 0.93), hits


def test_even_chances_instead_of_the_logged_ones_would_be_found_out() -> None:
    """By which the test above can fail: what was drawn was not drawn evenly, and the mean weight says so or the
    estimate is far off."""
    rng = np.random.default_rng(9)
    logged = past(SquareCB(), rng)
    half = np.full((logged.arms.size, 2), 0.5)
    told = Logged(logged.units, logged.arms, logged.rewards, half[:, 0], logged.contexts, half)
    found = off_policy(told, fixed(logged, 1, 2))
    assert found.refusals or abs(found.estimate("snips").value - 0.5) > 4 * found.estimate("snips").se
