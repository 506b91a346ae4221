"""Linear Thompson sampling: each arm's reward is a line in the context, with independent normal posteriors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits.normal_best import normal_shares
from seatrial.bandits.posterior import Floats
from seatrial.bandits.regression import Regression
from seatrial.spec.errors import BadInput

_LEAST_NOISE = 1e-6
_TINY = 1e-300


@dataclass(frozen=True)
class LinearBelief:
    """What of the policy a gateway needs, frozen for an epoch.

    Attributes:
        coefficients: Of each arm's line, shape [K, d].
        spreads: Of each arm, shape [K, d, d]: |spread · x| is the deviation of the line at x.
        floor: Least chance of every arm.
    """

    coefficients: Floats
    spreads: Floats
    floor: float = 0.0

    def chances(self, context: Floats) -> Floats:
        """P(arm is best) for one context [d], shape [K]."""
        return np.array(self.shares(context))

    def shares(self, context: Floats) -> list[float]:
        """The same as a list: of a few numbers that is quicker."""
        count, width = self.coefficients.shape
        both = self._rows.dot(context)
        away = both[count:].reshape(count, width)
        np.multiply(away, away, away)
        variances: list[float] = away.dot(self._ones).tolist()
        weights = normal_shares(both[:count].tolist(), [sqrt(variance + _TINY) for variance in variances])
        floor, rest = self.floor, 1.0 - len(weights) * self.floor
        return [floor + rest * weight for weight in weights] if floor else weights

    def drawn(self, contexts: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """Arms drawn by the chances of many contexts [n, d], shape [n]: the best ones of a draw of every line."""
        means = contexts @ self.coefficients.T
        sds = np.sqrt(np.square(contexts @ self.spreads.transpose(0, 2, 1)).sum(axis=2)).T
        best = (means + sds * rng.standard_normal(means.shape)).argmax(axis=1)
        count = means.shape[1]
        by_floor = rng.random(best.size) < count * self.floor
        found: NDArray[np.int64] = np.where(by_floor, rng.integers(0, count, best.size), best)
        return found

    @cached_property
    def _ones(self) -> Floats:
        return np.ones(self.coefficients.shape[1])

    @cached_property
    def _rows(self) -> Floats:
        """The coefficients, then all rows of all spreads, shape [K + K · d, d]."""
        return np.vstack([self.coefficients, self.spreads.reshape(-1, self.spreads.shape[-1])])


@dataclass(frozen=True)
class LinearThompson:
    """Weights that are P(arm is best at this context).

    Attributes:
        exploration: Multiplies the posterior deviation; 1 is the posterior itself.

    References:
        Agrawal, Goyal (2013), Thompson sampling for contextual bandits with linear payoffs. ICML (here with one
        independent line an arm).
    """

    exploration: float = 1.0

    def publish(self, arms: Sequence[Regression], floor: float = 0.0) -> LinearBelief:
        """The policy for the next epoch; the noise is that of all arms' rewards together, 1 before there are enough."""
        if not arms:
            raise BadInput("a bandit without arms cannot choose; name at least two")
        known = [arm for arm in arms if arm.n > arm.cross.size]
        total = sum(arm.n for arm in known)
        noise = (sum(arm.n * arm.noise**2 for arm in known) / total) ** 0.5 if known else 1.0
        scale = self.exploration * max(noise, _LEAST_NOISE)
        return LinearBelief(
            coefficients=np.stack([arm.coefficients for arm in arms]),
            spreads=np.stack([scale * arm.spread for arm in arms]),
            floor=floor,
        )
