"""Hellinger's distance between two sets of counts."""

import numpy as np
from numpy.typing import ArrayLike

from seatrial.drift.cells import paired, shares


def hellinger(reference: ArrayLike, window: ArrayLike) -> float:
    """√(½ Σ (√p − √q)²) over cells: 0 (same shares) to 1 (no cell in common).

    References:
        E. Hellinger, J. reine angew. Math. 136, 1909.
    """
    a, b = paired(reference, window)
    apart = np.sqrt(shares(a)) - np.sqrt(shares(b))
    return float(min(1.0, np.sqrt((apart**2).sum() / 2)))
