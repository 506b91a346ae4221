"""The Open Inference Protocol, version 2, in JSON: requests into rows of features, outputs into tensors that travel.

A client may send the model's own tensors (the columns are then features, in the order of ``Tensor.features``) or one
input per feature, named as the feature. Both become rows, so that they are checked and logged like any others.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import msgspec
from numpy.typing import NDArray

from seatrial.protocol.bodies import read
from seatrial.protocol.features import Row
from seatrial.protocol.packing import DTYPES
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature, Signature, Tensor

Parameter = str | bool | int | float
_DATATYPES = {"text": "BYTES", "category": "BYTES", "id": "BYTES", "boolean": "BOOL", "integer": "INT64"}


class InferInput(msgspec.Struct):
    """One tensor of a request; ``data`` is nested or flat, row-major."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Parameter] | None = None


class InferOutput(msgspec.Struct):
    """One output asked for."""

    name: str
    parameters: dict[str, Parameter] | None = None


class InferBody(msgspec.Struct):
    """``POST /v2/models/{name}/infer``. Fields that are not the protocol's are ignored, as it asks."""

    inputs: list[InferInput]
    id: str | None = None
    parameters: dict[str, Parameter] | None = None
    outputs: list[InferOutput] | None = None


class TensorOut(msgspec.Struct):
    """One tensor of a response; ``data`` is flat, row-major."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class InferAnswer(msgspec.Struct, omit_defaults=True):
    """The response to an infer request."""

    model_name: str
    model_version: str | None
    outputs: list[TensorOut]
    parameters: dict[str, Parameter]
    id: str | None = None


_infer = msgspec.json.Decoder(InferBody)


def read_infer(body: bytes) -> InferBody:
    """Decode an infer body; raises BadInput."""
    return read(_infer, body)


def rows_of(body: InferBody, signature: Signature) -> list[Row]:
    """The request as rows of features.

    Args:
        body: The request.
        signature: Whose tensors and features the inputs name.

    Raises:
        BadInput: An unknown input, one that is missing, a shape that does not fit its data or its neighbours, or data
            that only travels in binary.
    """
    if not body.inputs:
        raise BadInput("inputs is empty; send the model's tensors, or one input per feature")
    given = {tensor.name: tensor for tensor in body.inputs}
    if len(given) != len(body.inputs):
        raise BadInput("two inputs have the same name")
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    features = {feature.name: feature for feature in signature.features}
    if set(given) == set(tensors) and not all(_is_single(given[name], features) for name in given):
        columns = [_tensor_columns(given[name], tensor, features) for name, tensor in tensors.items()]
    else:
        columns = [_feature_column(one, features, tensors) for one in body.inputs]
    counts = {len(column) for group in columns for column in group.values()}
    if len(counts) != 1:
        raise BadInput(f"the inputs have different numbers of rows: {sorted(counts)}")
    merged = {name: column for group in columns for name, column in group.items()}
    names = tuple(merged)
    return [dict(zip(names, values, strict=True)) for values in zip(*merged.values(), strict=True)]


def _is_single(given: InferInput, features: Mapping[str, Feature]) -> bool:
    """A model whose tensor is named like its one feature: either reading gives the same."""
    return given.name in features and len(features) > 1 and len(given.shape) == 1


def _feature_column(
    given: InferInput, features: Mapping[str, Feature], tensors: Mapping[str, Tensor]
) -> dict[str, list[Any]]:
    feature = features.get(given.name)
    if feature is None:
        expected = f"the tensors {', '.join(tensors)}" if tensors else "the features"
        raise BadInput(f"input {given.name[:100]!r} is neither a feature nor, with all others, one of {expected}")
    n, width = _shape(given)
    values = _flat(given, n * width)
    if feature.kind in NUMERIC_KINDS or feature.kind in TEXT_KINDS:
        if width != 1:
            raise BadInput(f"input {given.name!r} has shape {given.shape}; a {feature.kind} has shape [n] or [n, 1]")
        return {feature.name: [_value(feature, value) for value in values]}
    return {feature.name: [values[row * width : (row + 1) * width] for row in range(n)]}


def _tensor_columns(given: InferInput, tensor: Tensor, features: Mapping[str, Feature]) -> dict[str, list[Any]]:
    n, width = _shape(given)
    values = _flat(given, n * width)
    kinds = [features[name] for name in tensor.features]
    if len(kinds) == 1 and kinds[0].kind not in NUMERIC_KINDS and kinds[0].kind not in TEXT_KINDS:
        return {kinds[0].name: [values[row * width : (row + 1) * width] for row in range(n)]}
    if width != len(kinds):
        raise BadInput(f"input {given.name!r} has shape {given.shape}; expected [n, {len(kinds)}]")
    return {
        feature.name: [_unpacked(feature, tensor, value) for value in values[column::width]]
        for column, feature in enumerate(kinds)
    }


def _unpacked(feature: Feature, tensor: Tensor, value: Any) -> Any:
    """A column's value as the feature's: a code back into its category, a stand-in back into missing."""
    if value is None or (tensor.missing is not None and value == tensor.missing and feature.nullable):
        return None
    if feature.kind not in TEXT_KINDS or tensor.datatype == "BYTES":
        return _value(feature, value)
    categories = feature.categories or ()
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise BadInput(f"feature {feature.name!r}: expected the position of a category, got {str(value)[:40]!r}")
    position = int(value)
    if 0 <= position < len(categories):
        return categories[position]
    return None if feature.nullable else f"#{position}"


def _value(feature: Feature, value: Any) -> Any:
    """0 and 1 are booleans in a tensor, and a whole float is a whole number."""
    if feature.kind == "boolean" and not isinstance(value, bool) and value in (0, 1):
        return bool(value)
    return value


def _shape(given: InferInput) -> tuple[int, int]:
    """Rows, and elements a row."""
    if given.datatype not in DTYPES:
        raise BadInput(f"input {given.name!r}: datatype {given.datatype[:20]!r} is not one of {', '.join(DTYPES)}")
    if given.datatype == "FP16":
        raise BadInput(f"input {given.name!r}: FP16 has no form in JSON; send FP32")
    if not given.shape or any(size < 0 for size in given.shape):
        raise BadInput(f"input {given.name!r} has shape {given.shape}; expected sizes of 0 or more, rows first")
    if prod(given.shape) > 2**31:
        raise BadInput(f"input {given.name!r} has shape {given.shape}, which is more than anybody could send")
    n = given.shape[0]
    if n == 0:
        raise BadInput("0 rows: send at least one")
    return n, prod(given.shape[1:])


def _flat(given: InferInput, size: int) -> list[Any]:
    if given.data is None:
        raise BadInput(f"input {given.name!r} has no data (the binary extension is not built yet; send JSON)")
    values = given.data
    while values and isinstance(values[0], list):
        if not all(isinstance(value, list) for value in values):
            raise BadInput(f"input {given.name!r}: its data is ragged")
        values = [element for value in values for element in value]
        if len(values) > size:
            break
    if len(values) != size or any(isinstance(value, list | dict) for value in values):
        raise BadInput(f"input {given.name!r} has {len(values)} elements; its shape {given.shape} means {size}")
    return values


def tensors_out(
    outputs: Mapping[str, NDArray[Any]], signature: Signature, wanted: Sequence[InferOutput] | None
) -> list[TensorOut]:
    """A model's outputs as they travel: those asked for, or all."""
    names = None if wanted is None else {one.name for one in wanted}
    return [_out(tensor, outputs[tensor.name]) for tensor in signature.outputs if names is None or tensor.name in names]


