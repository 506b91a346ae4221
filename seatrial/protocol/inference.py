"""The Open Inference Protocol, version 2: requests into rows of features, outputs into tensors that travel.

Tensors travel in JSON, or in bytes beside it (``binary_bodies``, and ``calls`` for gRPC); both end here. A client may
send the model's own tensors (the columns are then features, in the order of ``Tensor.features``) or one input per
feature, named as the feature. Both become rows, so that they are checked and logged like any others.
"""

from collections.abc import Mapping, Sequence
from math import isnan, prod
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.protocol.binary import DATATYPES, ONLY_BINARY, pack, pack_bytes
from seatrial.protocol.bodies import read
from seatrial.protocol.features import Row
from seatrial.protocol.packing import DTYPES
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature, Signature, Tensor

Parameter = str | bool | int | float
PLATFORM = "seatrial"
MAX_DIMENSIONS = 32
_DATATYPES = {"text": "BYTES", "category": "BYTES", "id": "BYTES", "boolean": "BOOL", "integer": "INT64"}


class InferInput(msgspec.Struct):
    """One tensor of a request; ``data`` is nested or flat, row-major."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Parameter] | None = None


class BinaryInput(InferInput):
    """An input that came in bytes; its ``data`` are the elements read from them, flat."""


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


class IndexBody(msgspec.Struct):
    """``POST /v2/repository/index``."""

    ready: bool = False


class TensorOut(msgspec.Struct, omit_defaults=True):
    """One tensor of a response; ``data`` is flat, row-major, and None where it travels in bytes.

    A BYTES element is a string, or bytes where it is not UTF-8.
    """

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Parameter] | None = None


class InferAnswer(msgspec.Struct, omit_defaults=True):
    """The response to an infer request."""

    model_name: str
    model_version: str | None
    outputs: list[TensorOut]
    parameters: dict[str, Parameter]
    id: str | None = None


class BinaryAnswer(NamedTuple):
    """A response of which some outputs travel in bytes.

    Attributes:
        answer: The response, those outputs without ``data`` and with ``binary_data_size``.
        raw: Their bytes, in order.
    """

    answer: InferAnswer
    raw: list[bytes]


_infer = msgspec.json.Decoder(InferBody)
_index = msgspec.json.Decoder(IndexBody)


def read_infer(body: bytes) -> InferBody:
    """Decode an infer body; raises BadInput."""
    return read(_infer, body)


def read_index(body: bytes) -> IndexBody:
    """Decode the body of an index; raises BadInput."""
    return read(_index, body)


def rows_of(body: InferBody, signature: Signature, beside: Sequence[Feature] = ()) -> list[Row]:
    """The request as rows of features.

    Args:
        body: The request.
        signature: Whose tensors and features the inputs name.
        beside: Features that are none of its own, each of which may come as an input beside.

    Raises:
        BadInput: An unknown input, one that is missing, a shape that does not fit its data or its neighbours, or data
            that only travels in binary.
    """
    if not signature.features and not signature.inputs and not beside:
        return _rows_of_nothing(body)
    if not body.inputs:
        raise BadInput("inputs is empty; send the model's tensors, or one input per feature")
    given = {tensor.name: tensor for tensor in body.inputs}
    if len(given) != len(body.inputs):
        raise BadInput("two inputs have the same name")
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    features = {feature.name: feature for feature in signature.features}
    others = {f.name: f for f in beside if f.name in given and f.name not in tensors}
    own = [tensor for name, tensor in given.items() if name not in others]
    if {one.name for one in own} == set(tensors) and not all(_is_single(one, features) for one in own):
        columns = [_tensor_columns(given[name], tensor, features) for name, tensor in tensors.items()]
    else:
        columns = [_feature_column(one, features, tensors) for one in own]
    columns += [_feature_column(given[name], others, tensors) for name in others]
    counts = {len(column) for group in columns for column in group.values()}
    if len(counts) != 1:
        raise BadInput(f"the inputs have different numbers of rows: {sorted(counts)}")
    merged = {name: column for group in columns for name, column in group.items()}
    names = tuple(merged)
    return [dict(zip(names, values, strict=True)) for values in zip(*merged.values(), strict=True)]


def _rows_of_nothing(body: InferBody) -> list[Row]:
    """Rows for what takes no features: as many as the inputs have, or one."""
    counts = {_shape(one)[0] for one in body.inputs} or {1}
    if len(counts) != 1:
        raise BadInput(f"the inputs have different numbers of rows: {sorted(counts)}")
    return [{} for _ in range(counts.pop())]


def _is_single(given: InferInput, features: Mapping[str, Feature]) -> bool:
    """A model whose tensor is named like its one feature: either reading gives the same."""
    return given.name in features and len(features) > 1 and len(given.shape) == 1


def _feature_column(
    given: InferInput, features: Mapping[str, Feature], tensors: Mapping[str, Tensor]
) -> dict[str, list[Any]]:
    feature = features.get(given.name)
    if feature is None:
        expected = f"the model's tensors ({', '.join(map(repr, tensors))})" if tensors else "the features"
        raise BadInput(f"input {given.name[:100]!r} is neither a feature nor, with all others, one of {expected}")
    n, width = _shape(given)
    scalar = feature.kind in NUMERIC_KINDS or feature.kind in TEXT_KINDS
    if scalar and width != 1:  # before its elements are looked at: there may be millions
        raise BadInput(f"input {given.name!r} has shape {given.shape}; a {feature.kind} has shape [n] or [n, 1]")
    values = _flat(given, n * width)
    if scalar:
        return {feature.name: [_value(feature, value) for value in values]}
    return {feature.name: [values[row * width : (row + 1) * width] for row in range(n)]}


def _tensor_columns(given: InferInput, tensor: Tensor, features: Mapping[str, Feature]) -> dict[str, list[Any]]:
    n, width = _shape(given)
    kinds = [features[name] for name in tensor.features]
    listed = len(kinds) == 1 and kinds[0].kind not in NUMERIC_KINDS and kinds[0].kind not in TEXT_KINDS
    if not listed and width != len(kinds):
        raise BadInput(f"input {given.name!r} has shape {given.shape}; expected [n, {len(kinds)}]")
    values = _flat(given, n * width)
    if listed:
        return {kinds[0].name: [values[row * width : (row + 1) * width] for row in range(n)]}
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
    if isinstance(value, float) and isnan(value):
        return None
    if not (type(value) is int or (type(value) is float and value.is_integer())):
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


def size_of(given: InferInput) -> int:
    """How many elements an input's shape means. Raises BadInput: unknown datatype, or a shape that nobody can send."""
    name = given.name[:100]
    if given.datatype not in DATATYPES:
        raise BadInput(f"input {name!r}: datatype {given.datatype[:20]!r} is not one of {', '.join(DATATYPES)}")
    if len(given.shape) > MAX_DIMENSIONS:
        raise BadInput(f"input {name!r} has {len(given.shape)} dimensions; the limit is {MAX_DIMENSIONS}")
    if not given.shape or any(size < 0 for size in given.shape):
        raise BadInput(f"input {name!r} has shape {str(given.shape)[:100]}; expected sizes of 0 or more, rows first")
    size = prod(given.shape)
    if size > 2**31:
        raise BadInput(f"input {name!r} has shape {str(given.shape)[:100]}, which is more than anybody could send")
    return size


