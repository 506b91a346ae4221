"""Epsilon-greedy: a fixed share explores evenly, the rest goes to the arm with the highest mean so far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.bandits.policy import shared, values
from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally
from seatrial.spec.errors import BadInput


@dataclass(frozen=True)
class EpsilonGreedy:
    """Arms without rewards come first; ties are shared.

    Attributes:
        epsilon: Share of traffic that explores, 0 to 1.

    References:
        Sutton, Barto (2018), Reinforcement learning, 2nd edition, section 2.2.
    """

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise BadInput(f"epsilon {self.epsilon:g} is not a share between 0 and 1")

    @property
    def least(self) -> int:
        """Rewards that every arm needs first."""
        return 0

    @property
    def bounded(self) -> bool:
        """Whether rewards must lie between 0 and 1."""
        return False

    def weights(self, tallies: Sequence[Tally], penalties: Sequence[float] | None = None) -> Floats:
        """Chances of the arms, shape [K]."""
        means = values(tallies, penalties)
        unseen = np.array([tally.n <= 0 for tally in tallies])
        greedy = shared(unseen.astype(np.float64)) if unseen.any() else shared(means)
        weights: Floats = self.epsilon / len(means) + (1 - self.epsilon) * greedy
        return weights
