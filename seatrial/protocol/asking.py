"""The Open Inference Protocol from the asking side: tensors into a request, an answer and metadata into values; pure.

In JSON what is missing travels as ``null``. By gRPC a request has all its elements in ``raw_input_contents``, and an
answer has them there or in ``contents``.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.protocol.answers import UnreadableAnswer
from seatrial.protocol.binary import DATATYPES, ONLY_BINARY, WIRE, pack, unpack
from seatrial.protocol.calls import CONTENTS
from seatrial.protocol.inference import PLATFORM, TensorOut
from seatrial.protocol.messages import MESSAGES
from seatrial.spec.errors import BadInput

TIMEOUT = "timeout_ms"
"""The parameter that tells the server how long its answer is of use."""

_encode = msgspec.json.Encoder().encode


class Asked(NamedTuple):
    """One tensor to send; ``values`` has the rows on its first axis."""

    name: str
    datatype: str
    values: NDArray[Any]


class Described(NamedTuple):
    """One tensor as a server's metadata name it; -1 where a side varies, the first side is the rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Terms(NamedTuple):
    """What a model takes and gives, as its server says.

    Attributes:
        by_feature: Each input is one feature as a user names it, and may be missing: a server like this one.
    """

    inputs: tuple[Described, ...]
    outputs: tuple[Described, ...]
    by_feature: bool = False


class _Answer(msgspec.Struct):
    outputs: list[TensorOut]


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]


class _Metadata(msgspec.Struct):
    platform: str = ""
    features: list[_Tensor] | None = None
    inputs: list[_Tensor] | None = None
    outputs: list[_Tensor] | None = None


class _Error(msgspec.Struct):
    error: str


_answer = msgspec.json.Decoder(_Answer)
_metadata = msgspec.json.Decoder(_Metadata)
_error = msgspec.json.Decoder(_Error)


def write_request(inputs: Sequence[Asked], outputs: Sequence[str], milliseconds: int | None) -> bytes:
    """The body of ``POST /v2/models/{model}/infer``.

    Args:
        outputs: Names of those wanted; none: all.
        milliseconds: How long an answer is of use; None: nobody knows.

    Raises:
        BadInput: A datatype that has no form in JSON.
    """
    for one in inputs:
        if one.datatype in ONLY_BINARY:
            raise BadInput(f"input {one.name!r} is {one.datatype}, which has no form in JSON; ask by grpc")
    body: dict[str, Any] = {
        "inputs": [
            {
                "name": one.name,
                "datatype": one.datatype,
                "shape": list(one.values.shape),
                "data": one.values.reshape(-1).tolist(),  # NaN becomes null when it is written
            }
            for one in inputs
        ]
    }
    if outputs:
        body["outputs"] = [{"name": name} for name in outputs]
    if milliseconds is not None:
        body["parameters"] = {TIMEOUT: milliseconds}
    return _encode(body)


def read_answer(body: bytes, wanted: Sequence[str], rows: int) -> dict[str, NDArray[Any]]:
    """The outputs wanted of an answer in JSON (none: all), each with ``rows`` on its first axis.

    Raises:
        UnreadableAnswer: It is no answer, lacks an output, or an output is not of so many rows.
    """
    try:
        outputs = {one.name: one for one in _answer.decode(body).outputs}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableAnswer(f"gave no answer of the protocol ({error})") from error
    return {name: _from_json(_of(outputs, name), rows) for name in wanted or outputs}


def read_terms(body: bytes) -> Terms:
    """A model's metadata in JSON. Raises UnreadableAnswer."""
    try:
        found = _metadata.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableAnswer(f"gave no metadata of the protocol ({error})") from error
    outputs = _described(found.outputs or ())
    if found.platform == PLATFORM and found.features:
        return Terms(_described(found.features), outputs, by_feature=True)
    return Terms(_described(found.inputs or ()), outputs)


def read_error(body: bytes) -> str:
    """The sentence of an error, or ""."""
    try:
        return _error.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def write_request_message(
    model: str, version: str, inputs: Sequence[Asked], outputs: Sequence[str], milliseconds: int | None
) -> bytes:
    """A ``ModelInferRequest``; arguments as of `write_request`."""
    message = MESSAGES["ModelInferRequest"](model_name=model, model_version=version)
    for one in inputs:
        message.inputs.add(name=one.name, datatype=one.datatype, shape=one.values.shape)
        message.raw_input_contents.append(pack(one.datatype, one.values))
    for name in outputs:
        message.outputs.add(name=name)
    if milliseconds is not None:
        message.parameters[TIMEOUT].int64_param = milliseconds
    written: bytes = message.SerializeToString()
    return written


