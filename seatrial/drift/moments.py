"""Count, mean and the central sums of powers two to four, merged exactly.

The fourth power is there because a test of a spread needs the tails: without it a heavy-tailed feature would alarm
whenever a window happens to hold one of its rare large values.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray


class Moments(msgspec.Struct, frozen=True):
    """Count, mean and Σ(x − mean)ᵏ for k = 2, 3, 4.

    References:
        P. Pébay, Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
        Moments, Sandia Report SAND2008-6212, 2008 (the general form of Chan, Golub and LeVeque, 1983).
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0
    m4: float = 0.0

    @classmethod
    def from_values(cls, values: NDArray[np.float64]) -> "Moments":
        """Of values whose fourth power is finite, shape [n]."""
        n = int(values.size)
        if n == 0:
            return cls()
        mean = float(values.mean())
        away = values - mean
        square = away * away
        return cls(n, mean, float(square.sum()), float((square * away).sum()), float((square * square).sum()))

    def merge(self, other: "Moments") -> "Moments":
        """Of both samples together."""
        return Moments.merged((self, other))

    @classmethod
    def merged(cls, parts: Sequence["Moments"]) -> "Moments":
        """Of all samples together: Σ(x − mean)ᵏ of a part about the mean of all, by the binomial theorem."""
        some = [part for part in parts if part.n]
        if len(some) < 2:
            return some[0] if some else cls()
        n, base = sum(part.n for part in some), some[0].mean
        mean = base + sum(part.n * (part.mean - base) for part in some) / n
        m2 = m3 = m4 = 0.0
        for part in some:
            gap = part.mean - mean
            square = gap * gap
            m2 += part.m2 + part.n * square
            m3 += part.m3 + gap * (3 * part.m2 + part.n * square)
            m4 += part.m4 + 4 * gap * part.m3 + square * (6 * part.m2 + part.n * square)
        return cls(n, mean, m2, m3, m4)

    @property
    def variance(self) -> float:
        """Unbiased; 0 below two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0

    @property
    def sd(self) -> float:
        """Square root of the variance."""
        return float(self.variance**0.5)

    @property
    def kurtosis(self) -> float:
        """Of the sample: 3 for a normal one, 0 where every value is the same."""
        return self.n * (self.m4 / self.m2) / self.m2 if self.m2 > 0 else 0.0
