"""How often two models give the same answer to the same input, and how much of it is more than chance.

References:
    Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20(1).
    Fleiss, Cohen, Everitt (1969), Large sample standard errors of kappa and weighted kappa, Psychological
    Bulletin 72(5).
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.
"""

import math
from collections.abc import Hashable, Mapping

import msgspec
from scipy.special import ndtri

from seatrial.stats.interval import Interval
from seatrial.stats.proportion import wilson


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two models' answers to the same inputs.

    Attributes:
        pairs: Inputs that both answered.
        same: Of these, how often the answers were equal.
        share: same / pairs; None without pairs.
        interval: Wilson's, for one look.
        kappa: Cohen's kappa; None where chance alone would agree always.
        kappa_interval: Its interval, for one look.
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
    kappa = _kappa(table, pairs, same)
    half = 0.0 if kappa is None else float(ndtri(1 - alpha / 2)) * _kappa_error(table, pairs, kappa)
    return Agreement(
        pairs=pairs,
        same=same,
        share=same / pairs,
        interval=wilson(same, pairs, alpha),
        kappa=kappa,
        kappa_interval=None if kappa is None else Interval(max(-1.0, kappa - half), min(1.0, kappa + half)),
    )


def _kappa(table: Mapping[tuple[Hashable, Hashable], int], pairs: int, same: int) -> float | None:
    rows, columns = _margins(table)
    by_chance = sum(n * columns.get(label, 0) for label, n in rows.items())
    if by_chance == pairs * pairs:
        return None
    return (same * pairs - by_chance) / (pairs * pairs - by_chance)


def _kappa_error(table: Mapping[tuple[Hashable, Hashable], int], pairs: int, kappa: float) -> float:
    rows, columns = _margins(table)
    by_chance = sum(n * columns.get(label, 0) for label, n in rows.items()) / pairs**2
    squares = 0.0
    for (a, b), n in table.items():
        if a == b:
            margin = (rows[a] + columns[a]) / pairs
            squares += n / pairs * (1 - margin * (1 - kappa)) ** 2
        else:
            margin = (columns.get(a, 0) + rows.get(b, 0)) / pairs
            squares += n / pairs * margin**2 * (1 - kappa) ** 2
    variance = squares - (kappa - by_chance * (1 - kappa)) ** 2
    return math.sqrt(max(variance, 0.0) / pairs) / (1 - by_chance)


def _margins(table: Mapping[tuple[Hashable, Hashable], int]) -> tuple[dict[Hashable, int], dict[Hashable, int]]:
    rows: dict[Hashable, int] = {}
    columns: dict[Hashable, int] = {}
    for (a, b), n in table.items():
        rows[a] = rows.get(a, 0) + n
        columns[b] = columns.get(b, 0) + n
    return rows, columns
