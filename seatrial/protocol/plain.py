"""The plainest body of the short way, ``{"unit", "features": {…}}`` with nothing but numbers, read in one go.

The decoder is made for one signature, so that names, kinds, ranges and absent values are all seen to in C. It reads
fewer bodies than `bodies.read_predict`, and none differently: whatever it refuses is read again, carefully.
"""

import struct
from collections.abc import Callable
from math import nan
from typing import Annotated, Any

import msgspec

from seatrial.protocol.bodies import MAX_UNIT_BYTES
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

    def read(self, body: bytes) -> tuple[tuple[float, ...], str | None]:
        """The numbers in the signature's order (NaN is missing), and the unit.

        Raises:
            msgspec.DecodeError, RecursionError, UnicodeDecodeError: It is not a plain body; it may still be a good one.
        """
        found = self._decode(body)
        return self._values(found.features), found.unit


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
    """Exact numbers only (every tensor here holds them): what is larger needs the careful reading."""
    kind: Any = _KINDS[feature.kind]
    if kind is float:
        kind = Annotated[float, msgspec.Meta(gt=-EXACT, lt=EXACT)]
    elif kind is int:
        kind = Annotated[int, msgspec.Meta(gt=-int(EXACT), lt=int(EXACT))]
    return (name, kind, nan) if feature.nullable else (name, kind)
