"""Can a model tell the window's rows from the reference's? If it can, they moved, together or in ways one column hides.

Works on tables of numbers and on embeddings. It is not imported by ``seatrial.drift``: trees want scikit-learn.
"""

from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from seatrial.drift.auc import Auc, auc
from seatrial.spec.errors import BadInput, Unavailable

Floats = NDArray[np.float64]
Scorer = Callable[[Floats], Floats]
LEAST, MOST = 10, 10_000
SHRINKAGE = 0.1
"""How far a covariance is drawn towards a multiple of the identity: enough for more dimensions than rows."""


class Separation(msgspec.Struct, frozen=True):
    """How well the two can be told apart.

    Attributes:
        auc: Cross-validated: ½ where they cannot, 1 where always.
        lower, upper: Its interval.
        p_value: One-sided, of no difference.
        rows: Rows used, of both sides.
    """

    auc: float
    lower: float
    upper: float
    p_value: float
    rows: int


def domain_classifier(
    reference: ArrayLike,
    window: ArrayLike,
    *,
    model: Literal["linear", "trees"] = "linear",
    folds: int = 5,
    seed: int = 0,
    level: float = 0.99,
) -> Separation:
    """Cross-validated AUC of a classifier between reference and window.

    Args:
        reference, window: Rows, shapes [m, columns] and [n, columns]; NaN is missing. More than 10 000 of a side are
            drawn from.
        model: ``linear`` sees means that moved, in any number of dimensions; ``trees`` (scikit-learn's boosted ones)
            see whatever moved, and are slower.
        folds: Parts; each is scored by a model of the others, and the areas of the parts are averaged.
        seed: Of the parts, of rows drawn and of trees.
        level: Of the interval.

    References:
        D. Lopez-Paz and M. Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017. The error is DeLong's within a
        part; parts share the rows that they were trained on, which C. Nadeau and Y. Bengio (Inference for the
        Generalization Error, Mach. Learn. 52, 2003) allow for: as independent ones, they said 0.011 where 0.016 was.
    """
    rng = np.random.default_rng(seed)
    a, b = _rows(reference, rng), _rows(window, rng)
    if a.shape[1] != b.shape[1]:
        raise BadInput(f"rows of {a.shape[1]} and {b.shape[1]} columns cannot be compared; give both the same columns")
    if min(len(a), len(b)) < LEAST * folds:
        raise BadInput(f"{min(len(a), len(b))} rows are too few to tell apart; give at least {LEAST * folds} a side")
    both = zip(_parts(a, folds, rng), _parts(b, folds, rng), strict=True)
    parts = [_part(a, b, left, right, model, seed) for left, right in both]
    value = float(np.mean([part.value for part in parts]))
    se = float(np.mean([part.se**2 for part in parts]) * (1 / folds + 1 / (folds - 1))) ** 0.5
    half = float(ndtri(0.5 + level / 2)) * se
    p = float(ndtr((0.5 - value) / se)) if se > 0 else float(value <= 0.5)
    return Separation(value, max(0.0, value - half), min(1.0, value + half), p, len(a) + len(b))


def _rows(rows: ArrayLike, rng: np.random.Generator) -> Floats:
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2:
        raise BadInput(f"rows are a table of two axes, not {table.ndim}")
    return table if len(table) <= MOST else table[rng.choice(len(table), MOST, replace=False)]


def _parts(rows: Floats, folds: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    return np.array_split(rng.permutation(len(rows)), folds)


def _part(a: Floats, b: Floats, left: NDArray[np.intp], right: NDArray[np.intp], model: str, seed: int) -> Auc:
    train_a, train_b = np.delete(a, left, axis=0), np.delete(b, right, axis=0)
    score = linear(train_a, train_b) if model == "linear" else _trees(train_a, train_b, seed)
    return auc(score(a[left]), score(b[right]))


def linear(reference: Floats, window: Floats) -> Scorer:
    """Fisher's discriminant with a shrunk covariance: closed form, any number of columns; missing values are the mean.

    References:
        R. Fisher, 1936; shrunk to the target of O. Ledoit and M. Wolf, J. Multivar. Anal. 88, 2004, at a fixed weight.
    """
    both = np.vstack([reference, window])
    with np.errstate(invalid="ignore"):
        centre, scale = _mean(both), _scale(both)
    a, b = _standard(reference, centre, scale), _standard(window, centre, scale)
    inner = np.vstack([a - a.mean(axis=0), b - b.mean(axis=0)])
    covariance = inner.T @ inner / len(inner)
    target = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * target * np.eye(len(covariance))
    direction = np.linalg.solve(shrunk, b.mean(axis=0) - a.mean(axis=0))
    return lambda rows: _standard(rows, centre, scale) @ direction


def _mean(rows: Floats) -> Floats:
    present = ~np.isnan(rows)
    mean: Floats = np.where(present, rows, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return mean


def _scale(rows: Floats) -> Floats:
    away = np.where(np.isnan(rows), 0.0, rows - _mean(rows))
    sd = np.sqrt((away**2).mean(axis=0))
    return np.where(sd > 0, sd, 1.0)


def _standard(rows: Floats, centre: Floats, scale: Floats) -> Floats:
    standard: Floats = np.nan_to_num((rows - centre) / scale, nan=0.0)
    return standard


def _trees(reference: Floats, window: Floats, seed: int) -> Scorer:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier  # an optional extra, and a slow start
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise Unavailable("a domain classifier of trees needs scikit-learn: pip install 'seatrial[convert]'") from error
    made = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15, random_state=seed)
    with threadpool_limits(1):  # beside a busy server, threads that wait for each other cost more than they bring
        made.fit(np.vstack([reference, window]), np.repeat([0, 1], [len(reference), len(window)]))

    def score(rows: Floats) -> Floats:
        with threadpool_limits(1):
            found: Floats = made.predict_proba(rows)[:, 1]
        return found

    return score
