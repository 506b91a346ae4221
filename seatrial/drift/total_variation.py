"""Total variation: the largest difference that two sets of counts make to the chance of any event."""

import numpy as np
from numpy.typing import ArrayLike

from seatrial.drift.cells import paired, shares


def total_variation(reference: ArrayLike, window: ArrayLike) -> float:
    """½ Σ |p − q| over cells: 0 (same shares) to 1 (no cell in common)."""
    a, b = paired(reference, window)
    return float(min(1.0, np.abs(shares(a) - shares(b)).sum() / 2))
