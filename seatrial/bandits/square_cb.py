"""SquareCB: a contextual bandit from any regression, by inverse gap weighting."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits.posterior import Floats
from seatrial.bandits.regression import Regression
from seatrial.spec.errors import BadInput

_SCALE = 10.0


@dataclass(frozen=True)
class InverseGap:
    """What of a SquareCB policy a gateway needs, frozen for an epoch.

    Attributes:
        coefficients: Of each arm's line, shape [K, d].
        gamma: How greedy it is; at least 0.
        floor: Least chance of every arm.
    """

    coefficients: Floats
    gamma: float
    floor: float = 0.0

    def chances(self, context: Floats) -> Floats:
        """Chances of the arms for one context [d], shape [K]: 1 / (K + γ gap), the rest to the best."""
        return np.array(self.shares(context))

    def drawn(self, contexts: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """Arms drawn by the chances of many contexts [n, d], shape [n]."""
        predicted = (contexts @ self.coefficients.T).clip(0.0, 1.0)
        leaders, count = predicted.argmax(axis=1), predicted.shape[1]
        weights = 1.0 / (count + self.gamma * (predicted.max(axis=1, keepdims=True) - predicted))
        rows = np.arange(leaders.size)
        weights[rows, leaders] = 0.0
        weights[rows, leaders] = 1.0 - weights.sum(axis=1)
        weights = self.floor + (1.0 - count * self.floor) * weights
        places = np.cumsum(weights, axis=1) < rng.random(leaders.size)[:, None]
        found: NDArray[np.int64] = np.minimum(places.sum(axis=1), count - 1)
        return found

    def shares(self, context: Floats) -> list[float]:
        """The same as a list: of a few numbers that is quicker."""
        predicted = [0.0 if value < 0.0 else min(value, 1.0) for value in self.coefficients.dot(context).tolist()]
        top, count, gamma, floor = max(predicted), len(predicted), self.gamma, self.floor
        leader = predicted.index(top)
        weights = [1.0 / (count + gamma * (top - value)) for value in predicted]
        weights[leader] = 0.0
        weights[leader] = 1.0 - math.fsum(weights)
        rest = 1.0 - count * floor
        return [floor + rest * weight for weight in weights] if floor else weights


@dataclass(frozen=True)
class SquareCB:
    """Chances p_a = 1 / (K + γ (ŷ_best − ŷ_a)) with γ = 10 √t, the best arm taking the rest; rewards in [0, 1].

    Attributes:
        scale: The 10.

    References:
        Foster, Rakhlin (2020), Beyond UCB: optimal and efficient contextual bandits with regression oracles. ICML,
        algorithm 1; γ after Foster, Gentile, Mohri, Zimmert (2020), NeurIPS.
    """

    scale: float = _SCALE

    def publish(self, arms: Sequence[Regression], floor: float = 0.0) -> InverseGap:
        """The policy for the next epoch.

        Args:
            arms: One regression an arm, all of one width.
            floor: Least chance of every arm, mixed in after.
        """
        if not arms:
            raise BadInput("a bandit without arms cannot choose; name at least two")
        rewards = sum(arm.n for arm in arms)
        return InverseGap(np.stack([arm.coefficients for arm in arms]), self.scale * math.sqrt(rewards), floor)
