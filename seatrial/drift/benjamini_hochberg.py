"""Which of many tests of one window count, with the share of false ones among them bounded."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p_values: ArrayLike, q: float) -> NDArray[np.bool_]:
    """Mark the tests that are significant at false discovery rate ``q``; shape [tests].

    When nothing drifted at all, the chance of marking any is at most ``q`` (independent or positively dependent tests).

    References:
        Y. Benjamini and Y. Hochberg, Controlling the False Discovery Rate, J. R. Stat. Soc. B 57(1), 1995.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0 or p.min() > q:
        return np.zeros(p.size, dtype=np.bool_)
    order = np.sort(p)
    under = np.flatnonzero(order <= q * np.arange(1, p.size + 1) / p.size)
    line = order[under[-1]] if under.size else -1.0
    return p <= line
