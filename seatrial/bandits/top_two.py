"""Top-two Thompson sampling: half the traffic to the likely best arm, half to its likeliest rival.

Thompson sampling is slow to become sure which arm is best, since it soon plays hardly any other; this one is meant for
finding the best arm, at the price of more regret on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.bandits.best import best
from seatrial.bandits.policy import values
from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally
from seatrial.bandits.thompson import Reward, Thompson, posteriors

_SURE = 1e-9
"""Below that the others' chances are too small to compare, and the rival is the best of them among themselves."""


@dataclass(frozen=True)
class TopTwo:
    """With chance ``leader`` the drawn best arm, else the first other arm that a repeated draw calls best.

    Attributes:
        reward: As in ``Thompson``.
        leader: Between 0 and 1.

    References:
        Russo (2020), Simple Bayesian algorithms for best-arm identification. Operations Research 68(6).
    """

    reward: Reward = "binary"
    leader: float = 0.5

    @property
    def least(self) -> int:
        """Rewards that every arm needs first."""
        return Thompson(self.reward).least

    @property
    def bounded(self) -> bool:
        """Whether rewards must lie between 0 and 1."""
        return Thompson(self.reward).bounded

    def weights(self, tallies: Sequence[Tally], penalties: Sequence[float] | None = None) -> Floats:
        """Chances of the arms, shape [K]: α_i (β + (1 − β) Σ_{j≠i} α_j / (1 − α_j)) with α = P(arm is best)."""
        values(tallies, penalties)
        believed = posteriors(self.reward, tallies)
        chances = best(believed, penalties)
        if len(believed) == 1:
            return chances
        weights = self.leader * chances
        for index in np.flatnonzero(chances).tolist():
            others = np.delete(np.arange(len(believed)), index)
            rest = float(chances[others].sum())
            if rest > _SURE:
                rivals = chances[others] / rest
            else:
                theirs = None if penalties is None else [penalties[other] for other in others.tolist()]
                rivals = best([believed[other] for other in others.tolist()], theirs)
            weights[others] += (1 - self.leader) * chances[index] * rivals
        return weights
