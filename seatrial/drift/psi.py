"""Population stability index: how far two sets of counts in the same cells are apart.

Under no drift it is about (1/n + 1/m)·χ²(B − 1), not 0: ``drift.decide`` subtracts that mean before it judges.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seatrial.drift.cells import paired, shares
from seatrial.spec.errors import BadInput

SMOOTHING = 0.5


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
    else:
        p, q = _smoothed(reference, smoothing), _smoothed(window, smoothing)
    return float(((q - p) * np.log(q / p)).sum())


def expected_psi(n: int, m: int, cells: int) -> float:
    """Its mean when nothing drifted: (1/n + 1/m)(B − 1)."""
    return (1 / n + 1 / m) * (cells - 1)


def psi_error(reference: Sequence[int], window: Sequence[int], smoothing: float = SMOOTHING) -> float:
    """Its standard error by the delta method on two multinomials."""
    p, q = _smoothed(reference, smoothing), _smoothed(window, smoothing)
    n, m = max(sum(window), 1), max(sum(reference), 1)
    slope_q = np.log(q / p) + 1 - p / q
    slope_p = np.log(p / q) + 1 - q / p
    return float(np.sqrt(_spread(q, slope_q) / n + _spread(p, slope_p) / m))


def _smoothed(counts: Sequence[int], smoothing: float) -> NDArray[np.float64]:
    return shares(np.asarray(counts, dtype=np.float64) + smoothing)


def _lifted(counts: NDArray[np.float64], epsilon: float) -> NDArray[np.float64]:
    if not 0 < epsilon < 1:
        raise BadInput(f"`epsilon` is {epsilon:g}, and is a share; write a number between 0 and 1, such as 0.0001")
    found = shares(counts)
    return np.where(found == 0, epsilon, found)


def _spread(weights: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    mean = float((weights * values).sum())
    return float((weights * (values - mean) ** 2).sum())
