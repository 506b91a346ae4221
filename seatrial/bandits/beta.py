"""Beta posterior: the mean of rewards between 0 and 1 (a click or none)."""

from dataclasses import dataclass

from scipy.special import betainc, betaincinv

from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally
from seatrial.spec.errors import BadInput


@dataclass(frozen=True)
class Beta:
    """Beta(a, b), both above 0.

    References:
        Chapelle, Li (2011), An empirical evaluation of Thompson sampling. NIPS 24.
    """

    a: float = 1.0
    b: float = 1.0

    @classmethod
    def of(cls, tally: Tally) -> "Beta":
        """From a flat prior and rewards between 0 and 1; a fraction counts as so much of a success.

        Raises:
            BadInput: The mean reward is outside.
        """
        if not 0 <= tally.mean <= 1:
            raise BadInput(
                f"a mean reward of {tally.mean:g} is not between 0 and 1; declare its range, or use another reward"
            )
        return cls(1.0 + tally.total, 1.0 + tally.n - tally.total)

    def below(self, x: Floats) -> Floats:
        """P(mean ≤ x)."""
        found: Floats = betainc(self.a, self.b, x.clip(0.0, 1.0))
        return found

    def quantile(self, p: Floats) -> Floats:
        """The inverse of ``below``."""
        found: Floats = betaincinv(self.a, self.b, p)
        return found
