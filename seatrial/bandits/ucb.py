"""Upper confidence bounds: the arm that could be best goes first. Within an epoch one arm gets everything."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.bandits.policy import shared, values
from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally


@dataclass(frozen=True)
class UCB:
    """UCB1, or UCB1-tuned, for rewards between 0 and 1. Arms without rewards come first; ties are shared.

    Attributes:
        tuned: Use the arms' own variances: narrower bounds, much less regret.

    References:
        Auer, Cesa-Bianchi, Fischer (2002), Finite-time analysis of the multiarmed bandit problem. Machine Learning 47:
        figure 1 (UCB1) and section 4 (tuned).
    """

    tuned: bool = False

    @property
    def least(self) -> int:
        """Rewards that every arm needs first."""
        return 0

    @property
    def bounded(self) -> bool:
        """Whether rewards must lie between 0 and 1."""
        return True

    def weights(self, tallies: Sequence[Tally], penalties: Sequence[float] | None = None) -> Floats:
        """All to the highest bound, shape [K]."""
        means = values(tallies, penalties)
        counts = np.array([tally.n for tally in tallies])
        if (counts <= 0).any():
            return shared((counts <= 0).astype(np.float64))
        return shared(means + self._width(tallies, counts))

    def _width(self, tallies: Sequence[Tally], counts: Floats) -> Floats:
        log = max(math.log(float(counts.sum())), 0.0)
        if not self.tuned:
            plain: Floats = np.sqrt(2 * log / counts)
            return plain
        spreads = np.array([tally.m2 / tally.n for tally in tallies])
        tuned: Floats = np.sqrt(log / counts * np.minimum(0.25, spreads + np.sqrt(2 * log / counts)))
        return tuned
