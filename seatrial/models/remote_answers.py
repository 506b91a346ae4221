"""What a remote server said of some rows, as the output tensors of the variant's signature; pure.

Every value is checked here: a server that answers something else than a label, a number or a probability has failed.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.packing import DTYPES
from seatrial.spec.signature import Label, Signature

MOST_SHOWN = 5


class Said(NamedTuple):
    """A server's values, one a row each; None: it was not asked for them."""

    answer: Sequence[Any] | None = None
    score: Sequence[Any] | None = None
    scores: Sequence[Any] | None = None


def outputs_of(said: Said, signature: Signature, rows: int) -> dict[str, NDArray[Any]]:
    """The signature's output tensors.

    Raises:
        RuntimeFailure: Another number of rows, or a value that is no answer; the message goes on after the server's
            name.
    """
    for values in said:
        if values is not None and len(values) != rows:
            raise RuntimeFailure(f"answered {len(values)} rows for {rows}")
    return _TASKS[signature.task](said, signature)


def _regression(said: Said, signature: Signature) -> dict[str, NDArray[Any]]:
    return {signature.answer.prediction: np.array([_number(value) for value in said.answer or ()], dtype=np.float64)}


def _raw(said: Said, signature: Signature) -> dict[str, NDArray[Any]]:
    return {signature.answer.prediction: _objects(said.answer or ())}


def _classification(said: Said, signature: Signature) -> dict[str, NDArray[Any]]:
    answer = signature.answer
    scores = _scores(said, answer.classes)
    if said.answer is not None:
        labels = _labels(said.answer, signature)
    else:
        assert scores is not None
        best = [1 if row[1] >= row[0] else 0 for row in scores] if len(answer.classes) == 2 else scores.argmax(axis=1)
        labels = [int(place) if answer.prediction_is_index else answer.classes[place] for place in best]
    datatype = next(tensor.datatype for tensor in signature.outputs if tensor.name == answer.prediction)
    found = {
        answer.prediction: _objects(labels) if datatype == "BYTES" else np.array(labels, dtype=DTYPES[datatype]),
    }
    if scores is not None and answer.scores is not None:
        found[answer.scores] = scores
    return found


_TASKS: dict[str, Callable[[Said, Signature], dict[str, NDArray[Any]]]] = {
    "classification": _classification,
    "regression": _regression,
    "raw": _raw,
}


def _labels(values: Sequence[Any], signature: Signature) -> list[Any]:
    classes = signature.answer.classes
    if signature.answer.prediction_is_index:
        return [_position(value, len(classes)) for value in values]
    known = {(type(label), label): label for label in classes}
    return [_label(value, known) for value in values]


def _position(value: Any, size: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < size:
        raise RuntimeFailure(f"answered {shown(value)} as a label's position, of {size} classes")
    return value


def _label(value: Any, known: Mapping[tuple[type, Label], Label]) -> Label:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int):
        raise RuntimeFailure(f"answered {shown(value)}, which is no label{_perhaps_score(value, known)}")
    if known and (type(value), value) not in known:
        labels = ", ".join(map(repr, list(known.values())[:MOST_SHOWN]))
        raise RuntimeFailure(f"answered {shown(value)}, which is not one of the labels {labels}")
    return value


def _perhaps_score(value: Any, known: Mapping[tuple[type, Label], Label]) -> str:
    return "; is it a `score`?" if isinstance(value, float) and 0 <= value <= 1 and len(known) == 2 else ""


def _scores(said: Said, classes: Sequence[Label]) -> NDArray[Any] | None:
    if said.score is not None:
        second = np.array([_probability(value) for value in said.score], dtype=np.float64)
        return np.column_stack([1 - second, second])
    if said.scores is None:
        return None
    rows = [_row(value, classes) for value in said.scores]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(classes))


def _row(value: Any, classes: Sequence[Label]) -> list[float]:
    if isinstance(value, Mapping):
        by_class = [value.get(_text(label)) for label in classes]
        if len(value) != len(classes) or None in by_class:
            named = ", ".join(map(_text, classes[:MOST_SHOWN]))
            raise RuntimeFailure(f"answered probabilities of {', '.join(list(value)[:MOST_SHOWN])}, not of {named}")
        value = by_class
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != len(classes):
        raise RuntimeFailure(f"answered {shown(value)} for the probabilities of {len(classes)} classes")
    return [_probability(item) for item in value]


def _probability(value: Any) -> float:
    number = _number(value)
    if not 0.0 <= number <= 1.000001:
        raise RuntimeFailure(f"answered {shown(value)} as a probability")
    return min(number, 1.0)


def _number(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else inf
    except OverflowError:
        number = inf
    if not isfinite(number):
        raise RuntimeFailure(f"answered {shown(value)} where a number is expected")
    return number


def _text(label: Label) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    found: NDArray[Any] = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        found[place] = value
    return found


def shown(value: Any) -> str:
    """A value as a message shows it: short."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "an object"
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
