"""Do labels come for as large a part of the answers as they did?

An answer without a label is left out of every metric, so labels that stop coming for most answers change nothing that
is seen, but for intervals that become wider, and for what is seen being about few.

    moderate   half of the usual share or less
    major      a tenth of it or less

and in either case less, beyond chance, than in any earlier window, those of a fall that lasts left out: what came and
went by itself is usual from then on, as a weekend is.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seatrial.drift.proportions import compare_shares
from seatrial.drift.severity import Severity

LEAST_BEFORE = 3
"""Earlier windows without which nothing is usual."""
RATIOS: tuple[float, float] = (2.0, 10.0)
EASE = 0.75
"""A fall is over when the share is above so much of what is lost at the threshold: 62.5 % of the usual share."""


class Labelled(NamedTuple):
    """Of ``wanted`` answers (or units) of a window, ``labels`` have one in time."""

    labels: int
    wanted: int

    @property
    def share(self) -> float:
        return self.labels / self.wanted


class LabelShare(NamedTuple):
    """One window beside earlier ones.

    Attributes:
        share: Its own.
        usual: Of the earlier windows together, without those of a fall that lasts.
        p_value: Of the exact test against the least of them; 1 where it is not less.
    """

    share: float
    usual: float
    p_value: float

    def severity(self, alpha: float) -> Severity:
        """How bad a fall it is; ``alpha``: the chance of saying so when labels come as they did."""
        if self.p_value >= alpha:
            return "none"
        if self.share * RATIOS[1] <= self.usual:
            return "major"
        return "moderate" if self.share * RATIOS[0] <= self.usual else "none"

    @property
    def is_calm(self) -> bool:
        """Clearly no fall, whatever the least of the earlier windows was."""
        return self.usual - self.share < EASE * (1 - 1 / RATIOS[0]) * self.usual or self.usual == 0


def against_earlier(now: Labelled, before: Sequence[Labelled], alpha: float) -> LabelShare | None:
    """A window beside the earlier ones; None while there are too few of those.

    Args:
        now: The window; like all, with an answer at least.
        before: Earlier ones, the oldest first. As the first ones have nothing before them, a fall that lasts as long as
            these reach is usual in the end.
        alpha: Of the falls among the earlier ones.
    """
    usual: list[Labelled] = []
    falling: list[Labelled] = []
    for one in before:
        found = _beside(one, usual)
        if found is not None and found.severity(alpha) != "none":
            falling.append(one)
        else:
            usual += [*falling, one]
            falling = []
    return _beside(now, usual)


def _beside(one: Labelled, usual: Sequence[Labelled]) -> LabelShare | None:
    if len(usual) < LEAST_BEFORE:
        return None
    share = sum(other.labels for other in usual) / sum(other.wanted for other in usual)
    least = min(usual, key=lambda other: other.share)
    if one.share >= least.share or one.share * RATIOS[0] > share:
        return LabelShare(one.share, share, 1.0)
    return LabelShare(one.share, share, compare_shares(least.labels, least.wanted, one.labels, one.wanted).p_value)
