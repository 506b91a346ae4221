"""A missing covariate: imputed and flagged, so that no unit is dropped.

Two columns come of one: the covariate with every hole filled, and 1 where there was a hole. Adjusted for both, the
effect does not depend on what the holes were filled with.

References:
    Zhao, Ding (2024), To adjust or not to adjust? Estimating the average treatment effect in randomized experiments
    with missing covariates, JASA 119 (the missingness-indicator method).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput


def impute(values: ArrayLike, fill: float | None = None) -> NDArray[np.float64]:
    """The covariate and its flag, [n, 2], from values [n] in which NaN is missing.

    Args:
        values: The covariate, a value a unit.
        fill: What holes are filled with; None: the mean of what is there (0 when nothing is). Parts that are merged
            need one ``fill`` for all of them.

    Raises:
        BadInput: An infinite value.
    """
    column = np.asarray(values, dtype=np.float64).ravel()
    if np.isinf(column).any():
        where = int(np.flatnonzero(np.isinf(column))[0])
        raise BadInput(f"covariate {column[where]} of unit {where} is infinite; correct it or leave it missing (NaN)")
    missing = np.isnan(column)
    if fill is None:
        fill = 0.0 if missing.all() else float(column[~missing].mean())
    return np.column_stack([np.where(missing, fill, column), missing.astype(np.float64)])
