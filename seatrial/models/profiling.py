"""The reference profile that is stored with a version: its inputs, and what its holdout says of its answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.drift.estimates.lesson import Lesson, lesson_of_errors, lesson_of_scores
from seatrial.drift.feature import FeatureProfile
from seatrial.drift.profile import (
    Baseline,
    Profile,
    accuracy_baseline,
    classification_profile,
    label_text,
    regression_profile,
)
from seatrial.models.frames import numbers_of, texts_of, vectors_of
from seatrial.models.importance import Importance
from seatrial.models.originals import Predicted
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature, Signature


class Holdout(NamedTuple):
    """Rows that the model was not fitted on, with a true answer.

    Attributes:
        frame: The rows, with the features as columns.
        predicted: The original's answers.
        truth: True labels or values, shape [rows].
    """

    frame: pd.DataFrame
    predicted: Predicted
    truth: NDArray[Any]


def profile_of(
    signature: Signature, frame: pd.DataFrame, holdout: Holdout | None, importance: Importance = Importance()
) -> Profile:
    """Profile reference rows, and the answers on a holdout where there is one.

    Args:
        signature: What the version takes and gives.
        frame: Reference rows with the features as columns.
        holdout: Predictions, calibration and baselines are of these rows only.
        importance: Of the features, to the model.
    """
    values = {feature.name: _column(frame[feature.name], feature) for feature in signature.features}
    profile = msgspec.structs.replace(
        Profile.from_values(signature.features, values),
        importance=dict(importance.shares),
        importance_from=importance.source,
    )
    if holdout is None or signature.task not in ("classification", "regression"):
        return profile
    answered = (_of_labels if signature.task == "classification" else _of_values)(signature, holdout, profile.features)
    return msgspec.structs.replace(profile, holdout_rows=len(holdout.truth), **answered._asdict())


class _Answered(NamedTuple):
    """What a holdout says of a version's answers."""

    prediction: tuple[FeatureProfile, ...]
    performance: dict[str, Baseline]
    lesson: Lesson | None


def _of_labels(signature: Signature, holdout: Holdout, features: Sequence[FeatureProfile]) -> _Answered:
    answered, scores = holdout.predicted
    classes = signature.answer.classes
    prediction = classification_profile(answered, scores, classes)
    answers = [label_text(label) for label in answered.tolist()]
    truth = [label_text(label) for label in holdout.truth.tolist()]
    right = np.array(answers) == np.array(truth)
    lesson = None
    if scores is not None and scores.shape[1] == 2:
        lesson = lesson_of_scores(scores[:, 1], np.array(truth) == label_text(classes[1]))
    elif scores is not None:
        lesson = lesson_of_scores(scores.max(axis=1), right)
    if lesson is None:
        lesson = lesson_of_errors(features, prediction[0], _inputs(signature, holdout), answers, 1.0 - right)
    return _Answered(prediction, {"accuracy": accuracy_baseline(holdout.truth, answered)}, lesson)


def _of_values(signature: Signature, holdout: Holdout, features: Sequence[FeatureProfile]) -> _Answered:
    answers = holdout.predicted.prediction.astype(np.float64)
    prediction = regression_profile(answers)
    errors = np.abs(answers - holdout.truth.astype(np.float64))
    lesson = lesson_of_errors(features, prediction[0], _inputs(signature, holdout), answers, errors)
    return _Answered(prediction, {"mae": _mean_baseline(errors)}, lesson)


def _inputs(signature: Signature, holdout: Holdout) -> dict[str, Any]:
    """The holdout's features by name; a model that never saw names may have a holdout with other ones."""
    features = [feature for feature in signature.features if feature.name in holdout.frame]
    return {feature.name: _column(holdout.frame[feature.name], feature) for feature in features}


def _column(column: "pd.Series[Any]", feature: Feature) -> Any:
    try:
        if feature.kind in NUMERIC_KINDS:
            return numbers_of(column, feature)
        return texts_of(column, feature) if feature.kind in TEXT_KINDS else vectors_of(column)
    except (TypeError, ValueError) as error:
        raise BadInput(f"The column {feature.name!r} cannot be read as {feature.kind}: {error}.") from error


def _mean_baseline(errors: NDArray[np.float64]) -> Baseline:
    spread = float(errors.std(ddof=1)) if len(errors) > 1 else 0.0
    return Baseline(float(errors.mean()), len(errors), spread / len(errors) ** 0.5)
