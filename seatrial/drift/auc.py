"""Area under the ROC curve: the chance that a row of the window scores above one of the reference."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput


class Auc(NamedTuple):
    """The area in [0, 1], ½ where scores say nothing, and its standard error."""

    value: float
    se: float


def auc(reference: ArrayLike, window: ArrayLike) -> Auc:
    """Of two sets of scores, shapes [m] and [n]; ties count one half.

    References:
        E. DeLong, D. DeLong and D. Clarke-Pearson, Comparing the Areas under Two or More Correlated ROC Curves,
        Biometrics 44, 1988.
    """
    a, b = np.sort(np.asarray(reference, dtype=np.float64)), np.sort(np.asarray(window, dtype=np.float64))
    if a.size < 2 or b.size < 2:
        raise BadInput(f"{min(a.size, b.size)} scores have no area; give at least two on either side")
    above, under = _placements(a, b), 1 - _placements(b, a)
    return Auc(float(above.mean()), float((above.var(ddof=1) / b.size + under.var(ddof=1) / a.size) ** 0.5))


def _placements(of: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of ``of`` (sorted) below each value, ties half."""
    low, high = np.searchsorted(of, values, side="left"), np.searchsorted(of, values, side="right")
    shares: NDArray[np.float64] = (low + high) / (2 * of.size)
    return shares
