"""A regression's loss without labels: the loss of rows like these on the holdout, averaged over a window.

Known as direct loss estimation (DLE). What it cannot see is ``estimate.BLIND``.
"""

import numpy as np
from numpy.typing import ArrayLike

from seatrial.drift.estimates.estimate import Estimate, normal_half
from seatrial.drift.estimates.loss_tree import LossTree
from seatrial.spec.errors import BadInput


def estimate_loss(tree: LossTree, rows: ArrayLike, level: float = 0.95) -> Estimate:
    """Estimate the mean loss of a window, in the unit of the losses that the tree learnt (the mean absolute error).

    Args:
        tree: Of ``LossTree.fit`` on the holdout.
        rows: The window's, with the columns of there; shape [n, columns], NaN is missing.
        level: Of the interval: normal, never below 0.

    References:
        NannyML's documentation of DLE for the idea; the tree and the interval are ours.
    """
    places = tree.places(rows)
    if not places.size:
        raise BadInput("a window without rows has no loss; wait until it has some")
    shares = np.bincount(places, minlength=len(tree.leaves)) / places.size
    means = np.array([leaf.mean for leaf in tree.leaves])
    variances = np.array([leaf.variance for leaf in tree.leaves])
    known = np.array([leaf.n for leaf in tree.leaves])
    value = float(shares @ means)
    sampling = float(shares @ variances) / places.size
    calibration = float((shares**2 * variances / known).sum())
    half = normal_half((sampling + calibration) ** 0.5, level)
    return Estimate(
        value=value,
        lower=max(0.0, value - half),
        upper=value + half,
        n=int(places.size),
        level=level,
        sampling_se=sampling**0.5,
        calibration_se=calibration**0.5,
    )
