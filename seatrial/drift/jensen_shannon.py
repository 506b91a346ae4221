"""Jensen–Shannon divergence and distance: symmetric, finite, between 0 and 1."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from seatrial.drift.cells import paired, shares


def jensen_shannon_divergence(reference: ArrayLike, window: ArrayLike) -> float:
    """Of two sets of counts, shape [cells], in bits: 0 (same shares) to 1 (no cell in common).

    References:
        J. Lin, Divergence Measures Based on the Shannon Entropy, IEEE Trans. Inf. Theory 37(1), 1991.
    """
    a, b = paired(reference, window)
    p, q = shares(a), shares(b)
    middle = (p + q) / 2
    bits = (rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / (2 * np.log(2))
    return float(min(max(bits, 0.0), 1.0))


def jensen_shannon(reference: ArrayLike, window: ArrayLike) -> float:
    """The distance, in base 2: the square root of the divergence; a metric, 0 to 1."""
    return float(jensen_shannon_divergence(reference, window) ** 0.5)
