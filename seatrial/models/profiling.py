"""The reference profile that is stored with a version: its inputs, and its answers on the holdout."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.drift.profile import Baseline, Profile, accuracy_baseline, classification_profile, regression_profile
from seatrial.models.frames import numbers_of, texts_of, vectors_of
from seatrial.models.originals import Predicted
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature, Signature


def profile_of(
    signature: Signature, frame: pd.DataFrame, predicted: Predicted | None, truth: NDArray[Any] | None
) -> Profile:
    """Profile reference rows, and the answers on a holdout where there is one.

    Args:
        signature: What the version takes and gives.
        frame: Reference rows with the features as columns.
        predicted: Answers on the holdout, or None without one.
        truth: The holdout's true labels or values [rows].
    """
    values = {feature.name: _column(frame[feature.name], feature) for feature in signature.features}
    if predicted is None or truth is None or signature.task not in ("classification", "regression"):
        return Profile.from_values(signature.features, values)
    if signature.task == "classification":
        prediction = classification_profile(predicted.prediction, predicted.scores, signature.answer.classes)
        baselines = {"accuracy": accuracy_baseline(truth, predicted.prediction)}
    else:
        prediction = regression_profile(predicted.prediction)
        baselines = _error_baselines(predicted.prediction, truth)
    return Profile.from_values(
        signature.features, values, prediction=prediction, performance=baselines, holdout_rows=len(truth)
    )


def _column(column: "pd.Series[Any]", feature: Feature) -> Any:
    if feature.kind in NUMERIC_KINDS:
        return numbers_of(column, feature)
    return texts_of(column, feature) if feature.kind in TEXT_KINDS else vectors_of(column)


def _error_baselines(prediction: NDArray[Any], truth: NDArray[Any]) -> dict[str, Baseline]:
    errors = np.abs(prediction.astype(np.float64) - truth.astype(np.float64))
    spread = float(errors.std(ddof=1)) if len(errors) > 1 else 0.0
    return {"mae": Baseline(float(errors.mean()), len(errors), spread / len(errors) ** 0.5)}