def _shape(given: InferInput) -> tuple[int, int]:
    """Rows, and elements a row."""
    size = size_of(given)
    if given.datatype in ONLY_BINARY and not isinstance(given, BinaryInput):
        raise BadInput(f"input {given.name!r}: {given.datatype} has no form in JSON; send it in binary, or FP32")
    n = given.shape[0]
    if n == 0:
        raise BadInput("0 rows: send at least one")
    return n, size // n


def _flat(given: InferInput, size: int) -> list[Any]:
    if given.data is None:
        raise BadInput(f"input {given.name!r} has no data; send `data`, or its bytes behind the JSON")
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


class Form:
    """Which outputs of a request travel in bytes; immutable.

    ``binary_data_output`` among the request's parameters says it of all, ``binary_data`` among an output's of that one.

    Raises:
        BadInput: One of the two is neither true nor false.
    """

    __slots__ = ("_every", "_named", "plain")

    def __init__(self, body: InferBody) -> None:
        self._every = body.parameters is not None and _flag(body.parameters, "binary_data_output", False)
        self._named = {
            one.name: _flag(one.parameters, "binary_data", self._every) for one in body.outputs or () if one.parameters
        }
        self.plain = not self._every and not any(self._named.values())

    def binary(self, name: str) -> bool:
        """Whether the output of that name travels in bytes."""
        return self._named.get(name, self._every)

    def write(self, outputs: Sequence[TensorOut], arrays: Mapping[str, NDArray[Any]]) -> list[bytes]:
        """Turn the outputs that are asked for in binary into bytes, in order; they lose their ``data``.

        Args:
            outputs: What is answered.
            arrays: The model's own tensors, where it answered; else the ``data`` are packed.
        """
        raw = []
        for one in outputs:
            if self.binary(one.name):
                raw.append(_packed(one, arrays.get(one.name)))
                one.data = None
                one.parameters = {"binary_data_size": len(raw[-1])}
        return raw


