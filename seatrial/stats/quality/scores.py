"""From what each answer contributes to a metric's value with its interval, by unit.

References:
    Deng, Knoblich, Lu (2018), Applying the delta method in metric analytics, KDD.
    Kish (1965), Survey sampling (the design effect).
    Takahashi, Yamamoto, Kuchiba, Koyama (2022), Confidence interval for micro-averaged F1 and macro-averaged F1 scores,
    Applied Intelligence 52.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, check_alpha
from seatrial.stats.moments import PairMoments
from seatrial.stats.proportion import wilson
from seatrial.stats.ratio import linearise

Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """What each answer adds above and below the line of a ratio, [n] each."""

    numerator: Floats
    denominator: Floats

    def weighted(self, probabilities: ArrayLike) -> "Rows":
        """The same of a sample in which each row had its own chance [n] of being drawn (Horvitz and Thompson)."""
        chance = np.asarray(probabilities, dtype=np.float64).ravel()
        if chance.shape != self.numerator.shape or not ((chance > 0) & (chance <= 1)).all():
            raise BadInput(f"{chance.size} chances of being drawn, above 0 and at most 1, are needed, one a row")
        return Rows(self.numerator / chance, self.denominator / chance)


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of one variant.

    Attributes:
        value: None where nothing is below the line yet, as a precision without positive answers.
        interval: At 1 - alpha, for one look; None with fewer than two units.
        units: Units counted.
    """

    value: float | None
    interval: Interval | None
    units: int


def by_unit(rows: Rows, units: ArrayLike | None = None) -> PairMoments:
    """Totals of each unit, reduced: x above the line, y below; ``units`` [n] are any labels, None: a row a unit."""
    x, y = rows
    if units is not None:
        labels = np.asarray(units).ravel()
        if labels.size != x.size:
            raise BadInput(f"{x.size} answers and {labels.size} units are not one a row")
        unit = np.unique(labels, return_inverse=True)[1]
        return PairMoments.from_values(np.bincount(unit, weights=x), np.bincount(unit, weights=y))
    return PairMoments.from_values(x, y)


def mean_score(pair: PairMoments, alpha: float = 0.05) -> Score:
    """Any ratio of totals: Student's interval with the delta method's error."""
    check_alpha(alpha)
    line = linearise(pair)
    if not line.n:
        return Score(value=None, interval=None, units=pair.n)
    if line.n < 2:
        return Score(value=line.mean, interval=None, units=pair.n)
    half = float(stdtrit(line.n - 1, 1 - alpha / 2)) * line.standard_error
    return Score(value=line.mean, interval=Interval(line.mean - half, line.mean + half), units=pair.n)


def share_score(pair: PairMoments, alpha: float = 0.05) -> Score:
    """A share of rows (accuracy, precision, recall): Wilson's interval for as many independent rows as these amount to.

    A unit's rows are alike: their number is divided by the design effect, the delta method's variance over the
    binomial one, but never raised.
    """
    line = linearise(pair)
    if not line.n:
        return Score(value=None, interval=None, units=pair.n)
    share = min(max(line.mean, 0.0), 1.0)
    rows, plain = pair.y.total, share * (1 - share)
    variance = line.standard_error**2 if line.n > 1 else math.nan
    if plain > 0 and variance > 0:
        rows = min(rows, plain / variance)
    elif pair.y.total > 0:
        rows = pair.y.effective_events  # all rows alike: units of unequal size count for fewer
    whole = max(rows, 1.0)
    return Score(value=share, interval=wilson(share * whole, whole, alpha), units=pair.n)


def f1_score(pair: PairMoments, alpha: float = 0.05) -> Score:
    """F1 from ``right.f1``'s rows: 2J / (1 + J), where J, the share of hits among hits, misses and false alarms, is a
    share of rows and has Wilson's interval."""
    hits = PairMoments(
        pair.n,
        pair.mean_x / 2,
        pair.mean_y - pair.mean_x / 2,
        pair.m2_x / 4,
        max(pair.m2_y - pair.c_xy + pair.m2_x / 4, 0.0),
        pair.c_xy / 2 - pair.m2_x / 4,
    )
    found = share_score(hits, alpha)
    if found.value is None or found.interval is None:
        return found
    return Score(
        value=_from_share(found.value),
        interval=Interval(_from_share(found.interval.lower), _from_share(found.interval.upper)),
        units=found.units,
    )


def _from_share(share: float) -> float:
    return 2 * share / (1 + share)
