"""Errors of a regression: absolute, squared, and their root.

References:
    Willmott, Matsuura (2005), Advantages of the mean absolute error over the root mean square error,
    Climate Research 30.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval
from seatrial.stats.moments import PairMoments
from seatrial.stats.quality.scores import Rows, Score, mean_score


def absolute_error(labels: ArrayLike, answers: ArrayLike) -> Rows:
    """|answer - label| per row, in the label's unit; its mean is the MAE."""
    error = _errors(labels, answers)
    return Rows(np.abs(error), np.ones(error.size))


def squared_error(labels: ArrayLike, answers: ArrayLike) -> Rows:
    """(answer - label)² per row; the root of its mean is the RMSE."""
    error = _errors(labels, answers)
    return Rows(error * error, np.ones(error.size))


def rmse_interval(pair: PairMoments, alpha: float = 0.05) -> Score:
    """The RMSE from ``squared_error``'s rows by unit: the ends of the mean squared error's interval, rooted."""
    found = mean_score(pair, alpha)
    if found.value is None:
        return found
    ends = found.interval
    return Score(
        value=math.sqrt(found.value),
        interval=None if ends is None else Interval(math.sqrt(max(ends.lower, 0.0)), math.sqrt(ends.upper)),
        units=found.units,
    )


def _errors(labels: ArrayLike, answers: ArrayLike) -> NDArray[np.float64]:
    y, a = np.asarray(labels, dtype=np.float64).ravel(), np.asarray(answers, dtype=np.float64).ravel()
    if y.size != a.size:
        raise BadInput(f"{y.size} labels and {a.size} answers are not pairs; leave out answers without a label")
    return a - y
