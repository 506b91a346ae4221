"""A model that comes as ONNX already: its inputs matched to the reference's columns, its outputs read as answers."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.models.frames import pack
from seatrial.models.onnx_graph import finish, inputs_of, outputs_of, without_zipmap
from seatrial.models.originals import Predicted, plain_label
from seatrial.models.parity import served_answers
from seatrial.models.runtimes import OnnxRuntime, RuntimeFailure
from seatrial.protocol.packing import Packing
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Label, Signature, Task, Tensor

_FLOATS = ("FP16", "FP32", "FP64")
ONE_SCORE = "seatrial_scores"
"""The output that is made of a model's one number, P(positive): both classes' probabilities."""


class OnnxFile(msgspec.Struct, frozen=True):
    """An ONNX model with its signature."""

    content: bytes
    signature: Signature
    notes: tuple[str, ...] = ()

    def predict(self, frame: pd.DataFrame) -> Predicted:
        """Answers for rows of a frame."""
        runtime = OnnxRuntime(self.content, tuple(tensor.name for tensor in self.signature.outputs))
        outputs = runtime.run(pack(self.signature, frame))
        return served_answers(outputs, self.signature.answer)


def parse_onnx(content: bytes, name: str) -> Any:
    """The graph of an ONNX file; raises BadInput for a file that is none."""
    import onnx

    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:
        raise BadInput(f"{name!r} is not an ONNX model ({_first_line(error)}).") from error
    if not model.graph.output:
        raise BadInput(f"{name!r} is not an ONNX model: its graph has no outputs.")
    return model


def read_onnx(
    model: Any, features: Sequence[Feature], frame: pd.DataFrame, truth: "pd.Series[Any] | None", task: Task | None
) -> OnnxFile:
    """Match a graph to features and a task, and let it answer the reference rows once.

    Raises:
        BadInput: Inputs and columns do not match, the batch is fixed, the task is unknown, or it fails on the rows.
    """
    zipped = without_zipmap(model)
    inputs = match_inputs(inputs_of(model), features)
    outputs = outputs_of(model)
    task = task or guess_task(outputs)
    if task == "classification":
        content, outputs, answer = _classifier(model, outputs, zipped, truth)
    elif task == "regression":
        content, outputs, answer = finish(model, outputs[:1]), outputs[:1], Answer(prediction=outputs[0].name)
    elif task == "ranking":
        outputs, answer = _ranker(outputs)
        content = finish(model, outputs)
    else:
        content, answer = finish(model, outputs), Answer(prediction=outputs[0].name)
    signature = Signature(task=task, features=tuple(features), inputs=inputs, outputs=outputs, answer=answer)
    Packing(signature)
    found = OnnxFile(content, signature)
    try:
        answered = found.predict(frame.head(100))
    except RuntimeFailure as error:
        raise BadInput(f"The ONNX model does not answer the reference rows: {error}") from error
    if task == "regression" and answered.prediction.ndim > 1:
        raise BadInput(f"The model predicts {answered.prediction.shape[1]} values at once; register one model a value.")
    return _with_checked_scores(found, answered)


def match_inputs(tensors: Sequence[Tensor], features: Sequence[Feature]) -> tuple[Tensor, ...]:
    """Which features each input tensor takes: a tensor of its name, or all of them in one tensor."""
    names = [feature.name for feature in features]
    for tensor in tensors:
        if tensor.shape and tensor.shape[0] > 0:
            raise BadInput(
                f"The input {tensor.name!r} takes {tensor.shape[0]} rows only; export the model with a dynamic batch."
            )
    if len(tensors) == 1 and tensors[0].name not in names:
        return (_whole(tensors[0], names),)
    lacking = [tensor.name for tensor in tensors if tensor.name not in names]
    if lacking:
        raise BadInput(
            f"The model takes {lacking[0]!r}, and the reference data has no such column; name columns like the inputs."
        )
    return tuple(msgspec.structs.replace(tensor, features=(tensor.name,)) for tensor in tensors)


def guess_task(outputs: Sequence[Tensor]) -> Task:
    """``classification`` where a label and scores come out; otherwise the user must say."""
    if outputs[0].datatype in ("INT64", "BYTES") and len(outputs) >= 2 and outputs[1].datatype in _FLOATS:
        return "classification"
    shown = ", ".join(f"{t.name} {t.datatype}{list(t.shape)}" for t in outputs)
    raise BadInput(
        f"What the model does cannot be told from its outputs ({shown}); say --task classification or regression."
    )


def _whole(tensor: Tensor, names: Sequence[str]) -> Tensor:
    width = int(np.prod([axis for axis in tensor.shape[1:] if axis > 0])) if len(tensor.shape) > 1 else 1
    open_width = len(tensor.shape) == 2 and tensor.shape[1] == -1
    if not open_width and width != len(names):
        raise BadInput(
            f"The model's input {tensor.name!r} takes {width} columns and the reference data has {len(names)}; name "
            "the label's column with --target, and leave out what is no feature."
        )
    shape = (-1, len(names)) if open_width else tensor.shape
    return msgspec.structs.replace(tensor, features=tuple(names), shape=shape)


def _classifier(
    model: Any, outputs: tuple[Tensor, ...], zipped: tuple[Label, ...], truth: "pd.Series[Any] | None"
) -> tuple[bytes, tuple[Tensor, ...], Answer]:
    label = next((t for t in outputs if t.datatype in ("INT64", "INT32", "BYTES")), None)
    scores = next((t for t in outputs if t.datatype in _FLOATS), None)
    if scores is None:
        if label is None:
            raise BadInput("The model gives neither labels nor scores; it cannot be a classifier.")
        return finish(model, [label]), (label,), Answer(prediction=label.name, classes=_known(truth, 0) or ())
    width = scores.shape[1] if len(scores.shape) == 2 else 1
    classes = zipped or _known(truth, max(width, 2)) or tuple(range(max(width, 2)))
    if label is not None:
        kept = (label, scores)
        return finish(model, kept), kept, Answer(prediction=label.name, scores=scores.name, classes=classes)
    return _with_label(model, scores, width, classes)


def _ranker(outputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Answer]:
    """Items by name or number, and their scores, in one place of each row."""
    items = next((tensor for tensor in outputs if tensor.datatype not in _FLOATS), None)
    scores = next((tensor for tensor in outputs if tensor.datatype in _FLOATS), None)
    if items is None or scores is None:
        shown = ", ".join(f"{t.name} {t.datatype}{list(t.shape)}" for t in outputs)
        raise BadInput(
            f"A ranking gives items and their scores, [rows, items] each, and the model gives {shown}; export both, or "
            "say --task raw."
        )
    return (items, scores), Answer(prediction=items.name, scores=scores.name)


def _with_label(
    model: Any, scores: Tensor, width: int, classes: tuple[Label, ...]
) -> tuple[bytes, tuple[Tensor, ...], Answer]:
    """A model that gives scores alone gets the position of the best one as its label; one number is P(positive)."""
    from onnx import TensorProto, helper, numpy_helper

    graph, source = model.graph, scores.name
    if width == 1:
        kind = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}[scores.datatype]
        constants = {"seatrial_one": np.array([1], dtype=kind), "seatrial_column": np.array([-1, 1], dtype=np.int64)}
        graph.initializer.extend(numpy_helper.from_array(value, name=name) for name, value in constants.items())
        graph.node.append(helper.make_node("Reshape", [source, "seatrial_column"], ["seatrial_yes"]))
        graph.node.append(helper.make_node("Sub", ["seatrial_one", "seatrial_yes"], ["seatrial_no"]))
        graph.node.append(helper.make_node("Concat", ["seatrial_no", "seatrial_yes"], [ONE_SCORE], axis=1))
        source = ONE_SCORE
        kinds = {"FP16": TensorProto.FLOAT16, "FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE}
        graph.output.append(helper.make_tensor_value_info(source, kinds[scores.datatype], [None, 2]))
    graph.node.append(helper.make_node("ArgMax", [source], ["seatrial_label"], axis=1, keepdims=0))
    graph.output.append(helper.make_tensor_value_info("seatrial_label", TensorProto.INT64, [None]))
    kept = tuple(t for t in outputs_of(model) if t.name in (source, "seatrial_label"))
    answer = Answer(prediction="seatrial_label", scores=source, classes=classes, prediction_is_index=True)
    return finish(model, kept), kept, answer


def _known(truth: "pd.Series[Any] | None", count: int) -> tuple[Label, ...]:
    """The labels in the reference data, sorted, when they are as many as the model's scores."""
    if truth is None:
        return ()
    labels = tuple(plain_label(value) for value in sorted(truth.dropna().unique()))
    return labels if count in (0, len(labels)) else ()


def _with_checked_scores(found: OnnxFile, answered: Predicted) -> OnnxFile:
    """Scores that are no probabilities are not called so: they are left out of the answer."""
    scores: NDArray[np.float64] | None = answered.scores
    if found.signature.task != "classification" or scores is None or _are_probabilities(scores):
        return found
    if found.signature.answer.scores == ONE_SCORE:
        raise BadInput(
            "The model gives one number a row, and not from 0 to 1, so which label it means is not known; "
            "end it in a sigmoid."
        )
    answer = msgspec.structs.replace(found.signature.answer, scores=None)
    signature = msgspec.structs.replace(found.signature, answer=answer)
    note = "The model's scores do not sum to 1, so they are not served as probabilities; add a softmax to have them."
    return OnnxFile(found.content, signature, (note,))


def _are_probabilities(scores: NDArray[np.float64]) -> bool:
    inside = bool((scores >= -1e-6).all() and (scores <= 1 + 1e-6).all())
    return inside and bool(np.allclose(scores.sum(axis=1), 1.0, atol=1e-3))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
