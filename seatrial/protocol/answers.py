"""Output tensors into answers, and into what the ledger keeps of them. One reader per task; a table picks it.

Classification answers ``{"prediction": label, "score"}`` (two classes: the second's probability) or ``{"prediction",
"scores"}``; regression ``{"prediction": number}``; ranking ``{"prediction": [{"item", "score"}, …]}``, best first; raw
``{"prediction": …}`` as the model gave it.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.spec.errors import SeatrialError
from seatrial.spec.signature import Label, Signature

Outputs = Mapping[str, NDArray[Any]]
Prediction = tuple[Any, ...]
"""What the ledger keeps of one answer, in the order of ``Answers.columns``."""

Column = tuple[str, Literal["number", "integer", "boolean", "string"]]

_encode = msgspec.json.Encoder().encode

MAX_SCORE_COLUMNS = 100
"""A classifier of more classes is logged with its label only."""


class UnreadableAnswer(SeatrialError):
    """A model gave outputs that its signature does not describe; the model's fault, so another variant may answer."""


class Read(NamedTuple):
    """Answers of n rows.

    Attributes:
        answers: n JSON-able objects.
        predictions: n tuples for the ledger.
    """

    answers: list[dict[str, Any]]
    predictions: list[Prediction]


class Answers:
    """Reads the outputs of one signature; immutable.

    Attributes:
        columns: Names and types of the prediction columns that the ledger keeps.
    """

    __slots__ = ("_read", "columns", "one")

    def __init__(self, signature: Signature) -> None:
        self.columns: tuple[Column, ...] = prediction_columns(signature)
        self._read: Callable[[Outputs, int], Read] = _READERS[signature.task](signature)
        self.one: Callable[[Outputs], tuple[bytes, Prediction]] = _two_classes(signature) or self._one

    def _one(self, outputs: Outputs) -> tuple[bytes, Prediction]:
        """The answer to one row as the inside of a JSON object, and what the ledger keeps of it. Raises as `read`."""
        read = self.read(outputs, 1)
        return _encode(read.answers[0])[1:-1], read.predictions[0]

    def read(self, outputs: Outputs, n: int) -> Read:
        """The answers of ``n`` rows.

        Raises:
            UnreadableAnswer: A tensor is absent, has another number of rows, or holds a value that is no answer.
        """
        try:
            return self._read(outputs, n)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise UnreadableAnswer(f"the model's outputs do not fit its signature: {error!r}") from error

    def keep(self, answer: Mapping[str, Any]) -> Prediction | None:
        """What the ledger keeps of an answer in JSON (a fallback, an application's own); None where it does not fit."""
        values = [_from_answer(answer, name) for name, _ in self.columns]
        checks = [_FITS[kind](value) for (_, kind), value in zip(self.columns, values, strict=True)]
        return tuple(values) if all(checks) and values[:1] != [None] else None


def prediction_columns(signature: Signature) -> tuple[Column, ...]:
    """The ledger's prediction columns: ``label``, then ``score`` or ``score.<class>``; or ``value``; or ``json``."""
    if signature.task == "regression":
        return (("value", "number"),)
    if signature.task != "classification":
        return (("json", "string"),)
    label: Column = ("label", _label_type(signature))
    classes = signature.answer.classes
    if signature.answer.scores is None or not 2 <= len(classes) <= MAX_SCORE_COLUMNS:
        return (label,)
    if len(classes) == 2:
        return label, ("score", "number")
    return (label, *((f"score.{_text(name)}", "number") for name in classes))


def _label_type(signature: Signature) -> Literal["integer", "boolean", "string"]:
    kinds = {type(label) for label in signature.answer.classes}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "integer"
    if kinds:
        return "string"
    datatype = next((t.datatype for t in signature.outputs if t.name == signature.answer.prediction), "BYTES")
    return "string" if datatype == "BYTES" else "boolean" if datatype == "BOOL" else "integer"


def _classification(signature: Signature) -> Callable[[Outputs, int], Read]:
    answer = signature.answer
    label_tensor, score_tensor, classes = answer.prediction, answer.scores, answer.classes
    as_label = _labeller(signature)
    names = tuple(_text(label) for label in classes)
    log_scores = 2 <= len(classes) <= MAX_SCORE_COLUMNS

    def labels(outputs: Outputs, n: int) -> list[Label]:
        found = _flat(outputs[label_tensor], n, label_tensor)
        return [as_label(label) for label in found] if as_label else found

    def read_labels(outputs: Outputs, n: int) -> Read:
        found = labels(outputs, n)
        return Read([{"prediction": label} for label in found], [(label,) for label in found])

    def read_two(outputs: Outputs, n: int) -> Read:
        found = labels(outputs, n)
        scores = [row[1] for row in _rows(outputs[score_tensor or ""], n, 2)]
        for score in scores:
            if not 0.0 <= score <= 1.000001:
                raise UnreadableAnswer(f"the model gave {score} as a probability")
        return Read(
            [{"prediction": label, "score": score} for label, score in zip(found, scores, strict=True)],
            list(zip(found, scores, strict=True)),
        )

    def read_many(outputs: Outputs, n: int) -> Read:
        found = labels(outputs, n)
        rows = _rows(outputs[score_tensor or ""], n, len(names))
        for row in rows:
            if not isfinite(sum(row)):
                raise UnreadableAnswer("the model gave a probability that is not a number")
        answers = [
            {"prediction": label, "scores": dict(zip(names, row, strict=True))}
            for label, row in zip(found, rows, strict=True)
        ]
        if not log_scores:
            return Read(answers, [(label,) for label in found])
        return Read(answers, [(label, *row) for label, row in zip(found, rows, strict=True)])

    if score_tensor is None or len(classes) < 2:
        return read_labels
    return read_two if len(classes) == 2 else read_many


