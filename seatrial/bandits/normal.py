"""Normal posterior: the mean of any rewards with a finite variance, from fifty of them an arm on."""

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally

LEAST = 50
"""Rewards an arm must have: below, the variance of skewed ones (revenue) is not known well enough to act on."""


@dataclass(frozen=True)
class Normal:
    """Normal(mean, sd²), sd above 0: a flat prior, and the rewards' own variance taken as known."""

    mean: float
    sd: float

    @classmethod
    def of(cls, tally: Tally, least_sd: float = 0.0) -> "Normal":
        """From rewards, at least two of them.

        Args:
            tally: The rewards.
            least_sd: The deviation where the rewards do not vary at all.
        """
        return cls(tally.mean, max(math.sqrt(tally.variance / tally.n), least_sd, 1e-300))

    def below(self, x: Floats) -> Floats:
        """P(mean ≤ x)."""
        found: Floats = ndtr((x - self.mean) / self.sd)
        return found

    def quantile(self, p: Floats) -> Floats:
        """The inverse of ``below``."""
        found: Floats = self.mean + self.sd * ndtri(p)
        return found
