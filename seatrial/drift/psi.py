"""Population stability index: how far two sets of counts in the same cells are apart.

Under no drift it is about (1/n + 1/m)·χ²(B − 1), not 0: ``drift.decide`` subtracts that mean before it judges.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seatrial.drift.cells import paired, shares

SMOOTHING = 0.5


def psi(reference: Sequence[int], window: Sequence[int], smoothing: float = SMOOTHING) -> float:
    """Σ (q − p)·ln(q / p) over cells, with ``smoothing`` rows added to each cell on both sides.

    Args:
        reference: Rows in each cell of the reference.
        window: Rows in each cell of the window.
        smoothing: Added to every count (Jeffreys' half by default), so that an empty cell stays finite.

    References:
        B. Yurdakul, Statistical Properties of Population Stability Index, Western Michigan University, 2018.
    """
    paired(reference, window)
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


def _spread(weights: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    mean = float((weights * values).sum())
    return float((weights * (values - mean) ** 2).sum())
