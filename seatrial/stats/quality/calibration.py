"""Calibration: among rows that were given 30 %, does it happen in 30 %? The expected calibration error, by unit.

Rows are cut into bins of equal size by their probability. The plain error is too large by noise alone: a perfect model
has one above 0. The value has that taken off, as far as noise can be told from error. The interval takes no guess:
noise adds most when the error sits in one bin, and least when all bins share it, so an error is refuted from below
under the first and from above under the second; it covers wherever the error sits, and is somewhat wide for that. Reads
one row an answer; the seed is an argument.

References:
    Naeini, Cooper, Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI.
    Nixon et al. (2019), Measuring calibration in deep learning, CVPR workshops (bins of equal size).
    Kumar, Liang, Ma (2019), Verified uncertainty calibration, NeurIPS (noise in the squares).
"""

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, check_alpha

Floats = NDArray[np.float64]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How far probabilities are from what happened.

    Attributes:
        plain: Expected calibration error, 0 to 1: mean over rows of their bin's |share that happened - mean stated|.
        value: The same less what noise adds, not below 0.
        interval: At 1 - alpha, for one look.
        stated: Mean probability of each bin.
        happened: Share of positives of each bin.
        rows: Rows of each bin.
    """

    plain: float
    value: float
    interval: Interval
    stated: tuple[float, ...]
    happened: tuple[float, ...]
    rows: tuple[int, ...]


def calibration_error(
    labels: ArrayLike,
    probabilities: ArrayLike,
    units: ArrayLike | None = None,
    *,
    seed: int,
    bins: int = 10,
    draws: int = 4999,
    alpha: float = 0.05,
) -> Calibration:
    """Of probabilities [n] of label 1 against labels [n] of 0 and 1.

    Raises:
        BadInput: No rows, labels or probabilities outside 0 to 1, shapes that do not match.
    """
    check_alpha(alpha)
    y, p = np.asarray(labels, dtype=np.float64).ravel(), np.asarray(probabilities, dtype=np.float64).ravel()
    if not y.size or y.size != p.size or not (np.isin(y, (0, 1)).all() and ((p >= 0) & (p <= 1)).all()):
        raise BadInput(f"{y.size} labels of 0 and 1 and {p.size} probabilities of 0 to 1 must be pairs, one at least")
    unit = np.arange(y.size) if units is None else np.unique(np.asarray(units).ravel(), return_inverse=True)[1]
    if unit.size != y.size:
        raise BadInput(f"{y.size} rows and {unit.size} units are not one a row")
    number = _bins(p, bins)
    size = int(unit.max()) + 1
    # Per unit and bin: rows, and what happened less what was stated.
    cell = unit * bins + number
    rows = np.bincount(cell, minlength=size * bins).reshape(size, bins).astype(np.float64)
    gap = np.bincount(cell, weights=y - p, minlength=size * bins).astype(np.float64).reshape(size, bins)
    whole = rows.sum()
    gaps = gap.sum(axis=0) / whole
    noise = _covariance(gap - rows.sum(axis=1, keepdims=True) * gaps, whole)
    plain = float(np.abs(gaps).sum())
    drawn = _draws(noise, np.random.default_rng(seed), draws)
    interval = _interval(plain, drawn, np.sqrt(np.diag(noise)), alpha)
    totals = rows.sum(axis=0)
    used = totals > 0
    in_bin = [np.bincount(number, weights=v, minlength=bins)[used] / totals[used] for v in (p, y)]
    return Calibration(
        plain=plain,
        value=min(max(plain - _excess(gaps, noise, drawn), interval.lower), interval.upper),
        interval=interval,
        stated=tuple(map(float, in_bin[0])),
        happened=tuple(map(float, in_bin[1])),
        rows=tuple(int(n) for n in totals[used]),
    )


def _bins(p: Floats, bins: int) -> NDArray[np.int64]:
    """Bins of equal size; equal probabilities share one."""
    if bins < 1:
        raise BadInput(f"{bins} bins cannot be; give 1 or more")
    edges = np.quantile(p, np.arange(1, bins) / bins)
    return np.searchsorted(edges, p, side="left").astype(np.int64)


def _covariance(influence: Floats, whole: float) -> Floats:
    """Of the bins' gaps, from what each unit adds to them [units, bins]; zeros with one unit."""
    n = len(influence)
    if n < 2:
        return np.zeros((influence.shape[1], influence.shape[1]))
    deviation = influence - influence.mean(axis=0)
    covariance: Floats = deviation.T @ deviation * n / (n - 1) / whole**2
    return covariance


def _draws(noise: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Normal noise of the bins' gaps, [draws, bins]."""
    values, vectors = np.linalg.eigh(noise)
    drawn: Floats = rng.standard_normal((draws, len(noise))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return drawn


def _excess(gaps: Floats, noise: Floats, drawn: Floats) -> float:
    """What noise adds on average when the true gaps are the seen ones, shrunk by the noise in their squares."""
    variance = np.diag(noise)
    known = variance > 0
    size = float((gaps[known] ** 2 / variance[known]).sum())
    shrunk = gaps * math.sqrt(max(0.0, 1 - int(known.sum()) / size)) if size > 0 else gaps
    return float(np.abs(shrunk + drawn).sum(axis=1).mean() - np.abs(shrunk).sum())


def _interval(plain: float, drawn: Floats, spread: Floats, alpha: float) -> Interval:
    quietest = int(spread.argmin())
    bins = spread.size

    def refuted_below(error: float) -> bool:
        """With all the error in the quietest bin, so that the others' noise adds all it can."""
        seen = np.abs(np.delete(drawn, quietest, axis=1)).sum(axis=1) + np.abs(drawn[:, quietest] + error)
        return float(np.quantile(seen, 1 - alpha / 2)) < plain

    def allowed_above(error: float) -> bool:
        return float(np.quantile(np.abs(drawn + error / bins).sum(axis=1), alpha / 2)) <= plain

    return Interval(_last(refuted_below), _last(allowed_above))


def _last(holds: Callable[[float], bool]) -> float:
    """The largest error, 0 to 1, up to which it holds, to 1e-5."""
    low, high = 0.0, 1.0
    if not holds(low):
        return 0.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
