"""Linear Thompson sampling: each arm's reward is a line in the context, with independent normal posteriors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.bandits.learning import floored
from seatrial.bandits.normal_best import normal_best
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
        count, width = self.coefficients.shape
        away = self.spreads.reshape(count * width, width).dot(context).reshape(count, width)
        away *= away
        sds = np.sqrt(np.add.reduce(away, axis=1) + _TINY)
        weights = normal_best(self.coefficients.dot(context), sds)
        return floored(weights, self.floor) if self.floor else weights


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
