"""Area under the ROC curve: the chance that a positive row scores above a negative one, with DeLong's error.

Rows of one unit are alike, so what rows add to the area is summed by unit first. Reads one row an answer.

References:
    DeLong, DeLong, Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44(3).
    Sun, Xu (2014), Fast implementation of DeLong's algorithm, IEEE Signal Processing Letters 21(11).
    Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, Biometrics 53(2).
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect, Events
from seatrial.stats.interval import Interval, TestResult, check_alpha
from seatrial.stats.minimum import MINIMUM_EVENTS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]


class Kind(msgspec.Struct, frozen=True):
    """Rows of one label in an area.

    Attributes:
        units: Effective number of units that carry them: (sum of k)² / sum of k² over units with k such rows each.
        spread: Variance of one such unit's component of the area, so that the area's own has spread / units of it.
    """

    units: float = 0.0
    spread: float = math.nan


class Auc(msgspec.Struct, frozen=True, kw_only=True):
    """One model's area.

    Attributes:
        value: 0 to 1; None without rows of both kinds.
        se: By unit; None with fewer than two rows of either kind.
        interval: At 1 - alpha on the logit scale, for one look.
        units: Units counted.
        positive: Of the rows with a positive label, where there is an error.
        negative: Of the others.
        shared: What units with rows of both kinds add to the variance, times the root of both effective numbers.
    """

    value: float | None
    se: float | None
    interval: Interval | None
    units: int
    positive: Kind = Kind()
    negative: Kind = Kind()
    shared: float = 0.0


class _Parts(NamedTuple):
    """Components of the area: of each positive row, and of each negative row, and whose rows they are."""

    value: float
    positive: Floats
    negative: Floats
    unit_of_positive: Codes
    unit_of_negative: Codes
    units: int


class _Pieces(NamedTuple):
    """A covariance of two areas: of positive rows, of negative rows, and of units that have both."""

    positive: float
    negative: float
    shared: float

    @property
    def whole(self) -> float:
        return self.positive + self.negative + self.shared


def auc(labels: ArrayLike, scores: ArrayLike, units: ArrayLike | None = None, alpha: float = 0.05) -> Auc:
    """The area of scores [n] against labels [n] (true: positive); ``units`` [n] any labels, None: a row a unit."""
    check_alpha(alpha)
    y, s, unit = _read(labels, scores, units)
    parts = _parts(y, s, unit)
    if parts is None:
        return Auc(value=None, se=None, interval=None, units=0)
    pieces = _covariance(parts, parts)
    if math.isnan(pieces.whole):
        return Auc(value=parts.value, se=None, interval=None, units=parts.units)
    se, up, down = math.sqrt(max(pieces.whole, 0.0)), carriers(unit[y]), carriers(unit[~y])
    return Auc(
        value=parts.value,
        se=se,
        interval=_interval(parts.value, se, parts, alpha),
        units=parts.units,
        positive=Kind(up, pieces.positive * up),
        negative=Kind(down, pieces.negative * down),
        shared=pieces.shared * math.sqrt(up * down),
    )


def auc_effect(treatment: Auc, control: Auc) -> Effect:
    """Two variants' areas on their own rows, as an effect that is judged like any other.

    An arm whose few positives happen to be ranked first shows no spread at all, and one of few shows too little as
    often as its area is high by chance: beside each arm's own variance stands one with the spread of both kinds of rows
    pooled over the arms. Degrees of freedom are Satterthwaite's of the parts, the rarer label's above all. ``events``
    are the effective units with either label.

    Raises:
        BadInput: An arm without an area or error yet.
    """
    if treatment.value is None or control.value is None or treatment.se is None or control.se is None:
        raise BadInput("an AUC needs two rows of either kind in each arm; wait for labels")
    return Effect(
        n_treatment=treatment.units,
        n_control=control.units,
        treatment_mean=treatment.value,
        control_mean=control.value,
        treatment_variance=treatment.se**2,
        control_variance=control.se**2,
        treatment_variance_pooled=_pooled(treatment, control),
        control_variance_pooled=_pooled(control, treatment),
        events=Events(
            treatment.positive.units, treatment.negative.units, control.positive.units, control.negative.units
        ),
        degrees=_degrees(treatment, control),
    )


def carriers(units: ArrayLike) -> float:
    """Effective number of units that carry rows: (sum of k)² / sum of k², of rows [n] with any labels of units."""
    rows = np.unique(np.asarray(units).ravel(), return_counts=True)[1].astype(np.float64)
    return float(rows.sum() ** 2 / (rows @ rows)) if rows.size else 0.0


def _pooled(arm: Auc, other: Auc) -> float:
    """The variance of an arm's area when both arms' rows of a kind spread alike."""

    def part(one: Kind, another: Kind) -> float:
        (a, b) = (max(kind.units - 1, 0.0) for kind in (one, another))
        return (a * one.spread + b * another.spread) / (a + b) / one.units if a + b > 0 else math.nan

    a, b = (math.sqrt(one.positive.units * one.negative.units) for one in (arm, other))
    shared = (a * arm.shared + b * other.shared) / (a + b) / a
    return max(part(arm.positive, other.positive) + part(arm.negative, other.negative) + shared, 0.0)


def _degrees(treatment: Auc, control: Auc) -> float:
    """Of the difference, from each arm's parts of its variance; NaN where neither arm varies."""
    parts = [
        (kind.spread / kind.units, max(kind.units - 1, 1.0))
        for arm in (treatment, control)
        for kind in (arm.positive, arm.negative)
    ]
    below = sum(variance**2 / degrees for variance, degrees in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below > 0 else math.nan


def paired_auc(
    labels: ArrayLike,
    treatment: ArrayLike,
    control: ArrayLike,
    units: ArrayLike | None = None,
    alpha: float = 0.05,
) -> TestResult:
    """Two models' areas on the same rows [n]: the difference, with the covariance that sharing rows brings; below ten
    effective units of a label without interval (at five positives of 500, 11 % claims without a difference)."""
    one, other = _parts(*_read(labels, treatment, units)), _parts(*_read(labels, control, units))
    if one is None or other is None:
        return TestResult(method="DeLong", statistic=None, p_value=None, note="No rows of both kinds yet.")
    variance = _covariance(one, one).whole + _covariance(other, other).whole - 2 * _covariance(one, other).whole
    effect = one.value - other.value
    fewest = min(carriers(one.unit_of_positive), carriers(one.unit_of_negative))
    if fewest < MINIMUM_EVENTS:
        note = f"{fewest:.0f} of {MINIMUM_EVENTS} labels of each kind yet."
        return TestResult(method="DeLong", statistic=None, p_value=None, effect=effect, note=note)
    if not variance > 0:
        return TestResult(method="DeLong", statistic=None, p_value=None, effect=effect, note="Nothing varies yet.")
    se, z = math.sqrt(variance), float(ndtri(1 - check_alpha(alpha) / 2))
    return TestResult(
        method="DeLong",
        statistic=effect / se,
        p_value=2 * float(ndtr(-abs(effect) / se)),
        effect=effect,
        lower=effect - z * se,
        upper=effect + z * se,
        relative_effect=effect / other.value if other.value else None,
        note="Holds for one look at a planned end.",
    )


def _read(labels: ArrayLike, scores: ArrayLike, units: ArrayLike | None) -> tuple[Flags, Floats, Codes]:
    y, s = np.asarray(labels).ravel().astype(np.bool_), np.asarray(scores, dtype=np.float64).ravel()
    if y.size != s.size or np.isnan(s).any():
        raise BadInput(f"{y.size} labels and {s.size} scores are not pairs, or a score is missing")
    unit = np.arange(y.size) if units is None else np.unique(np.asarray(units).ravel(), return_inverse=True)[1]
    if unit.size != y.size:
        raise BadInput(f"{y.size} rows and {unit.size} units are not one a row")
    return y, s, unit


def _parts(y: Flags, s: Floats, unit: Codes) -> _Parts | None:
    m, n = int(y.sum()), int((~y).sum())
    if not m or not n:
        return None
    both = _midranks(s)
    positive = (both[y] - _midranks(s[y])) / n
    negative = 1 - (both[~y] - _midranks(s[~y])) / m
    return _Parts(float(positive.mean()), positive, negative, unit[y], unit[~y], int(np.unique(unit).size))


def _midranks(x: Floats) -> Floats:
    """Ranks from 1, equal values sharing their mean rank."""
    _, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[where]
    return ranks


def _covariance(a: _Parts, b: _Parts) -> _Pieces:
    """Of two areas on the same rows, from sums by unit; NaN with fewer than two rows of either kind."""
    m, n = a.positive.size, a.negative.size
    if min(m, n) < 2:
        return _Pieces(math.nan, math.nan, math.nan)
    size = int(max(a.unit_of_positive.max(), a.unit_of_negative.max())) + 1

    def influence(p: _Parts) -> tuple[Floats, Floats]:
        up = np.bincount(p.unit_of_positive, weights=p.positive - p.value, minlength=size) / m
        down = np.bincount(p.unit_of_negative, weights=p.negative - p.value, minlength=size) / n
        return up, down

    (up, down), (other_up, other_down) = influence(a), influence(b)
    i = max(int(np.unique(a.unit_of_positive).size), 2)
    j = max(int(np.unique(a.unit_of_negative).size), 2)
    k = max(a.units, 2)
    return _Pieces(
        float(up @ other_up) * i / (i - 1),
        float(down @ other_down) * j / (j - 1),
        float(up @ other_down + down @ other_up) * k / (k - 1),
    )


def _interval(value: float, se: float, parts: _Parts, alpha: float) -> Interval:
    """On the logit scale; at 0 and 1, where that has no error, by what so many rows could hide."""
    z = float(ndtri(1 - alpha / 2))
    if 0 < value < 1 and se > 0:
        half = z * se / (value * (1 - value))
        middle = float(logit(value))
        return Interval(float(expit(middle - half)), float(expit(middle + half)))
    rows = min(parts.positive.size, parts.negative.size)
    hidden = 1 - (alpha / 2) ** (1 / rows)
    return Interval(max(0.0, value - hidden), min(1.0, value + hidden))
