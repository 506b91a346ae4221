"""Between the messages of gRPC and the values that HTTP's edge knows too; pure.

A request has its elements in each input's ``contents``, or all of them in ``raw_input_contents``, never both; it is
answered in the way it asked, but for outputs that have no form in ``contents`` (FP16, BF16): those are answered raw.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from seatrial.protocol.binary import ONLY_BINARY
from seatrial.protocol.binary_bodies import read_raw
from seatrial.protocol.inference import (
    BinaryAnswer,
    InferAnswer,
    InferBody,
    InferInput,
    InferOutput,
    Parameter,
    TensorOut,
)
from seatrial.protocol.messages import CHOICE, MESSAGES
from seatrial.spec.errors import BadInput

CONTENTS: dict[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Datatype → the field of ``InferTensorContents`` that holds its elements."""

_ALL_BINARY = "binary_data_output"


def read_message(name: str, body: bytes) -> Any:
    """A message of that name. Raises BadInput for bytes that are none."""
    try:
        return MESSAGES[name].FromString(body)
    except DecodeError as error:
        raise BadInput(f"this is not a {name}: {error}") from None


def read_call(message: Any) -> InferBody:
    """A ``ModelInferRequest`` as an infer request.

    Raises:
        BadInput: ``contents`` and ``raw_input_contents`` mixed, raw contents that are not one an input, or elements
            that do not fit the shape.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise BadInput(f"raw_input_contents has {len(raw)} parts for {len(message.inputs)} inputs; send one an input")
    outputs = [InferOutput(one.name) for one in message.outputs]
    inputs = [_input(one, raw[index] if raw else None) for index, one in enumerate(message.inputs)]
    parameters = {**_parameters(message.parameters), _ALL_BINARY: bool(raw)}
    return InferBody(inputs, message.id or None, parameters, outputs or None)


def in_bytes(body: InferBody) -> InferBody:
    """The same request, answered raw: where an output that it gets has no form in ``contents``."""
    return InferBody(body.inputs, body.id, {**(body.parameters or {}), _ALL_BINARY: True}, body.outputs)


def write_call(answer: InferAnswer | BinaryAnswer) -> Any:
    """An answer as a ``ModelInferResponse``: with raw contents for all outputs, or for none."""
    raw = answer.raw if isinstance(answer, BinaryAnswer) else []
    found = answer.answer if isinstance(answer, BinaryAnswer) else answer
    message = MESSAGES["ModelInferResponse"](
        model_name=found.model_name, model_version=found.model_version or "", id=found.id or ""
    )
    for name, value in found.parameters.items():
        setattr(message.parameters[name], _CHOICES[type(value)], value)
    for one in found.outputs:
        _add_output(message, one)
    message.raw_output_contents.extend(raw)
    return message


def write_metadata(given: Mapping[str, Any]) -> Any:
    """A model's metadata as a ``ModelMetadataResponse``."""
    message = MESSAGES["ModelMetadataResponse"](
        name=given["name"], versions=given["versions"], platform=given["platform"]
    )
    for field in ("inputs", "outputs"):
        for tensor in given[field]:
            getattr(message, field).add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
    return message


_CHOICES: dict[type, str] = {
    bool: "bool_param",
    int: "int64_param",
    str: "string_param",
    float: "double_param",
}


def _input(one: Any, raw: bytes | None) -> InferInput:
    given = InferInput(one.name, list(one.shape), one.datatype, None, _parameters(one.parameters) or None)
    contents = one.contents if one.HasField("contents") else None
    filled = [] if contents is None else [field.name for field, _ in contents.ListFields()]
    if raw is not None:
        if filled:
            raise BadInput(f"input {one.name[:100]!r} has contents beside raw_input_contents; send one of them")
        return read_raw(given, raw)
    field = CONTENTS.get(one.datatype)
    if field is None:
        if one.datatype in ONLY_BINARY:
            raise BadInput(f"input {one.name[:100]!r}: {one.datatype} travels only in raw_input_contents")
        raise BadInput(f"input {one.name[:100]!r}: datatype {one.datatype[:20]!r} is not one of {', '.join(CONTENTS)}")
    if filled and filled != [field]:
        raise BadInput(f"input {one.name[:100]!r} is {one.datatype} and has {', '.join(filled)}; send {field}")
    given.data = [] if contents is None else list(getattr(contents, field))
    if one.datatype == "BYTES":
        given.data = _texts(one.name, given.data)
    return given


def _texts(name: str, elements: Sequence[bytes]) -> list[Any]:
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError as error:
        raise BadInput(f"input {name[:100]!r}: an element of its BYTES is not UTF-8 ({error.reason})") from None


def _parameters(given: Any) -> dict[str, Parameter]:
    found = {name: (value, value.WhichOneof(CHOICE)) for name, value in given.items()}
    return {name: getattr(value, choice) for name, (value, choice) in found.items() if choice is not None}


def _add_output(message: Any, one: TensorOut) -> None:
    output = message.outputs.add(name=one.name, datatype=one.datatype, shape=one.shape)
    if one.data is not None:
        make = _ELEMENTS.get(one.datatype)
        getattr(output.contents, CONTENTS[one.datatype]).extend(one.data if make is None else map(make, one.data))


_ELEMENTS: dict[str, Callable[[Any], Any]] = {
    "BYTES": lambda element: element if isinstance(element, bytes) else element.encode()
}
