"""Worlds of two-valued rewards, as tables that every contestant reads: what each arm would have given at each step.

It imports nothing but numpy, since the rivals read it in environments of their own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TEN = (0.5, *(0.4,) * 9)


@dataclass(frozen=True)
class World:
    """Arms and how long they are played.

    Attributes:
        name: For tables.
        shares: Of each arm, the chance of a reward of 1.
        horizon: Steps.
        after: Shares from half-way on; empty: they stay.
    """

    name: str
    shares: tuple[float, ...]
    horizon: int
    after: tuple[float, ...] = ()

    def means(self, seed: int) -> NDArray[np.float64]:
        """Expected rewards, shape [horizon, K]; which arm is which changes with the seed, so that no order helps."""
        table = np.tile(np.array(self.shares), (self.horizon, 1))
        if self.after:
            table[self.horizon // 2 :] = self.after
        return table[:, np.random.default_rng([seed, 7]).permutation(len(self.shares))]

    def rewards(self, seed: int) -> NDArray[np.float64]:
        """What each arm gives at each step, shape [horizon, K]."""
        draws = np.random.default_rng([seed, self.horizon, len(self.shares)]).random((self.horizon, len(self.shares)))
        return (draws < self.means(seed)).astype(np.float64)

    def regret(self, chosen: NDArray[np.int64], seed: int) -> float:
        """Of arms chosen, shape [horizon]: Σ of the best arm's expected reward less the chosen one's."""
        means = self.means(seed)
        return float((means.max(axis=1) - means[np.arange(self.horizon), chosen]).sum())


WORLDS = {
    world.name: world
    for world in (
        World("ten-1000", TEN, 1_000),
        World("ten-10000", TEN, 10_000),
        World("two", (0.9, 0.8), 10_000),
        World("three", (0.05, 0.04, 0.03), 10_000),
        World("switch", TEN, 10_000, after=(0.4, 0.5, *(0.4,) * 8)),
    )
}