def _two_classes(signature: Signature) -> Callable[[Outputs], tuple[bytes, Prediction]] | None:
    """The commonest model's one row: of two whole-number labels and their scores, with no list made."""
    answer = signature.answer
    label_tensor, score_tensor, classes = answer.prediction, answer.scores, answer.classes
    if signature.task != "classification" or score_tensor is None or len(classes) != 2:
        return None
    if answer.prediction_is_index or _label_type(signature) != "integer":
        return None
    heads = {label: b'"prediction":%b,"score":' % _encode(label) for label in classes}

    def one(outputs: Outputs) -> tuple[bytes, Prediction]:
        scores = outputs[score_tensor]
        label, score = outputs[label_tensor].item(), scores.item(1)
        if label not in heads or scores.size != 2 or not 0.0 <= score <= 1.000001:
            raise UnreadableAnswer(f"the model gave {label} with the probability {score}")
        return heads[label] + _encode(score), (label, score)

    return one


def _labeller(signature: Signature) -> Callable[[Any], Label] | None:
    """How an element of the label tensor becomes a label; None where it already is one."""
    classes = signature.answer.classes
    if signature.answer.prediction_is_index:
        return lambda index: classes[_position(index, len(classes))]
    kind = _label_type(signature)
    if kind == "boolean":
        return bool
    if kind == "integer":
        return int
    return _text if classes and any(not isinstance(label, str) for label in classes) else None


def _position(index: Any, size: int) -> int:
    position = int(index)
    if not 0 <= position < size:
        raise UnreadableAnswer(f"the model gave {position} as a label's position, of {size} classes")
    return position


def _regression(signature: Signature) -> Callable[[Outputs, int], Read]:
    tensor = signature.answer.prediction

    def read(outputs: Outputs, n: int) -> Read:
        values: list[float] = _flat(outputs[tensor], n, tensor)
        for value in values:
            if not isfinite(value):
                raise UnreadableAnswer(f"the model gave {value} as a number")
        return Read([{"prediction": value} for value in values], [(value,) for value in values])

    return read


def _ranking(signature: Signature) -> Callable[[Outputs, int], Read]:
    """Items by name from ``prediction`` with ``scores`` beside, or scores alone in the order of ``classes``."""
    answer = signature.answer
    classes = answer.classes

    def read(outputs: Outputs, n: int) -> Read:
        first = _rows(outputs[answer.prediction], n, None)
        if answer.scores is None:
            items = [list(classes[: len(row)]) for row in first]
            scores = first
        else:
            items, scores = first, _rows(outputs[answer.scores], n, None)
        for row in scores:
            if not all(map(isfinite, row)):
                raise UnreadableAnswer("the model gave an item a score that is not a number")
        answers = [{"prediction": _ranked(*pair)} for pair in zip(items, scores, strict=True)]
        return Read(answers, [(_json(one["prediction"]),) for one in answers])

    return read


def _ranked(items: list[Any], scores: list[float]) -> list[dict[str, Any]]:
    pairs = sorted(zip(items, scores, strict=True), key=lambda pair: -pair[1])
    return [{"item": item, "score": score} for item, score in pairs]


def _raw(signature: Signature) -> Callable[[Outputs, int], Read]:
    names = tuple(tensor.name for tensor in signature.outputs)

    def read(outputs: Outputs, n: int) -> Read:
        columns = {name: _rows_of(outputs[name], n, name) for name in names}
        if len(names) == 1:
            answers: list[dict[str, Any]] = [{"prediction": value} for value in columns[names[0]]]
        else:
            answers = [{"prediction": {name: columns[name][row] for name in names}} for row in range(n)]
        return Read(answers, [(_json(answer["prediction"]),) for answer in answers])

    return read


_READERS: dict[str, Callable[[Signature], Callable[[Outputs, int], Read]]] = {
    "classification": _classification,
    "regression": _regression,
    "ranking": _ranking,
    "raw": _raw,
}


def _rows_of(tensor: NDArray[Any], n: int, name: str) -> list[Any]:
    if tensor.ndim == 0 or len(tensor) != n:
        raise UnreadableAnswer(f"output {name!r} has shape {list(tensor.shape)} for {n} rows")
    rows: list[Any] = tensor.tolist()
    return rows


def _flat(tensor: NDArray[Any], n: int, name: str) -> list[Any]:
    if tensor.size != n:
        raise UnreadableAnswer(f"output {name!r} has shape {list(tensor.shape)} for {n} rows")
    values: list[Any] = (tensor if tensor.ndim == 1 else tensor.reshape(n)).tolist()
    return values


def _rows(tensor: NDArray[Any], n: int, width: int | None) -> list[list[Any]]:
    if tensor.ndim != 2 or len(tensor) != n or (width is not None and tensor.shape[1] != width):
        raise UnreadableAnswer(f"an output has shape {list(tensor.shape)} for {n} rows of {width or 'some'} scores")
    rows: list[list[Any]] = tensor.tolist()
    return rows


def _text(label: Label) -> str:
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(label)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(type(value).__name__)


def _from_answer(answer: Mapping[str, Any], column: str) -> Any:
    if column in ("label", "value"):
        return answer.get("prediction")
    if column == "json":
        return _json(answer.get("prediction"))
    if column == "score":
        return answer.get("score")
    scores = answer.get("scores")
    return scores.get(column.removeprefix("score.")) if isinstance(scores, Mapping) else None


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value))


_FITS: dict[str, Callable[[object], bool]] = {
    "number": _is_number,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
}
