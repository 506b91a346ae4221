"""The plainest bodies, read in one go: one row of nothing but numbers, and whose it is.

In the short way that is ``{"unit", "features": {…}}``, in the Open Inference Protocol the model's one tensor in JSON,
with the ``unit`` among the parameters. The decoders are made for one signature, so that names, kinds, ranges, shapes
and absent values are all seen to in C. They read fewer bodies than `bodies.read_predict` and `inference.read_infer`,
and none differently: whatever they refuse is read again, carefully.
"""

import struct
from collections.abc import Callable
from math import nan
from typing import Annotated, Any, Literal

import msgspec

from seatrial.protocol.bodies import MAX_UNIT_BYTES
from seatrial.protocol.inference import only_binary
from seatrial.protocol.packing import DTYPES, EXACT
from seatrial.spec.signature import Feature, Signature

_KINDS: dict[str, type] = {"number": float, "integer": int, "boolean": bool, "time": float}
_FORMATS = {"FP32": "f", "FP64": "d"}

Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_UNIT_BYTES // 4)]
"""Short enough in characters that its bytes are within the limit, whatever they are."""


class PlainBodies:
    """Reads plain bodies for one signature; made by `plain_bodies`.

    Attributes:
        tensor: Name of the model's one input.
        width: Numbers in a row.
        dtype: Of the tensor.
    """

    __slots__ = ("_decode", "_values", "dtype", "pack_into", "tensor", "width")

    def __init__(self, signature: Signature) -> None:
        (tensor,) = signature.inputs
        self.tensor = tensor.name
        self.width = len(signature.features)
        self.dtype = DTYPES[tensor.datatype]
        self.pack_into = struct.Struct(f"<{self.width}{_FORMATS[tensor.datatype]}").pack_into
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(_body_type(signature)).decode
        self._values = msgspec.structs.astuple

    def read(self, body: bytes) -> tuple[tuple[float, ...], str | None, str | None]:
        """The numbers in the signature's order (NaN is missing), the unit, and what is to be said back: nothing.

        Raises:
            msgspec.DecodeError, RecursionError, UnicodeDecodeError: It is not a plain body; it may still be a good one.
        """
        found = self._decode(body)
        return self._values(found.features), found.unit, None


class PlainTensors:
    """Reads plain bodies of the Open Inference Protocol for one signature; made by `plain_tensors`.

    Data that are flat and data in rows are told apart by trying: first as the last body's were.
    """

    __slots__ = ("_first", "_second")

    def __init__(self, signature: Signature) -> None:
        ways: list[Callable[[bytes], Any]] = [
            msgspec.json.Decoder(_infer_type(signature, nested)).decode for nested in (True, False)
        ]
        self._first, self._second = ways

    def read(self, body: bytes) -> tuple[tuple[float, ...], str | None, str | None]:
        """The numbers in the signature's order, the unit, and the ``id`` that is to be said back.

        Raises:
            msgspec.DecodeError, RecursionError, UnicodeDecodeError: It is not a plain body; it may still be a good one.
        """
        try:
            found = self._first(body)
        except msgspec.ValidationError:
            found = self._second(body)
            self._first, self._second = self._second, self._first
        data = found.inputs[0].data
        said = found.parameters
        return data[0] if type(data[0]) is tuple else data, None if said is None else said.unit, found.id


def plain_bodies(signature: Signature) -> PlainBodies | None:
    """A reader, or None where a row is more than one floating tensor of numbers."""
    if len(signature.inputs) != 1 or not signature.features:
        return None
    (tensor,) = signature.inputs
    if tensor.datatype not in _FORMATS or tensor.missing is not None or len(tensor.shape) != 2:
        return None
    if any(feature.kind not in _KINDS for feature in signature.features):
        return None
    if tensor.features != tuple(feature.name for feature in signature.features):
        return None
    return PlainBodies(signature)


def plain_tensors(signature: Signature) -> PlainTensors | None:
    """A reader, or None where `plain_bodies` gives none, or an output has no form in JSON."""
    if plain_bodies(signature) is None or only_binary(signature):
        return None
    return PlainTensors(signature)


def _infer_type(signature: Signature, nested: bool) -> type[msgspec.Struct]:
    (tensor,) = signature.inputs
    kinds = tuple(_kind(feature) for feature in signature.features)
    row: Any = tuple.__class_getitem__(kinds)
    given = [
        ("name", Literal.__getitem__(tensor.name)),
        ("shape", tuple[Literal[1], Literal.__getitem__(len(kinds))]),  # type: ignore[misc]
        ("datatype", Literal["FP32", "FP64"]),
        ("data", tuple[row] if nested else row),
    ]
    parameters = msgspec.defstruct("Parameters", [("unit", Unit | None, None)], forbid_unknown_fields=True, gc=False)
    one: Any = msgspec.defstruct("Tensor", given, forbid_unknown_fields=True, gc=False)
    fields: list[Any] = [("inputs", tuple[one]), ("parameters", parameters | None, None), ("id", str | None, None)]
    return msgspec.defstruct("Infer", fields, forbid_unknown_fields=True, gc=False)


def _body_type(signature: Signature) -> type[msgspec.Struct]:
    names = [f"f{index}" for index in range(len(signature.features))]
    fields = [_field(name, feature) for name, feature in zip(names, signature.features, strict=True)]
    features = msgspec.defstruct(
        "Features",
        fields,
        kw_only=True,
        rename=dict(zip(names, (feature.name for feature in signature.features), strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.defstruct(
        "Body", [("features", features), ("unit", Unit | None, None)], forbid_unknown_fields=True, gc=False
    )


def _field(name: str, feature: Feature) -> Any:
    return (name, _kind(feature), nan) if feature.nullable else (name, _kind(feature))


def _kind(feature: Feature) -> Any:
    """Exact numbers only (every tensor here holds them): what is larger needs the careful reading."""
    kind: Any = _KINDS[feature.kind]
    if kind is float:
        return Annotated[float, msgspec.Meta(gt=-EXACT, lt=EXACT)]
    if kind is int:
        return Annotated[int, msgspec.Meta(gt=-int(EXACT), lt=int(EXACT))]
    return kind
