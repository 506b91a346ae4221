"""Checks of scores and of what happened."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]


def scores_of(scores: ArrayLike) -> Floats:
    """As float64 [n]; refused unless every one is in [0, 1]."""
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1:
        raise BadInput(f"scores have one axis, not {array.ndim}; give one score a row, of the label that it is about")
    inside = (array >= 0) & (array <= 1)
    if not inside.all():
        raise BadInput(f"{array[~inside][0]:g} is not a score; leave out rows without one, and scale others to [0, 1]")
    return array


def pairs_of(scores: ArrayLike, happened: ArrayLike) -> tuple[Floats, Floats]:
    """Scores and whether it happened (0 or 1), as long as each other and not empty."""
    x, y = scores_of(scores), np.asarray(happened, dtype=np.float64)
    if x.shape != y.shape:
        raise BadInput(f"{x.size} scores and {y.size} labels do not belong together; give one label a score")
    if not x.size:
        raise BadInput("there is nothing to calibrate on; give a holdout with rows")
    if not np.isin(y, (0.0, 1.0)).all():
        raise BadInput(f"{y[~np.isin(y, (0.0, 1.0))][0]:g} is neither 0 nor 1; say of each row whether it happened")
    return x, y
