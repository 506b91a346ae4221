"""Worlds whose truth is known, logged by a policy whose chances are known: for off-policy evaluation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits import Logged

Floats = NDArray[np.float64]
_POPULATION = 400_000


@dataclass(frozen=True)
class World:
    """Three arms, two context numbers; rewards are clicks whose chance is a line in the contexts (or a wave).

    Attributes:
        wavy: The chance is no line, so that a line is the wrong model.
        per_unit: Rows a unit; they share the unit's contexts and its liking.
    """

    wavy: bool = False
    per_unit: int = 1

    def click(self, contexts: Floats) -> Floats:
        """Chance of a click by arm, shape [n, 3]."""
        x, y = contexts.T
        bend = 0.25 * np.sin(3 * x) if self.wavy else 0.12 * x
        found: Floats = np.column_stack([0.4 + bend, 0.45 - bend, 0.42 + 0.1 * y])
        return found.clip(0.02, 0.98)

    def draw(self, units: int, rng: np.random.Generator) -> Logged:
        """Rows of so many units."""
        contexts = np.repeat(rng.uniform(-1, 1, (units, 2)), self.per_unit, axis=0)
        chances = logging(contexts)
        arms = (rng.random(len(contexts))[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
        rows = np.arange(len(contexts))
        liking = np.repeat(rng.uniform(-0.1, 0.1, units), self.per_unit) if self.per_unit > 1 else 0.0
        rewards = (rng.random(len(contexts)) < self.click(contexts)[rows, arms] + liking).astype(np.float64)
        return Logged(np.repeat(np.arange(units), self.per_unit), arms, rewards, chances[rows, arms], contexts)

    def truth(self) -> float:
        """What the target policy earns a row."""
        contexts = np.random.default_rng(99).uniform(-1, 1, (_POPULATION, 2))
        return float((self.click(contexts) * target(contexts)).sum(axis=1).mean())


def logging(contexts: Floats) -> Floats:
    """Chances by which was drawn, shape [n, 3]."""
    lean = 1 / (1 + np.exp(2 * contexts[:, 0]))
    return np.column_stack([0.1 + 0.5 * lean, 0.7 - 0.5 * lean, np.full(len(contexts), 0.2)])


def target(contexts: Floats) -> Floats:
    """Chances of the other policy, shape [n, 3]."""
    first = contexts[:, 0] > 0
    return np.column_stack([np.where(first, 0.8, 0.1), np.where(first, 0.1, 0.8), np.full(len(contexts), 0.1)])
