"""How good stated probabilities are: log loss and Brier's score, both 0 at best.

References:
    Good (1952), Rational decisions, JRSS B 14(1) (log loss).
    Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review 78(1).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.quality.scores import Rows

LEAST = 1e-15
"""A probability below this counts as this: being sure and wrong must not cost infinitely much."""


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> Rows:
    """Minus ln of the probability of what happened, in nats, per row.

    Args:
        labels: [n]: 0 and 1 with probabilities [n]; numbers of classes with probabilities [n, classes].
        probabilities: P(1), or of each class; 0 to 1.
    """
    y, p = _checked(labels, probabilities)
    happened = np.where(y == 1, p, 1 - p) if p.ndim == 1 else p[np.arange(y.size), y]
    return Rows(-np.log(np.maximum(happened, LEAST)), np.ones(y.size))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> Rows:
    """The squared distance from what happened, per row: 0 to 1, or with a column a class 0 to 2."""
    y, p = _checked(labels, probabilities)
    if p.ndim == 1:
        return Rows((p - y) ** 2, np.ones(y.size))
    return Rows(((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1), np.ones(y.size))


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    given, p = np.asarray(labels, dtype=np.float64).ravel(), np.asarray(probabilities, dtype=np.float64)
    if p.ndim not in (1, 2) or len(p) != given.size:
        raise BadInput(f"{given.size} labels and probabilities {p.shape} are not a row each")
    classes = 2 if p.ndim == 1 else p.shape[1]
    if not (np.isin(given, np.arange(classes)).all() and ((p >= 0) & (p <= 1)).all()):
        raise BadInput(f"labels must be 0 to {classes - 1} and probabilities 0 to 1; give the number of the class")
    return given.astype(np.int64), p
