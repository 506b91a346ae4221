"""How good a model's answers are, once labels have arrived: each metric with its interval, by unit.

Nearly all are ratios of totals by unit, so an arm is a ``PairMoments`` and two variants are compared like any ratio
(``Effect.of_ratios``). AUC and calibration error read one row an answer.
"""

from seatrial.stats.quality.auc import Auc, auc, auc_effect, carriers, paired_auc
from seatrial.stats.quality.calibration import Calibration, calibration_error
from seatrial.stats.quality.probabilities import brier, log_loss
from seatrial.stats.quality.regression import absolute_error, rmse_interval, squared_error
from seatrial.stats.quality.right import accuracy, f1, precision, recall
from seatrial.stats.quality.scores import Rows, Score, by_unit, f1_score, mean_score, share_score

__all__ = [
    "Auc",
    "Calibration",
    "Rows",
    "Score",
    "absolute_error",
    "accuracy",
    "auc",
    "auc_effect",
    "brier",
    "by_unit",
    "calibration_error",
    "carriers",
    "f1",
    "f1_score",
    "log_loss",
    "mean_score",
    "paired_auc",
    "precision",
    "recall",
    "rmse_interval",
    "share_score",
    "squared_error",
]
