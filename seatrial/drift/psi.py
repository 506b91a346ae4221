"""Population stability index: how far two sets of counts in the same cells are apart.

Under no drift it is about (1/n + 1/m)·χ²(B − 1), not 0: ``drift.decide`` subtracts that mean before it judges.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.drift.cells import paired, shares
from seatrial.spec.errors import BadInput

SMOOTHING = 0.5

Floats = NDArray[np.float64]


def psi(
    reference: Sequence[int], window: Sequence[int], smoothing: float = SMOOTHING, epsilon: float | None = None
) -> float:
    """Σ (q − p)·ln(q / p) over cells, with ``smoothing`` rows added to each cell on both sides.

    Args:
        reference: Rows in each cell of the reference.
        window: Rows in each cell of the window.
        smoothing: Added to every count (Jeffreys' half by default), so that an empty cell stays finite.
        epsilon: For numbers that other tools give: no smoothing, and a share of 0 is taken as this (1e-4 is usual).
            One empty cell then weighs the same in 100 rows as in a million, which is why it is not the default.

    References:
        B. Yurdakul, Statistical Properties of Population Stability Index, Western Michigan University, 2018.
    """
    a, b = paired(reference, window)
    if epsilon is not None:
        p, q = _lifted(a, epsilon), _lifted(b, epsilon)
        return float(((q - p) * np.log(q / p)).sum())
    return float(psi_rows(a[np.newaxis], b[np.newaxis], [len(a)], smoothing).psi[0])


def expected_psi(n: Floats, m: Floats, cells: NDArray[np.int64]) -> Floats:
    """Its mean when nothing drifted, (1/n + 1/m)(B − 1), of many pairs; shape [pairs] each."""
    result: Floats = (1 / n + 1 / m) * (cells - 1)
    return result


class PsiRows(NamedTuple):
    """PSI of many pairs, shape [pairs], and its standard error by the delta method on two multinomials."""

    psi: Floats
    error: Floats


def psi_rows(reference: Floats, window: Floats, cells: ArrayLike, smoothing: float = SMOOTHING) -> PsiRows:
    """PSI of pairs of counts.

    Args:
        reference: Shape [pairs, most cells]; no side of a pair is empty of rows.
        window: Likewise.
        cells: How many of them a pair has, the first ones; shape [pairs].
        smoothing: Added to every count of theirs.
    """
    real = np.arange(reference.shape[1]) < np.asarray(cells)[:, np.newaxis]
    p, q = (_smoothed(counts, real, smoothing) for counts in (reference, window))
    m, n = (np.maximum(counts.sum(axis=1), 1.0) for counts in (reference, window))
    ratio = np.divide(q, p, out=np.ones(p.shape), where=real)
    log = np.log(ratio)
    value = ((q - p) * log).sum(axis=1)
    slope_q, slope_p = log + 1 - 1 / ratio, 1 - ratio - log
    return PsiRows(value, np.sqrt(_spread(q, slope_q) / n + _spread(p, slope_p) / m))


def _smoothed(counts: Floats, real: NDArray[np.bool_], smoothing: float) -> Floats:
    """Shares; cells that are none of a pair's hold nothing."""
    more = np.where(real, counts + smoothing, 0.0)
    result: Floats = more / more.sum(axis=1, keepdims=True)
    return result


def _lifted(counts: Floats, epsilon: float) -> Floats:
    if not 0 < epsilon < 1:
        raise BadInput(f"`epsilon` is {epsilon:g}, and is a share; write a number between 0 and 1, such as 0.0001")
    found = shares(counts)
    return np.where(found == 0, epsilon, found)


def _spread(weights: Floats, values: Floats) -> Floats:
    mean = (weights * values).sum(axis=1, keepdims=True)
    result: Floats = (weights * (values - mean) ** 2).sum(axis=1)
    return result
