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
from seatrial.stats.effect import Effect
from seatrial.stats.interval import Interval, TestResult, check_alpha

Floats = NDArray[np.float64]


class Auc(msgspec.Struct, frozen=True, kw_only=True):
    """One model's area.

    Attributes:
        value: 0 to 1; None without rows of both kinds.
        se: By unit; None with fewer than two rows of either kind.
        interval: At 1 - alpha on the logit scale, for one look.
        units: Units counted.
    """

    value: float | None
    se: float | None
    interval: Interval | None
    units: int


class _Parts(NamedTuple):
    """Components of the area: of each positive row, and of each negative row, and whose rows they are."""

    value: float
    positive: Floats
    negative: Floats
    unit_of_positive: NDArray[np.int64]
    unit_of_negative: NDArray[np.int64]
    units: int


def auc(labels: ArrayLike, scores: ArrayLike, units: ArrayLike | None = None, alpha: float = 0.05) -> Auc:
    """The area of scores [n] against labels [n] (true: positive); ``units`` [n] any labels, None: a row a unit."""
    check_alpha(alpha)
    parts = _parts(labels, scores, units)
    if parts is None:
        return Auc(value=None, se=None, interval=None, units=0)
    variance = _covariance(parts, parts)
    if math.isnan(variance):
        return Auc(value=parts.value, se=None, interval=None, units=parts.units)
    return Auc(
        value=parts.value,
        se=math.sqrt(variance),
        interval=_interval(parts.value, math.sqrt(variance), parts, alpha),
        units=parts.units,
    )


def auc_effect(treatment: Auc, control: Auc) -> Effect:
    """Two variants' areas on their own rows, as an effect that is judged like any other.

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
        treatment_variance_pooled=treatment.se**2,
        control_variance_pooled=control.se**2,
    )


def paired_auc(
    labels: ArrayLike,
    treatment: ArrayLike,
    control: ArrayLike,
    units: ArrayLike | None = None,
    alpha: float = 0.05,
) -> TestResult:
    """Two models' areas on the same rows [n]: the difference, with the covariance that sharing rows brings."""
    one, other = _parts(labels, treatment, units), _parts(labels, control, units)
    if one is None or other is None:
        return TestResult(method="DeLong", statistic=None, p_value=None, note="No rows of both kinds yet.")
    variance = _covariance(one, one) + _covariance(other, other) - 2 * _covariance(one, other)
    effect = one.value - other.value
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


def _parts(labels: ArrayLike, scores: ArrayLike, units: ArrayLike | None) -> _Parts | None:
    y, s = np.asarray(labels).ravel().astype(np.bool_), np.asarray(scores, dtype=np.float64).ravel()
    if y.size != s.size or np.isnan(s).any():
        raise BadInput(f"{y.size} labels and {s.size} scores are not pairs, or a score is missing")
    unit = np.arange(y.size) if units is None else np.unique(np.asarray(units).ravel(), return_inverse=True)[1]
    if unit.size != y.size:
        raise BadInput(f"{y.size} rows and {unit.size} units are not one a row")
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


def _covariance(a: _Parts, b: _Parts) -> float:
    """Of two areas on the same rows, from sums by unit; NaN with fewer than two rows of either kind."""
    m, n = a.positive.size, a.negative.size
    if min(m, n) < 2:
        return math.nan
    size = int(max(a.unit_of_positive.max(), a.unit_of_negative.max())) + 1

    def influence(p: _Parts) -> tuple[Floats, Floats]:
        up = np.bincount(p.unit_of_positive, weights=p.positive - p.value, minlength=size) / m
        down = np.bincount(p.unit_of_negative, weights=p.negative - p.value, minlength=size) / n
        return up, down

    (up, down), (other_up, other_down) = influence(a), influence(b)
    i = max(int(np.unique(a.unit_of_positive).size), 2)
    j = max(int(np.unique(a.unit_of_negative).size), 2)
    k = max(a.units, 2)
    return (
        float(up @ other_up) * i / (i - 1)
        + float(down @ other_down) * j / (j - 1)
        + float(up @ other_down + down @ other_up) * k / (k - 1)
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
