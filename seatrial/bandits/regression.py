"""Online ridge regression of an arm's reward on a context: sums that grow reward by reward and merge exactly."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from seatrial.bandits.posterior import Floats
from seatrial.spec.errors import BadInput


@dataclass(frozen=True)
class Regression:
    """What is known of one arm, whose reward is taken as a line in the context.

    Attributes:
        gram: Σ x xᵀ, shape [d, d].
        cross: Σ x r, shape [d].
        squares: Σ r².
        n: Number of rewards (or sum of their weights).
        ridge: Prior precision of every coefficient, above 0.

    References:
        Hoerl, Kennard (1970), Ridge regression. Technometrics 12(1). Bishop (2006), section 3.3 (its posterior).
    """

    gram: Floats
    cross: Floats
    squares: float = 0.0
    n: float = 0.0
    ridge: float = 1.0

    @classmethod
    def empty(cls, width: int, ridge: float = 1.0) -> "Regression":
        """Before any reward, for contexts of ``width`` numbers."""
        if not ridge > 0:
            raise BadInput(f"a ridge of {ridge:g} is not above 0")
        return cls(np.zeros((width, width)), np.zeros(width), ridge=ridge)

    def with_rewards(self, contexts: Floats, rewards: Floats, weights: Floats | None = None) -> "Regression":
        """With more rewards: contexts [n, d], rewards [n], weights [n] (None: 1 each)."""
        if contexts.shape != (rewards.size, self.cross.size):
            raise BadInput(f"contexts have the shape {contexts.shape}; expected [{rewards.size}, {self.cross.size}]")
        counts = np.ones(rewards.size) if weights is None else weights
        weighted = contexts * counts[:, None]
        return Regression(
            gram=self.gram + weighted.T @ contexts,
            cross=self.cross + weighted.T @ rewards,
            squares=self.squares + float((counts * rewards * rewards).sum()),
            n=self.n + float(counts.sum()),
            ridge=self.ridge,
        )

    def merge(self, other: "Regression") -> "Regression":
        """Both together; their ridge must be the same."""
        if self.ridge != other.ridge:
            raise BadInput(f"regressions with ridges {self.ridge:g} and {other.ridge:g} cannot be merged")
        return Regression(
            self.gram + other.gram, self.cross + other.cross, self.squares + other.squares, self.n + other.n, self.ridge
        )

    @cached_property
    def coefficients(self) -> Floats:
        """Shape [d]."""
        found: Floats = cho_solve((self._root, True), self.cross)
        return found

    @property
    def noise(self) -> float:
        """Standard deviation of a reward around the line; 0 up to d of them."""
        if self.n <= self.cross.size:
            return 0.0
        left = self.squares - float(self.coefficients @ (2 * self.cross - self.gram @ self.coefficients))
        return float(np.sqrt(max(left, 0.0) / (self.n - self.cross.size)))

    @cached_property
    def spread(self) -> Floats:
        """Shape [d, d]: |spread · x| is the posterior deviation of the line at x, for a noise of 1."""
        found: Floats = solve_triangular(self._root, np.eye(self.cross.size), lower=True)
        return found

    @cached_property
    def _root(self) -> Floats:
        root: Floats = cho_factor(self.gram + self.ridge * np.eye(self.cross.size), lower=True)[0]
        return np.tril(root)
