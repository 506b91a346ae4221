"""Accuracy without labels: the calibrated chance that each answer is right, averaged over a window.

Known as confidence-based performance estimation (CBPE). What it cannot see is ``estimate.BLIND``.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.drift.estimates.estimate import Estimate
from seatrial.drift.estimates.isotonic import Isotonic
from seatrial.drift.estimates.platt import Platt
from seatrial.drift.estimates.scores import scores_of
from seatrial.drift.proportions import wilson
from seatrial.spec.errors import BadInput

Calibrator = Isotonic | Platt
STEPS_FROM = 1000
"""Rows of a holdout from which steps beat a curve: below, a step rests on too few of them."""


def calibrate(scores: ArrayLike, happened: ArrayLike, method: Literal["isotonic", "platt"] | None = None) -> Calibrator:
    """Learn on a holdout what a score is worth; the result is small, frozen, and applied without any library.

    Args:
        scores: Shape [n], in [0, 1]: with two classes P(positive); with more, the score of the predicted label.
        happened: Shape [n]: with two classes whether the label was positive; with more, whether the answer was right.
        method: None: steps from 1 000 rows, a logistic curve below.
    """
    steps = np.size(np.asarray(scores)) >= STEPS_FROM if method is None else method == "isotonic"
    return Isotonic.fit(scores, happened) if steps else Platt.fit(scores, happened)


def estimate_accuracy(
    calibrator: Calibrator, scores: ArrayLike, positive: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """Estimate the share of right answers in a window.

    Args:
        calibrator: Of ``calibrate`` on the holdout.
        scores: As there, of the window's rows; shape [n].
        positive: With two classes, whether the positive label was answered; shape [n]. None with more classes.
        level: Of the interval: Wilson's, with the number of rows that both errors together are worth.

    References:
        NannyML's documentation of CBPE for the idea; J. Białek et al., Estimating Model Performance Under Covariate
        Shift Without Labels, 2024. The calibration error in the interval is ours.
    """
    array = scores_of(scores)
    if not array.size:
        raise BadInput("a window without rows has no accuracy; wait until it has some")
    chances = calibrator.apply(array)
    signs = _signs(positive, array.size)
    right = np.where(signs > 0, chances, 1 - chances)
    value, n = float(right.mean()), array.size
    sampling = float((right * (1 - right)).sum()) / n**2
    calibration = calibrator.variance(array, signs / n)
    lower, upper = wilson(value, _worth(value, sampling + calibration, n), level)
    return Estimate(
        value=value,
        lower=lower,
        upper=upper,
        n=n,
        level=level,
        sampling_se=sampling**0.5,
        calibration_se=calibration**0.5,
    )


def _signs(positive: ArrayLike | None, n: int) -> NDArray[np.float64]:
    if positive is None:
        return np.ones(n)
    answers = np.asarray(positive, dtype=np.bool_)
    if answers.shape != (n,):
        raise BadInput(f"{n} scores and {answers.size} answers do not belong together; give one answer a score")
    return np.where(answers, 1.0, -1.0)


def _worth(value: float, variance: float, n: int) -> float:
    """Rows of a plain share with this variance; never more than twice the window's, where sure rows leave no chance."""
    plain = value * (1 - value)
    return min(plain / variance, 2.0 * n) if variance > 0 else float(n)
