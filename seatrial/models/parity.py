"""Parity: is the served form the original? Answers compared row by row, on reference rows and on made rows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.models.originals import Predicted
from seatrial.spec.signature import Answer, Label, Task

TINY = 1e-30
"""Where the original says exactly 0, this much is nothing."""


class Difference(NamedTuple):
    """How far two sets of answers are apart.

    Attributes:
        worst_probability: Largest |Δ| of a probability; 0 where there are none.
        worst_relative: Largest relative |Δ| of a value; 0 for classification.
        label_flips: Rows with another label.
        shapes: "" or a sentence about shapes that differ.
        row: The row that is furthest off, from 0.
    """

    worst_probability: float = 0.0
    worst_relative: float = 0.0
    label_flips: int = 0
    shapes: str = ""
    row: int = 0

    def within(self, tolerance: float) -> bool:
        """Whether the served form may stand for the original."""
        return (
            not self.shapes
            and self.label_flips == 0
            and self.worst_probability <= tolerance
            and self.worst_relative <= tolerance
        )

    def sentence(self, rows: int) -> str:
        """What differs, worst first."""
        if self.shapes:
            return self.shapes
        parts = []
        if self.label_flips:
            parts.append(f"{self.label_flips} of {rows} labels flip")
        if self.worst_probability:
            parts.append(f"probabilities differ by up to {self.worst_probability:.2g}")
        if self.worst_relative:
            parts.append(f"values differ by up to {self.worst_relative:.2g} (relative)")
        return ", ".join(parts) or "nothing differs"


def compare(original: Predicted, served: Predicted, task: Task) -> Difference:
    """Compare answers of the same rows.

    Relative differences of values are measured against max(|original|, a tenth of the median |original|), so that a
    value that happens to be near zero does not blow up, and the unit of the values does not matter.
    """
    for what, left, right in (
        ("predictions", original.prediction, served.prediction),
        ("scores", *_scores(original, served)),
    ):
        if left.shape != right.shape:
            return Difference(shapes=f"the {what} have the shape {right.shape}, the original's {left.shape}")
    if task == "classification":
        return _labels(original, served)
    return _values(original.prediction, served.prediction)


def served_answers(outputs: dict[str, NDArray[Any]], answer: Answer) -> Predicted:
    """Output tensors as labels or values, and scores."""
    prediction = outputs[answer.prediction]
    if answer.prediction_is_index:
        prediction = np.array(answer.classes, dtype=object)[prediction.astype(np.int64).ravel()]
    elif prediction.ndim == 2 and prediction.shape[1] == 1:
        prediction = prediction[:, 0]
    scores = outputs[answer.scores].astype(np.float64) if answer.scores else None
    return Predicted(prediction, scores)


def _scores(original: Predicted, served: Predicted) -> tuple[NDArray[Any], NDArray[Any]]:
    if original.scores is None or served.scores is None:
        return np.empty(0), np.empty(0)
    return original.scores, served.scores


def _labels(original: Predicted, served: Predicted) -> Difference:
    flips = np.array([_label(a) != _label(b) for a, b in zip(original.prediction, served.prediction, strict=True)])
    left, right = _scores(original, served)
    apart = _apart(left, right)
    per_row = apart.reshape(len(flips), -1).max(axis=1, initial=0.0) if apart.size else np.zeros(len(flips))
    row = int(np.argmax(np.where(flips, np.inf, per_row))) if len(flips) else 0
    return Difference(worst_probability=float(per_row.max(initial=0.0)), label_flips=int(flips.sum()), row=row)


def _values(original: NDArray[Any], served: NDArray[Any]) -> Difference:
    left, right = original.astype(np.float64), served.astype(np.float64)
    finite = np.abs(left[np.isfinite(left)])
    floor = float(np.median(finite)) * 0.1 if finite.size else 0.0
    scale = np.maximum(np.abs(left), max(floor, TINY))
    apart = _apart(left, right)
    relative = np.divide(apart, scale, out=apart.copy(), where=np.isfinite(left))
    return Difference(
        worst_relative=float(relative.max(initial=0.0)), row=int(np.argmax(relative)) if relative.size else 0
    )


def _apart(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """|Δ|, 0 where both are NaN or the same infinity, infinite where only one is."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(left - right)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def _label(value: object) -> Label | None:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bytes):
        return plain.decode()
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    return plain if isinstance(plain, str | int | bool) else str(plain)