def read_answer_message(message: Any, wanted: Sequence[str], rows: int) -> dict[str, NDArray[Any]]:
    """As `read_answer`, of a ``ModelInferResponse``."""
    raw = message.raw_output_contents
    if raw and len(raw) != len(message.outputs):
        raise UnreadableAnswer(f"gave {len(raw)} raw contents for {len(message.outputs)} outputs")
    places = {one.name: index for index, one in enumerate(message.outputs)}
    found = {}
    for name in wanted or places:
        one = message.outputs[_of(places, name)]
        found[name] = _from_message(one, raw[places[name]] if raw else None, rows)
    return found


def read_terms_message(message: Any) -> Terms:
    """As `read_terms`, of a ``ModelMetadataResponse``."""
    return Terms(_described(message.inputs), _described(message.outputs))


def _described(tensors: Sequence[Any]) -> tuple[Described, ...]:
    return tuple(Described(one.name, one.datatype, tuple(one.shape)) for one in tensors)


def _of(outputs: Mapping[str, Any], name: str) -> Any:
    if name not in outputs:
        there = ", ".join(list(outputs)[:5]) or "none"
        raise UnreadableAnswer(f"gave no output {name!r}, but {there}")
    return outputs[name]


def _from_json(one: TensorOut, rows: int) -> NDArray[Any]:
    size = _size(one, rows)
    values: list[Any] = one.data or []
    while values and all(isinstance(value, list) for value in values):
        values = [element for value in values for element in value]
    if len(values) != size:
        raise UnreadableAnswer(f"gave {len(values)} elements in output {one.name!r} of shape {list(one.shape)[:8]}")
    return _array(values, one)


def _from_message(one: Any, raw: bytes | None, rows: int) -> NDArray[Any]:
    size = _size(one, rows)
    if raw is not None:
        try:
            return _array(unpack(one.name[:100], one.datatype, size, raw), one)
        except BadInput as error:
            raise UnreadableAnswer(f"gave raw contents that do not fit: {error}") from error
    field = CONTENTS.get(one.datatype)
    values = list(getattr(one.contents, field)) if field else []
    if one.datatype == "BYTES":
        values = _texts(values, one)
    if len(values) != size:
        raise UnreadableAnswer(f"gave {len(values)} elements in output {one.name!r} of shape {list(one.shape)[:8]}")
    return _array(values, one)


def _texts(values: Sequence[bytes], one: Any) -> list[str]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        why = f"output {one.name[:100]!r} has an element that is not UTF-8 ({error.reason})"
        raise UnreadableAnswer(f"gave contents that do not fit: {why}") from None


def _size(one: Any, rows: int) -> int:
    shape = list(one.shape)
    if one.datatype not in DATATYPES:
        raise UnreadableAnswer(f"gave output {one.name!r} of datatype {str(one.datatype)[:20]!r}")
    if not shape or shape[0] != rows or min(shape) < 0:
        raise UnreadableAnswer(f"gave output {one.name!r} of shape {shape[:8]} for {rows} rows")
    return prod(shape)


def _array(values: list[Any], one: Any) -> NDArray[Any]:
    """Elements as numbers, booleans or strings, in the output's shape.

    Raises:
        UnreadableAnswer: One that is not of the output's datatype: it is taken for nothing else.
    """
    _check_elements(values, one)
    found: NDArray[Any]
    if one.datatype == "BYTES":
        found = np.empty(len(values), dtype=object)
        found[:] = values
    else:
        dtype = np.bool_ if one.datatype == "BOOL" else np.float64 if one.datatype[0] in "FB" else np.int64
        try:
            found = np.array([np.nan if value is None else value for value in values], dtype=dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnreadableAnswer(f"gave {one.datatype} elements in output {one.name!r} that are none") from error
    return found.reshape(one.shape)


def _check_elements(values: Sequence[Any], one: Any) -> None:
    datatype: str = one.datatype
    kinds = _KINDS[datatype]
    if not kinds.issuperset(map(type, values)):
        odd = next(value for value in values if type(value) not in kinds)
        raise UnreadableAnswer(f"gave {_shown(odd)} among the {datatype} elements of output {one.name[:100]!r}")
    if datatype[0] in "IU" and values:
        bounds = np.iinfo(WIRE[datatype])
        for value in (min(values), max(values)):
            if not bounds.min <= value <= bounds.max:
                raise UnreadableAnswer(f"gave {_shown(value)} in output {one.name[:100]!r}, which is no {datatype}")


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return "a list or an object"
    written = _encode(value).decode()
    return written if len(written) <= 60 else written[:57] + "…"


def _kinds(datatype: str) -> frozenset[type]:
    if datatype[0] in "IU":
        return frozenset((int,))
    if datatype in ("BOOL", "BYTES"):
        return frozenset((bool if datatype == "BOOL" else str,))
    return frozenset((float, int, type(None)))


_KINDS = {datatype: _kinds(datatype) for datatype in DATATYPES}
"""What the elements of each datatype are when they were read; ``null`` is a number that is missing."""
