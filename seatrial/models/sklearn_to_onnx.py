"""scikit-learn to ONNX: one tensor for a matrix of numbers, a tensor a column for pipelines that pick columns."""

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from seatrial.models.converted import Converted, NotConvertible
from seatrial.models.onnx_graph import finish, inputs_of, outputs_of
from seatrial.models.originals import Original
from seatrial.models.pipeline_converters import OWN, register_converters
from seatrial.models.sklearn_models import last_step
from seatrial.spec.signature import TEXT_KINDS, Answer, Datatype, Feature, Tensor

FLOATS: tuple[Datatype, ...] = ("FP32", "FP64")
OPSET = {"": 18, "ai.onnx.ml": 3}


def sklearn_ways(original: Original, features: Sequence[Feature]) -> Iterator[tuple[str, Sequence[Tensor]]]:
    """The input forms worth trying, in order: (name of the way, tensors)."""
    if not original.needs_columns and all(f.kind in TEXT_KINDS for f in features):
        for missing in _missing_texts(features):
            yield f"missing text as {missing!r}", (_texts(features, missing),)
        return
    if not original.needs_columns:
        for datatype in FLOATS:
            yield _spoken(datatype), (matrix(features, datatype),)
        return
    texts = _missing_texts(features)
    for missing in texts:
        for datatype in FLOATS:
            named = f"{_spoken(datatype)}, missing text as {missing!r}" if len(texts) > 1 else _spoken(datatype)
            yield named, tuple(_column(feature, datatype, missing) for feature in features)


def convert_sklearn(original: Original, inputs: Sequence[Tensor], way: str) -> Converted:
    """Convert with the given input tensors; raises NotConvertible with the step and the reason."""
    import skl2onnx

    register_converters()
    options = {id(original.model): {"zipmap": False}} if original.task == "classification" else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = skl2onnx.convert_sklearn(
                original.model,
                initial_types=[(tensor.name, _onnx_type(tensor)) for tensor in inputs],
                options=options,
                target_opset=OPSET,
            )
    except Exception as error:
        raise NotConvertible(_reason(error)) from error
    return converted(original, graph, _as_named(graph, inputs), way)


def _as_named(graph: Any, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The tensors by the names that the graph gives them: in its inputs, in order, ``Monthly Charges`` has no space."""
    names = [tensor.name for tensor in inputs_of(graph)]
    if len(names) != len(inputs):
        raise NotConvertible(f"the graph takes {len(names)} inputs where the model takes {len(inputs)}")
    return tuple(msgspec.structs.replace(t, name=name) for t, name in zip(inputs, names, strict=True))


def converted(original: Original, graph: Any, inputs: Sequence[Tensor], way: str) -> Converted:
    """A converted graph with the answer's meaning: what is label, what are scores."""
    outputs = outputs_of(graph)
    if original.task != "classification":
        return Converted(
            finish(graph, outputs[:1]), tuple(inputs), outputs[:1], Answer(prediction=outputs[0].name), way
        )
    gives_scores = hasattr(original.model, "predict_proba") and len(outputs) > 1
    kept = outputs[:2] if gives_scores else outputs[:1]
    answer = Answer(
        prediction=kept[0].name,
        scores=kept[1].name if gives_scores else None,
        classes=original.classes,
        prediction_is_index=isinstance(original.classes[0], bool) or type(last_step(original.model)).__name__ in OWN,
    )
    return Converted(finish(graph, kept), tuple(inputs), kept, answer, way)


def matrix(features: Sequence[Feature], datatype: Datatype) -> Tensor:
    return Tensor(name="input", datatype=datatype, shape=(-1, len(features)), features=tuple(f.name for f in features))


def _texts(features: Sequence[Feature], missing: str) -> Tensor:
    names = tuple(f.name for f in features)
    return Tensor(name="input", datatype="BYTES", shape=(-1, len(names)), features=names, missing=missing)


def _missing_texts(features: Sequence[Feature]) -> tuple[str, ...]:
    """What may stand for a missing text, as the encoders' own ways of writing it."""
    return ("nan", "", "None") if any(f.kind in TEXT_KINDS and f.nullable for f in features) else ("",)


def _column(feature: Feature, datatype: Datatype, missing: str) -> Tensor:
    if feature.kind in TEXT_KINDS:
        return Tensor(name=feature.name, datatype="BYTES", shape=(-1, 1), features=(feature.name,), missing=missing)
    return Tensor(name=feature.name, datatype=datatype, shape=(-1, 1), features=(feature.name,))


def _onnx_type(tensor: Tensor) -> Any:
    from skl2onnx.common import data_types

    kinds = {
        "FP32": data_types.FloatTensorType,
        "FP64": data_types.DoubleTensorType,
        "BYTES": data_types.StringTensorType,
    }
    return kinds[tensor.datatype]([None, *tensor.shape[1:]])


def _spoken(datatype: Datatype) -> str:
    return {"FP32": "float32", "FP64": "float64"}[datatype]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    named = re.search(r"type '<class '(?:[\w.]+\.)?(\w+)'>|alias '(\w+)'|for model '?(\w+)'?", text)
    step = next((g for g in named.groups() if g), None) if named else None
    short = text[:200] + ("…" if len(text) > 200 else "")
    return f"the step {step}: {short}" if step else short or type(error).__name__
