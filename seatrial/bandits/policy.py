"""What a policy is: rewards so far in, the chance of each arm for the next epoch out. One policy a file."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally
from seatrial.spec.errors import BadInput


class Policy(Protocol):
    """A rule that turns what is known of the arms into weights.

    Attributes:
        least: Rewards that every arm must have before the rule is used; until then all get the same.
        bounded: It needs rewards between 0 and 1 (others are mapped there by their declared range).
    """

    @property
    def least(self) -> int: ...

    @property
    def bounded(self) -> bool: ...

    def weights(self, tallies: Sequence[Tally], penalties: Sequence[float] | None = None) -> Floats:
        """Chances of the arms, shape [K], that sum to 1.

        Args:
            tallies: Of each arm, at least one.
            penalties: What each arm's reward is lessened by; None: nothing.
        """
        ...


def values(tallies: Sequence[Tally], penalties: Sequence[float] | None) -> Floats:
    """Mean reward of each arm less its penalty, shape [K].

    Raises:
        BadInput: No arm, or another number of penalties.
    """
    if not tallies:
        raise BadInput("a bandit without arms cannot choose; name at least two")
    if penalties is not None and len(penalties) != len(tallies):
        raise BadInput(f"{len(penalties)} penalties for {len(tallies)} arms; give one an arm")
    means = np.array([tally.mean for tally in tallies])
    return means if penalties is None else means - np.asarray(penalties, dtype=np.float64)


def shared(scores: Floats) -> Floats:
    """Weights that send everything to the highest score; equal scores share it."""
    top = scores == scores.max()
    weights: Floats = top / top.sum()
    return weights