def form_of(body: InferBody) -> Form | None:
    """Which outputs travel in bytes; None where none does, as when a request says nothing. Raises BadInput."""
    if body.outputs is None and (body.parameters is None or "binary_data_output" not in body.parameters):
        return None
    form = Form(body)
    return None if form.plain else form


def _flag(parameters: Mapping[str, Parameter], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise BadInput(f"parameter {name!r}: expected true or false, got {str(value)[:40]!r}")
    return value


def _packed(one: TensorOut, array: NDArray[Any] | None) -> bytes:
    if array is not None:
        return pack(one.datatype, array)
    if one.datatype == "BYTES":
        return pack_bytes(one.data or ())
    return pack(one.datatype, np.array(one.data, dtype=DTYPES[one.datatype]))


def tensors_out(
    outputs: Mapping[str, NDArray[Any]],
    signature: Signature,
    wanted: Sequence[InferOutput] | None,
    form: Form | None = None,
) -> list[TensorOut]:
    """A model's outputs as they travel: those asked for, or all; without ``data`` where ``form`` says binary."""
    names = None if wanted is None else {one.name for one in wanted}
    return [
        _out(tensor, outputs[tensor.name])
        if form is None or not form.binary(tensor.name)
        else TensorOut(tensor.name, tensor.datatype, list(outputs[tensor.name].shape))
        for tensor in signature.outputs
        if names is None or tensor.name in names
    ]


def check_outputs(wanted: Sequence[InferOutput] | None, signature: Signature) -> None:
    """Raises BadInput where an output is asked for that the model does not give, or twice."""
    if wanted is None:
        return
    declared = [tensor.name for tensor in signature.outputs]
    names = [one.name for one in wanted]
    for name in names:
        if name not in declared:
            raise BadInput(f"output {name[:100]!r} is not one of {', '.join(declared)}")
    if len(set(names)) != len(names):
        raise BadInput("two outputs asked for have the same name")


def only_binary(signature: Signature) -> frozenset[str]:
    """Outputs that have no form in JSON."""
    return frozenset(tensor.name for tensor in signature.outputs if tensor.datatype in ONLY_BINARY)


def check_forms(names: frozenset[str], body: InferBody) -> None:
    """Raises BadInput where one of these outputs, which have no form in JSON, would be answered in JSON."""
    form = Form(body)
    asked = names if body.outputs is None else [one.name for one in body.outputs if one.name in names]
    for name in sorted(asked):
        if not form.binary(name):
            raise BadInput(f"output {name!r} is FP16, which has no form in JSON; ask for it with `binary_data: true`")


def _out(tensor: Tensor, values: NDArray[Any]) -> TensorOut:
    data = [_text(value) for value in values.reshape(-1).tolist()] if tensor.datatype == "BYTES" else _plain(values)
    return TensorOut(tensor.name, tensor.datatype, list(values.shape), data)


def _plain(values: NDArray[Any]) -> list[Any]:
    flat: list[Any] = values.reshape(-1).tolist()
    return flat


def _text(value: Any) -> str | bytes:
    """A BYTES element as text; bytes that are no text as they are."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def check_texts(outputs: Sequence[TensorOut]) -> None:
    """Raises BadInput where an output that would travel in JSON has bytes that are no text."""
    for one in outputs:
        if one.datatype == "BYTES" and bytes in map(type, one.data or ()):
            raise BadInput(
                f"output {one.name!r} is bytes that are not UTF-8, which has no form in JSON; ask for it with"
                " `binary_data: true`, or by gRPC"
            )


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


def feature_inputs(signature: Signature, beside: Sequence[Feature] = ()) -> list[dict[str, Any]]:
    """One input per feature: the other way to ask; and those that may come beside."""
    return [
        {"name": feature.name, "datatype": _DATATYPES.get(feature.kind, "FP64"), "shape": _feature_shape(feature)}
        for feature in (*signature.features, *beside)
    ]


def _feature_shape(feature: Feature) -> list[int]:
    if feature.kind in NUMERIC_KINDS or feature.kind in TEXT_KINDS:
        return [-1]
    return [-1, feature.width or -1]


def _described(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
