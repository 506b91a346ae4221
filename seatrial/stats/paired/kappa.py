"""Cohen's kappa: how much of two models' agreement is more than chance, with an interval that holds for few pairs.

The usual error of kappa is that of the observed table. It is 0 where all answers were alike, so that three pairs give
"1, from 1 to 1", and too small where few differed. As Wilson's interval of a share does, this one asks of each kappa
whether it could have given what was seen, with the error that it would have itself, in a table near the observed one.
For a kappa below, answers are mixed with chance at the same margins; for one above, answers that differ are moved to
both of their labels by halves. In large samples it is the usual interval.

References:
    Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20(1).
    Fleiss, Cohen, Everitt (1969), Large sample standard errors of kappa and weighted kappa, Psychological
    Bulletin 72(5).
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from seatrial.stats.interval import Interval, check_alpha

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

STEPS = 50
"""Halvings of the range in which an end lies: to 1e-15 of it."""


class _Table(NamedTuple):
    """Shares of pairs by (treatment's label, control's label), seen cells only, arrays [cells]; labels by number."""

    treatment: Codes
    control: Codes
    share: Floats
    labels: int

    @property
    def margins(self) -> tuple[Floats, Floats]:
        rows: Floats = np.bincount(self.treatment, weights=self.share, minlength=self.labels).astype(np.float64)
        columns: Floats = np.bincount(self.control, weights=self.share, minlength=self.labels).astype(np.float64)
        return rows, columns


class _Sums(NamedTuple):
    """What kappa and its error are made of.

    Attributes:
        same: Share of equal answers.
        chance: What that would be by chance.
        once: Mean over pairs of [equal] times the two margins of the label.
        twice: Mean over pairs of the square of the margins that Fleiss, Cohen and Everitt give the pair.
    """

    same: float
    chance: float
    once: float
    twice: float

    @property
    def kappa(self) -> float:
        return (self.same - self.chance) / (1 - self.chance)

    def variance(self, kappa: float) -> float:
        """Of kappa's estimate, times the number of pairs."""
        rest = 1 - kappa
        above = self.same - 2 * rest * self.once + rest**2 * self.twice - (kappa - self.chance * rest) ** 2
        return max(above, 0.0) / (1 - self.chance) ** 2


def kappa_of(table: Mapping[tuple[Hashable, Hashable], int]) -> float | None:
    """From how often each (treatment's answer, control's answer) was seen; None where chance alone would agree always,
    and without pairs."""
    pairs = sum(table.values())
    rows: dict[Hashable, int] = {}
    columns: dict[Hashable, int] = {}
    for (a, b), n in table.items():
        rows[a] = rows.get(a, 0) + n
        columns[b] = columns.get(b, 0) + n
    by_chance = sum(n * columns.get(label, 0) for label, n in rows.items())
    if by_chance == pairs * pairs:
        return None
    same = sum(n for (a, b), n in table.items() if a == b)
    return (same * pairs - by_chance) / (pairs * pairs - by_chance)


def kappa_interval(table: Mapping[tuple[Hashable, Hashable], int], alpha: float = 0.05) -> Interval | None:
    """At 1 - alpha, for one look, within -1 and 1; None where there is no kappa."""
    z = float(ndtri(1 - check_alpha(alpha) / 2))
    kappa, pairs = kappa_of(table), sum(table.values())
    if kappa is None:
        return None
    seen = _shares(table, pairs)
    return Interval(_lower(seen, kappa, z * z / pairs), _upper(seen, kappa, z * z / pairs))


def _lower(seen: _Table, kappa: float, per_pair: float) -> float:
    """Down to 0 by mixing with chance; below, where it ends, with the larger error of the table and of chance."""
    observed, by_chance = _sums(seen), _by_chance(*seen.margins)
    if kappa > 0 and kappa**2 > per_pair * by_chance.variance(0.0):

        def within(mixed: float) -> bool:
            sums = _Sums(*((1 - mixed) * a + mixed * b for a, b in zip(observed, by_chance, strict=True)))
            return (kappa * mixed) ** 2 <= per_pair * sums.variance(kappa * (1 - mixed))

        return kappa * (1 - _last(within))
    rows, columns = seen.margins
    middle = _by_chance((rows + columns) / 2, (rows + columns) / 2).variance(0.0)
    error = by_chance.variance(0.0) if kappa > 0 else max(observed.variance(kappa), middle)
    return max(-1.0, kappa - math.sqrt(per_pair * error))


def _upper(seen: _Table, kappa: float, per_pair: float) -> float:
    """Up to 1, where nothing differs."""

    def at(moved: float) -> _Sums:
        return _sums(_agreeing(seen, moved))

    def within(moved: float) -> bool:
        sums = at(moved)
        return (sums.kappa - kappa) ** 2 <= per_pair * sums.variance(sums.kappa)

    return 1.0 if kappa == 1 else at(_last(within)).kappa


def _last(within: Callable[[float], bool]) -> float:
    """Between 0, which is within, and 1, where it ends."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return low


def _shares(table: Mapping[tuple[Hashable, Hashable], int], pairs: int) -> _Table:
    numbers: dict[Hashable, int] = {}
    cells = [
        (numbers.setdefault(a, len(numbers)), numbers.setdefault(b, len(numbers)), n / pairs)
        for (a, b), n in table.items()
    ]
    a, b, share = zip(*cells, strict=True)
    return _Table(np.array(a, dtype=np.int64), np.array(b, dtype=np.int64), np.array(share), len(numbers))


def _agreeing(seen: _Table, moved: float) -> _Table:
    """With a part of each cell that differs moved to its two labels' own cells, half to each."""
    differs = np.flatnonzero(seen.treatment != seen.control)
    a, b, part = seen.treatment[differs], seen.control[differs], seen.share[differs] * moved
    left = seen.share.copy()
    left[differs] -= part
    return _Table(
        np.concatenate([seen.treatment, a, b]),
        np.concatenate([seen.control, a, b]),
        np.concatenate([left, part / 2, part / 2]),
        seen.labels,
    )


def _sums(table: _Table) -> _Sums:
    rows, columns = table.margins
    equal = table.treatment == table.control
    # Cell (a, b): the control's share of a and the treatment's of b; on the diagonal both margins of the label.
    both = columns[table.treatment] + rows[table.control]
    return _Sums(
        float(table.share[equal].sum()),
        float(rows @ columns),
        float(table.share[equal] @ both[equal]),
        float(table.share @ both**2),
    )


def _by_chance(rows: Floats, columns: Floats) -> _Sums:
    """Of the table in which the answers have nothing to do with each other, at these margins."""
    chance = float(rows @ columns)
    return _Sums(
        chance,
        chance,
        float((rows * columns) @ (rows + columns)),
        float(rows @ columns**2) + 2 * chance**2 + float(columns @ rows**2),
    )
