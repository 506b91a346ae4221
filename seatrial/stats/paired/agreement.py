"""How often two models give the same answer to the same input, and how much of it is more than chance.

References:
    Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20(1).
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.
"""

from collections.abc import Hashable, Mapping

import msgspec

from seatrial.stats.interval import Interval
from seatrial.stats.paired.kappa import kappa_interval, kappa_of
from seatrial.stats.proportion import wilson


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two models' answers to the same inputs.

    Attributes:
        pairs: Inputs that both answered.
        same: Of these, how often the answers were equal.
        share: same / pairs; None without pairs.
        interval: Wilson's, for one look.
        kappa: Cohen's kappa; None where chance alone would agree always.
        kappa_interval: Its interval, for one look (``kappa``).
    """

    pairs: int
    same: int
    share: float | None
    interval: Interval | None
    kappa: float | None
    kappa_interval: Interval | None = None


def agreement(table: Mapping[tuple[Hashable, Hashable], int], alpha: float = 0.05) -> Agreement:
    """From how often each (treatment's answer, control's answer) was seen."""
    pairs = sum(table.values())
    same = sum(n for (a, b), n in table.items() if a == b)
    if not pairs:
        return Agreement(pairs=0, same=0, share=None, interval=None, kappa=None)
    return Agreement(
        pairs=pairs,
        same=same,
        share=same / pairs,
        interval=wilson(same, pairs, alpha),
        kappa=kappa_of(table),
        kappa_interval=kappa_interval(table, alpha),
    )
