"""Answers of an original model as tensors: all that its process needs to know of the form in which it is served."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.models.originals import Predicted
from seatrial.spec.signature import Answer

PREDICTION = "prediction"
SCORES = "scores"


def tensors_of(answers: Predicted, answer: Answer) -> Mapping[str, NDArray[Any]]:
    """Answers of the original as output tensors; labels as positions in the classes."""
    if not answer.classes:
        return {PREDICTION: np.asarray(answers.prediction, dtype=np.float64).reshape(len(answers.prediction))}
    places = {label: i for i, label in enumerate(answer.classes)}
    found = np.array([places[_plain(value)] for value in answers.prediction], dtype=np.int64)
    if answer.scores is None or answers.scores is None:
        return {PREDICTION: found}
    return {PREDICTION: found, SCORES: answers.scores}


def _plain(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
