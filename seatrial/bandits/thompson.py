"""Thompson sampling: an arm is chosen as often as it is likely to be the best one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seatrial.bandits.best import best
from seatrial.bandits.beta import Beta
from seatrial.bandits.hurdle import Hurdle
from seatrial.bandits.normal import LEAST, Normal
from seatrial.bandits.policy import values
from seatrial.bandits.posterior import Floats, Posterior
from seatrial.bandits.tally import Tally

Reward = Literal["binary", "normal", "hurdle"]


@dataclass(frozen=True)
class Thompson:
    """Weights that are P(arm is best).

    Attributes:
        reward: ``binary`` for rewards between 0 and 1 (a Beta posterior), ``normal`` for any (their mean is taken as
            normal, from 50 rewards an arm on), ``hurdle`` for revenue: zero, or a positive amount.

    References:
        Thompson (1933), Biometrika 25. Agrawal, Goyal (2012), Analysis of Thompson sampling. COLT.
    """

    reward: Reward = "binary"

    @property
    def least(self) -> int:
        """Rewards that every arm needs first."""
        return LEAST if self.reward == "normal" else 0

    @property
    def bounded(self) -> bool:
        """Whether rewards must lie between 0 and 1."""
        return self.reward == "binary"

    def weights(self, tallies: Sequence[Tally], penalties: Sequence[float] | None = None) -> Floats:
        """P(arm is best), shape [K].

        Raises:
            BadInput: Rewards that the posterior does not know (outside 0 to 1; below 0), no arm, or over 50.
            SeatrialError: The chances do not sum to 1.
        """
        values(tallies, penalties)
        return best(posteriors(self.reward, tallies), penalties)


def posteriors(reward: Reward, tallies: Sequence[Tally]) -> tuple[Posterior, ...]:
    """What is believed of each arm's mean."""
    if reward == "binary":
        return tuple(Beta.of(tally) for tally in tallies)
    if reward == "hurdle":
        positive = sum(tally.positive for tally in tallies)
        typical = sum(tally.total for tally in tallies) / positive if positive > 0 else 1.0
        return tuple(Hurdle.of(tally, typical) for tally in tallies)
    least_sd = 1e-9 * max(abs(tally.mean) for tally in tallies)
    return tuple(Normal.of(tally, least_sd) for tally in tallies)
