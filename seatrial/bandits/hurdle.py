"""Hurdle posterior: revenue, where most units give nothing. A share that gives anything, times a positive mean.

The share has a Beta posterior; given anything, the amount is taken as exponential, whose mean has an inverse-gamma
posterior; the two are independent. A gamma or lognormal model alone has no zero and cannot be fitted to revenue.
Amounts of which the spread is far from their mean (lognormal with a σ of 2) make it too sure; `normal` is not.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betaincinv, digamma, gammaincc, ndtr, ndtri, polygamma

from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally
from seatrial.spec.errors import BadInput

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_STEPS = ndtr(np.linspace(-8.0, 8.0, 13))
_ROUNDS, _CLOSE = 60, 1e-11
PRIOR_SHAPE = 2.0


@dataclass(frozen=True)
class Hurdle:
    """The product of a Beta(a, b) share and an inverse-gamma(shape, scale) mean.

    Attributes:
        a, b: Of the share of units with a positive reward.
        shape: Of the mean of positive rewards; above 0.
        scale: Likewise, in the reward's unit; above 0.
    """

    a: float
    b: float
    shape: float
    scale: float

    @classmethod
    def of(cls, tally: Tally, typical: float) -> "Hurdle":
        """From rewards of at least 0.

        Args:
            tally: The rewards.
            typical: What a positive reward is expected to be before any is seen (the mean over all arms); above 0. It
                counts for about as much as two of them.

        Raises:
            BadInput: The mean reward is below 0.
        """
        if tally.mean < 0:
            raise BadInput(f"a mean reward of {tally.mean:g} is below 0, which `hurdle` does not know; use `normal`")
        return cls(
            a=1.0 + tally.positive,
            b=1.0 + tally.n - tally.positive,
            shape=PRIOR_SHAPE + tally.positive,
            scale=typical * (PRIOR_SHAPE - 1.0) + tally.total,
        )

    def below(self, x: Floats) -> Floats:
        """P(mean ≤ x): the chance for the positive mean, averaged over the share's own quantiles."""
        shares, weights = self._shares
        safe = np.maximum(x, 1e-300)[..., None]
        found: Floats = (gammaincc(self.shape, np.minimum(self.scale * shares / safe, 1e300)) * weights).sum(axis=-1)
        return np.where(x <= 0, 0.0, found).clip(0.0, 1.0)

    def quantile(self, p: Floats) -> Floats:
        """The inverse of ``below``: a bracketed secant search on the scale where log x is almost a line."""
        centre = float(digamma(self.a) - digamma(self.a + self.b) + math.log(self.scale) - digamma(self.shape))
        spread = math.sqrt(float(polygamma(1, self.a) + polygamma(1, self.shape) - polygamma(1, self.a + self.b)))
        result = np.empty(p.shape)
        flat = result.reshape(-1)
        wanted = np.ravel(p)
        depth = ndtri(wanted)
        at = centre + spread * depth.clip(-60, 60)
        low, high = np.full(at.shape, centre - 700.0), np.full(at.shape, centre + 700.0)
        slope = np.full(at.shape, spread)
        before, was = at, depth
        left = np.arange(at.size)
        for turn in range(_ROUNDS):
            found = self.below(np.exp(at))
            error = found - wanted[left]
            done = (np.abs(error) <= _CLOSE * np.minimum(wanted[left], 1 - wanted[left]) + 1e-16) | (high - low < 1e-13)
            flat[left[done]] = at[done]
            if done.all():
                break
            here = ndtri(found.clip(1e-300, 1 - 1e-16))
            if turn:
                with np.errstate(divide="ignore", invalid="ignore"):
                    tangent = (at - before) / (here - was)
                slope = np.where(np.isfinite(tangent) & (tangent > 0), tangent, slope)
            low, high = np.where(error < 0, at, low), np.where(error > 0, at, high)
            before, was = at, here
            fresh = at - slope * (here - depth[left])
            at = np.where((fresh > low) & (fresh < high), fresh, (low + high) / 2)
            keep = ~done
            left, at, before, was, slope, low, high = (v[keep] for v in (left, at, before, was, slope, low, high))
        else:
            flat[left] = at
        return np.exp(result)

    @cached_property
    def _shares(self) -> tuple[Floats, Floats]:
        low, high = _STEPS[:-1, None], _STEPS[1:, None]
        at = ((high + low) / 2 + (high - low) / 2 * _NODES).ravel()
        weights = ((high - low) / 2 * _WEIGHTS).ravel()
        return betaincinv(self.a, self.b, at), weights / weights.sum()
