"""Right answers of a classifier: accuracy, precision, recall and F1, as ratios of counts.

References:
    van Rijsbergen (1979), Information retrieval, chapter 7 (F).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.quality.scores import Rows

Flags = NDArray[np.bool_]


def accuracy(labels: ArrayLike, answers: ArrayLike) -> Rows:
    """Answers [n] that are the label [n], among all."""
    y, a = _pairs(labels, answers)
    return Rows((y == a).astype(np.float64), np.ones(y.size))


def precision(labels: ArrayLike, answers: ArrayLike, positive: object) -> Rows:
    """Answers that are ``positive`` and right, among those that are ``positive``."""
    actual, said = _flags(labels, answers, positive)
    return Rows((actual & said).astype(np.float64), said.astype(np.float64))


def recall(labels: ArrayLike, answers: ArrayLike, positive: object) -> Rows:
    """Labels that are ``positive`` and were answered so, among those that are ``positive``."""
    actual, said = _flags(labels, answers, positive)
    return Rows((actual & said).astype(np.float64), actual.astype(np.float64))


def f1(labels: ArrayLike, answers: ArrayLike, positive: object) -> Rows:
    """Twice the hits, among twice the hits and all misses and false alarms: the harmonic mean of both."""
    actual, said = _flags(labels, answers, positive)
    hits = (actual & said).astype(np.float64)
    return Rows(2 * hits, actual.astype(np.float64) + said.astype(np.float64))


def _flags(labels: ArrayLike, answers: ArrayLike, positive: object) -> tuple[Flags, Flags]:
    y, a = _pairs(labels, answers)
    actual: Flags = np.asarray(y == positive, dtype=np.bool_)
    said: Flags = np.asarray(a == positive, dtype=np.bool_)
    return actual, said


def _pairs(labels: ArrayLike, answers: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    y, a = np.asarray(labels).ravel(), np.asarray(answers).ravel()
    if y.size != a.size:
        raise BadInput(f"{y.size} labels and {a.size} answers are not pairs; leave out answers without a label")
    return y, a