def check_outputs(wanted: Sequence[InferOutput] | None, signature: Signature) -> None:
    """Raises BadInput where an output is asked for that the model does not give, or twice."""
    declared = [tensor.name for tensor in signature.outputs]
    names = [one.name for one in wanted or ()]
    for name in names:
        if name not in declared:
            raise BadInput(f"output {name[:100]!r} is not one of {', '.join(declared)}")
    if len(set(names)) != len(names):
        raise BadInput("two outputs asked for have the same name")


def _out(tensor: Tensor, values: NDArray[Any]) -> TensorOut:
    data = [_text(value) for value in values.reshape(-1).tolist()] if tensor.datatype == "BYTES" else _plain(values)
    return TensorOut(tensor.name, tensor.datatype, list(values.shape), data)


def _plain(values: NDArray[Any]) -> list[Any]:
    flat: list[Any] = values.reshape(-1).tolist()
    return flat


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def answers_out(answers: Sequence[Mapping[str, Any]]) -> list[TensorOut]:
    """Answers that no model gave (a fallback's) as tensors: ``prediction``, and ``score`` where all have one."""
    found = [_column("prediction", [answer.get("prediction") for answer in answers])]
    if answers and all(isinstance(answer.get("score"), int | float) for answer in answers):
        found.append(_column("score", [float(answer["score"]) for answer in answers]))
    return found


def _column(name: str, values: list[Any]) -> TensorOut:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        datatype = "BOOL"
    elif kinds == {int}:
        datatype = "INT64"
    elif kinds <= {int, float}:
        datatype = "FP64"
    else:
        datatype, values = "BYTES", [value if isinstance(value, str) else _encoded(value) for value in values]
    return TensorOut(name, datatype, [len(values)], values)


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def metadata_in(signature: Signature) -> list[dict[str, Any]]:
    """The model's input tensors, as metadata names them."""
    return [_described(tensor) for tensor in signature.inputs]


def metadata_out(signature: Signature) -> list[dict[str, Any]]:
    """The model's output tensors, as metadata names them."""
    return [_described(tensor) for tensor in signature.outputs]


def feature_inputs(signature: Signature) -> list[dict[str, Any]]:
    """One input per feature: the other way to ask."""
    return [
        {"name": feature.name, "datatype": _DATATYPES.get(feature.kind, "FP64"), "shape": _feature_shape(feature)}
        for feature in signature.features
    ]


def _feature_shape(feature: Feature) -> list[int]:
    if feature.kind in NUMERIC_KINDS or feature.kind in TEXT_KINDS:
        return [-1]
    return [-1, feature.width or -1]


def _described(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
