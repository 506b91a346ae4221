"""What is known of units as numbers that sharpen scores, and whether chance dealt it evenly.

What differs between the arms though the arms were drawn at random was not known before the draw (a feature that only
one arm's model logs, say): a question about it would ask which arm a unit got.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from seatrial.bandits.logged import Logged
from seatrial.bandits.policy_tree import Coded, Column
from seatrial.bandits.posterior import Floats

UNEVEN = 0.001
"""Chance of leaving out any column where all are dealt evenly."""
_EXPECTED = 50.0
"""Units of an arm that a bin would have by chance; bins with fewer are not asked."""
_WIDEST, _MOST_LEVELS, _LEAST_SHARE, _FARTHEST = 60, 10, 0.01, 3.0


def covariates(columns: Sequence[Column], binned: Sequence[Coded], units: int) -> Floats:
    """Columns of so many units, and their bins, as numbers, shape [units, at most 60].

    A number is taken in standard deviations, within three; a column beside it says where it is missing. Of levels the
    ten most frequent get a column each, from 1 % of the units on. What finds no place is left out.
    """
    found: list[Floats] = []
    for column, bins in zip(columns, binned, strict=True):
        made = _standard(column.values) if column.ordered else _indicators(bins)
        found += made[: _WIDEST - len(found)]
    return np.column_stack(found) if found else np.zeros((units, 0))


def uneven(logged: Logged, binned: Sequence[Coded], count: int) -> tuple[int, ...]:
    """Positions of columns whose values differ between the arms by more than chance (0.1 %, Bonferroni over all bins).

    In each bin of a column, 1/propensity over the units of an arm sums to the number of units there, but for chance.
    """
    shares = np.bincount(logged.arms, minlength=count) / max(logged.arms.size, 1)
    away = [_away(logged, bins, shares) for bins in binned]
    asked = sum(found.size for found in away)
    limit = -float(ndtri(UNEVEN / (2 * max(asked, 1))))
    return tuple(at for at, found in enumerate(away) if found.size and float(found.max()) > limit)


def _away(logged: Logged, bins: Coded, shares: Floats) -> Floats:
    """Standard errors by which the arms' weights miss their sums, of every bin and arm that has enough units."""
    units = np.bincount(bins.codes, minlength=bins.bins).astype(np.float64)
    found = []
    for arm, share in enumerate(shares):
        here = logged.arms == arm
        chance = logged.propensities
        sums = np.bincount(bins.codes, np.where(here, 1 / chance, 0.0), bins.bins)
        variance = np.bincount(bins.codes, np.where(here, (1 - chance) / chance**2, 0.0), bins.bins)
        enough = (units * share >= _EXPECTED) & (share < 1)
        by_share = units * (1 - share) / max(share, 1e-9)
        spread = np.sqrt(np.where(variance > 0, variance, by_share))
        found.append((np.abs(sums - units)[enough] / spread[enough]).astype(np.float64))
    return np.concatenate(found) if found else np.zeros(0)


def _standard(values: Floats) -> list[Floats]:
    missing = np.isnan(values)
    known = values[~missing]
    spread = float(known.std()) if known.size else 0.0
    found: list[Floats] = []
    if spread > 0 and math.isfinite(spread):
        scaled = np.clip((values - float(known.mean())) / spread, -_FARTHEST, _FARTHEST)
        found.append(np.where(missing, 0.0, scaled))
    if missing.any() and known.size:
        found.append(missing.astype(np.float64))
    return found


def _indicators(bins: Coded) -> list[Floats]:
    units = np.bincount(bins.codes, minlength=bins.bins)
    often = [at for at in range(1, min(bins.bins, _MOST_LEVELS + 1)) if units[at] >= _LEAST_SHARE * bins.codes.size]
    return [(bins.codes == at).astype(np.float64) for at in often]
