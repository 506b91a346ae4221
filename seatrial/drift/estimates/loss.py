"""A regression's loss without labels: the loss of rows like these on the holdout, averaged over a window.

Known as direct loss estimation (DLE). What it cannot see is ``estimate.BLIND``.
"""

import numpy as np
from numpy.typing import ArrayLike

from seatrial.drift.estimates.estimate import Estimate, normal_half
from seatrial.drift.estimates.loss_tree import LossTree
from seatrial.spec.errors import BadInput


def estimate_loss(tree: LossTree, rows: ArrayLike, level: float = 0.95, *, counted: bool = False) -> Estimate:
    """Estimate the mean loss of a window, in the unit of the losses that the tree learnt (the mean absolute error).

    Args:
        tree: Of ``LossTree.fit`` on the holdout.
        rows: The window's, with the columns of there; shape [n, columns], NaN is missing.
        level: Of the interval: normal, never below 0; Wilson's where losses are counted.
        counted: A loss is 0 or 1: an answer is right or wrong. A leaf without a wrong answer is not certain to have
            none, so its variance counts half a row of each kind more.

    References:
        NannyML's documentation of DLE for the idea; the tree and the interval are ours. E. Wilson, Probable Inference,
        the Law of Succession, and Statistical Inference, JASA 22(158), 1927.
    """
    places = tree.places(rows)
    if not places.size:
        raise BadInput("a window without rows has no loss; wait until it has some")
    shares = np.bincount(places, minlength=len(tree.leaves)) / places.size
    means = np.array([leaf.mean for leaf in tree.leaves])
    known = np.array([leaf.n for leaf in tree.leaves])
    value = float(shares @ means)
    if counted:
        likely = (means * known + 0.5) / (known + 1)
        variances = likely * (1 - likely)
    else:
        likely, variances = means, np.array([leaf.variance for leaf in tree.leaves])
    sampling = float(shares @ variances) / places.size
    calibration = float((shares**2 * variances / known).sum())
    if counted:
        lower, upper = _wilson(value, float(shares @ likely), sampling + calibration, level)
    else:
        half = normal_half((sampling + calibration) ** 0.5, level)
        lower, upper = max(0.0, value - half), value + half
    return Estimate(
        value=value,
        lower=lower,
        upper=upper,
        n=int(places.size),
        level=level,
        sampling_se=sampling**0.5,
        calibration_se=calibration**0.5,
    )


def _wilson(value: float, likely: float, variance: float, level: float) -> tuple[float, float]:
    """The interval of a share that is as sure as one of so many independent rows."""
    rows = likely * (1 - likely) / variance
    z2 = normal_half(1.0, level) ** 2
    centre = (value + z2 / (2 * rows)) / (1 + z2 / rows)
    half = (z2 * (value * (1 - value) / rows + z2 / (4 * rows * rows))) ** 0.5 / (1 + z2 / rows)
    return min(max(0.0, centre - half), value), max(min(1.0, centre + half), value)
