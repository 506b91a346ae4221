"""Intervals of a metric in one window, by unit, sure enough for an alert."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from seatrial.stats.moments import PairMoments
from seatrial.stats.quantile import quantile, quantile_interval

Floats = NDArray[np.float64]


ALIKE = 1e-12
"""A relative error below this is rounding: all units are alike."""


class Measured(NamedTuple):
    """A value with an interval."""

    value: float
    lower: float
    upper: float


def share_interval(value: float, n: float, alpha: float) -> Measured:
    """Clopper and Pearson's exact interval of a share of ``n`` rows, ``alpha`` on each side.

    ``n`` need not be whole: dependent rows count for fewer. Exact, because an alert lives far in the tail, where a
    normal approximation is too sure.
    """
    hits = value * n
    lower = float(betaincinv(hits, n - hits + 1, alpha)) if hits > 0 else 0.0
    upper = float(betaincinv(hits + 1, n - hits, 1 - alpha)) if hits < n else 1.0
    return Measured(value, min(lower, value), max(upper, value))


def share_by_unit(hits: Floats, rows: Floats, alpha: float) -> Measured:
    """Share of rows that are hits, from counts by unit, shape [units] each.

    A unit's rows are alike; the rows count for as many as independent ones would need for the same error (their number
    divided by the design effect, never more than their number).
    """
    n = float(rows.sum())
    value = float(hits.sum() / n)
    plain = value * (1 - value) / n
    robust = _ratio_error(hits, rows) ** 2
    design = max(1.0, robust / plain) if plain > 0 else float((rows**2).sum() / n)
    return share_interval(value, n / design, alpha)


def unseen_share(n: int, alpha: float) -> float:
    """The share of units that may be otherwise though ``n`` of them are all alike: exact, one-sided at ``alpha``."""
    return float(1 - alpha ** (1 / n))


def mean_by_unit(values: Floats, alpha: float) -> Measured:
    """Mean of one value a unit, Student's interval, ``alpha`` on each side.

    Units that are all alike have no error that could be measured: as many as may have been missed are taken to differ
    by one, or by the value where that is larger.
    """
    value = float(values.mean())
    if values.min() == values.max():
        half = unseen_share(len(values), alpha) * max(1.0, abs(value))
        return Measured(value, value - half, value + half)
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    half = float(stdtrit(len(values) - 1, 1 - alpha)) * error
    return Measured(value, value - half, value + half)


def quantile_by_unit(values: Floats, q: float, alpha: float) -> Measured | None:
    """A quantile of one value a unit between order statistics, ``alpha`` on each side; None: too few units for it."""
    interval = quantile_interval(values, q, 2 * alpha)
    if not (np.isfinite(interval.lower) and np.isfinite(interval.upper)):
        return None
    return Measured(quantile(values, q), interval.lower, interval.upper)


def ratio_by_unit(numerator: Floats, denominator: Floats, alpha: float) -> Measured:
    """Σ numerator / Σ denominator of units, by the delta method with Student's quantile, ``alpha`` on each side.

    Where every unit has the same ratio, as with ``mean_by_unit``: some may have been missed.
    """
    value = float(numerator.sum() / denominator.sum())
    error = _ratio_error(numerator, denominator)
    if not error > ALIKE * max(1.0, abs(value)):
        half = unseen_share(len(numerator), alpha) * max(1.0 / float(denominator.mean()), abs(value))
        return Measured(value, value - half, value + half)
    half = float(stdtrit(len(numerator) - 1, 1 - alpha)) * error
    return Measured(value, value - half, value + half)


def difference(a: Measured, b: Measured) -> Measured:
    """a − b of independent values, each with its own interval.

    References:
        G. Zou and A. Donner, Construction of Confidence Limits about Effect Measures, Statist. Med. 27, 2008.
    """
    value = a.value - b.value
    lower = value - float(np.hypot(a.value - a.lower, b.upper - b.value))
    upper = value + float(np.hypot(a.upper - a.value, b.value - b.lower))
    return Measured(value, lower, upper)


def _ratio_error(numerator: Floats, denominator: Floats) -> float:
    pairs = PairMoments.from_values(numerator, denominator)
    if pairs.n < 2 or pairs.mean_y == 0:
        return 0.0
    ratio = pairs.mean_x / pairs.mean_y
    residual = max(0.0, pairs.m2_x - 2 * ratio * pairs.c_xy + ratio * ratio * pairs.m2_y)
    return float((residual / (pairs.n - 1) / pairs.n) ** 0.5 / abs(pairs.mean_y))
