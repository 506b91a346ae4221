"""Performance on the holdout: the numbers a version is remembered by, and the baseline of its monitors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.models.originals import Predicted
from seatrial.spec.signature import Label, Task

SMALLEST_PROBABILITY = 1e-15
"""A logarithmic loss clips here, so that one sure mistake is not infinite."""


def performance(task: Task, predicted: Predicted, truth: NDArray[Any], classes: tuple[Label, ...]) -> dict[str, float]:
    """Metrics of answers against the truth.

    Classification: ``accuracy``, and ``log_loss`` (natural logarithm, mean over rows) where there are probabilities and
    every true label is a known class. Regression: ``mae``, ``rmse``, and ``r2`` where the truth varies.
    """
    if task == "classification":
        return _classification(predicted, truth, classes)
    if task == "regression":
        return _regression(predicted.prediction.astype(np.float64), truth.astype(np.float64))
    return {}


def strangers(truth: NDArray[Any], classes: tuple[Label, ...]) -> tuple[Label, ...]:
    """Up to five of the true labels, where not one of them is a label that the model gives; else none."""
    known = {_key(label) for label in classes}
    found = {_key(value) for value in truth}
    return () if not known or known & found else tuple(sorted(found, key=str)[:5])  # type: ignore[arg-type]


def _classification(predicted: Predicted, truth: NDArray[Any], classes: tuple[Label, ...]) -> dict[str, float]:
    right = [_key(a) == _key(b) for a, b in zip(predicted.prediction, truth, strict=True)]
    metrics = {"accuracy": float(np.mean(right))}
    places = {_key(label): i for i, label in enumerate(classes)}
    columns = [places.get(_key(value), -1) for value in truth]
    if predicted.scores is not None and min(columns) >= 0:
        chosen = predicted.scores[np.arange(len(columns)), columns]
        metrics["log_loss"] = float(-np.log(np.clip(chosen, SMALLEST_PROBABILITY, 1.0)).mean())
    return metrics


def _regression(values: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    errors = values - truth
    metrics = {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt((errors**2).mean()))}
    spread = float(((truth - truth.mean()) ** 2).sum())
    if spread > 0:
        metrics["r2"] = 1.0 - float((errors**2).sum()) / spread
    return metrics


def _key(value: object) -> object:
    plain = value.item() if isinstance(value, np.generic) else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
