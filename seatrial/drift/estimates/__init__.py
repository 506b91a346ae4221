"""Performance without labels, calibrated on the holdout, with intervals that hold both errors. Pure.

    calibrate, estimate_accuracy    classification: the calibrated chance of being right, averaged
    LossTree, estimate_loss         regression: the loss of rows like these on the holdout, averaged
    Lesson                          what is stored with a version: one of the two
    BLIND                           what neither can see, in words

Calibrators and trees are small frozen values, made at registration and applied with numpy alone.
"""

from seatrial.drift.estimates.accuracy import Calibrator, calibrate, estimate_accuracy
from seatrial.drift.estimates.estimate import BLIND, Estimate
from seatrial.drift.estimates.isotonic import Isotonic
from seatrial.drift.estimates.lesson import Lesson
from seatrial.drift.estimates.loss import estimate_loss
from seatrial.drift.estimates.loss_tree import LossTree
from seatrial.drift.estimates.platt import Platt

__all__ = [
    "BLIND",
    "Calibrator",
    "Estimate",
    "Isotonic",
    "Lesson",
    "LossTree",
    "Platt",
    "calibrate",
    "estimate_accuracy",
    "estimate_loss",
]
