"""What a bandit remembers of an arm: count, mean and spread of its rewards. Merged exactly; weights may be fractions.

A count is a number of records (one unit in one epoch), or a sum of weights where old rewards are forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.spec.errors import BadInput


@dataclass(frozen=True)
class Tally:
    """The rewards of one arm.

    Attributes:
        n: How many, at least 0; fractions where rewards are weighted.
        mean: Of the rewards; 0 without any.
        m2: Sum of squared differences from the mean, at least 0.
        positive: How many rewards are above 0, at most ``n``.

    References:
        Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance. The American Statistician 37(3).
    """

    n: float = 0.0
    mean: float = 0.0
    m2: float = 0.0
    positive: float = 0.0

    @classmethod
    def of(cls, rewards: Sequence[float] | NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> "Tally":
        """Of rewards, shape [n], each counted once or by its weight.

        Raises:
            BadInput: A reward is not a finite number, or a weight is not one above or equal to 0.
        """
        values = np.asarray(rewards, dtype=np.float64)
        counts = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
        if counts.shape != values.shape or values.ndim != 1:
            raise BadInput(f"rewards have the shape {values.shape} and weights {counts.shape}; both must be [n]")
        if not np.isfinite(values).all():
            raise BadInput(f"reward {values[~np.isfinite(values)][0]} is not a finite number; leave it out")
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise BadInput("a weight of a reward is not a finite number of at least 0")
        n = float(counts.sum())
        if n == 0:
            return cls()
        mean = float((counts * values).sum()) / n
        m2 = float((counts * (values - mean) ** 2).sum())
        return cls(n, mean, m2, float(counts[values > 0].sum()))

    @property
    def total(self) -> float:
        """Sum of the rewards."""
        return self.n * self.mean

    @property
    def variance(self) -> float:
        """Of the rewards, unbiased; 0 up to one of them."""
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0

    def merge(self, other: "Tally") -> "Tally":
        """Both together."""
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        gap = other.mean - self.mean
        return Tally(
            n=n,
            mean=self.mean + gap * other.n / n,
            m2=self.m2 + other.m2 + gap * gap * self.n * other.n / n,
            positive=self.positive + other.positive,
        )

    def at_most(self, n: float) -> "Tally":
        """The same rewards counting for at most ``n``: what was known before may weigh less than it did."""
        if self.n <= n:
            return self
        share = n / self.n
        return Tally(n=n, mean=self.mean, m2=self.m2 * share, positive=self.positive * share)

    def scaled(self, low: float, high: float) -> "Tally":
        """Of the rewards mapped from [low, high] to [0, 1].

        Raises:
            BadInput: Their mean is outside, so some of them are.
        """
        span = high - low
        if self.n == 0:
            return self
        mean = (self.mean - low) / span
        slack = 1e-9
        if not -slack <= mean <= 1 + slack:
            raise BadInput(
                f"rewards with a mean of {self.mean:g} lie outside the declared range {low:g} to {high:g}; "
                "declare the range that they have"
            )
        return Tally(self.n, min(max(mean, 0.0), 1.0), self.m2 / (span * span), self.positive)
