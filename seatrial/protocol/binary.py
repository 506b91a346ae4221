"""One tensor as bytes and back: little-endian, row-major, no padding; the binary tensor extension's form.

BOOL is one byte; BYTES are elements of a 4-byte length and so many bytes; BF16 is the upper half of a float32. The same
bytes travel in the binary tensor extension of the Open Inference Protocol and in the raw contents of its gRPC form.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.spec.errors import BadInput

Buffer = bytes | memoryview

WIRE: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("u1"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""How an element of each datatype lies in the bytes; BYTES have no fixed size and are not among them."""

DATATYPES = (*WIRE, "BYTES")
"""Every datatype of the protocol."""

ONLY_BINARY = frozenset(("FP16", "BF16"))
"""Datatypes that have no form in JSON."""

_LENGTH = struct.Struct("<I")


def unpack(name: str, datatype: str, count: int, raw: Buffer) -> list[Any]:
    """The elements of a tensor, in order: booleans, whole numbers, floats, or strings.

    Args:
        name: The tensor's name, for messages.
        datatype: One of ``DATATYPES``.
        count: Elements that its shape means.
        raw: Its bytes, all of them.

    Raises:
        BadInput: More or fewer bytes than the shape means, or BYTES that are not UTF-8.
    """
    if datatype == "BYTES":
        return [_decoded(name, index, text) for index, text in enumerate(unpack_bytes(name, count, raw))]
    values: list[Any] = unpack_numbers(name, datatype, count, raw).tolist()
    return values


def unpack_numbers(name: str, datatype: str, count: int, raw: Buffer) -> NDArray[Any]:
    """The elements of a tensor of numbers or booleans, [count]; BF16 as float32. Raises BadInput as `unpack`."""
    wire = WIRE[datatype]
    if len(raw) != count * wire.itemsize:
        raise BadInput(
            f"input {name!r} has {len(raw)} bytes; its shape means {count} elements of {datatype},"
            f" which are {count * wire.itemsize}"
        )
    values = np.frombuffer(raw, dtype=wire) if count else np.empty(0, dtype=wire)
    if datatype == "BOOL":
        truths: NDArray[Any] = values != 0
        return truths
    if datatype == "BF16":
        singles: NDArray[Any] = (values.astype(np.uint32) << 16).view(np.float32)
        return singles
    return values


def unpack_bytes(name: str, count: int, raw: Buffer) -> list[bytes]:
    """The elements of a BYTES tensor. Raises BadInput as `unpack`."""
    found: list[bytes] = []
    place, end = 0, len(raw)
    while place < end:
        if len(found) == count:
            raise BadInput(f"input {name!r} has more BYTES elements than the {count} that its shape means")
        if end - place < 4:
            raise BadInput(f"input {name!r} ends within the length of its BYTES element {len(found)}")
        (length,) = _LENGTH.unpack_from(raw, place)
        place += 4
        if length > end - place:
            raise BadInput(
                f"input {name!r}: BYTES element {len(found)} says it has {length} bytes, and {end - place} are left"
            )
        found.append(bytes(raw[place : place + length]))
        place += length
    if len(found) != count:
        raise BadInput(f"input {name!r} has {len(found)} BYTES elements; its shape means {count}")
    return found


def pack(datatype: str, values: NDArray[Any]) -> bytes:
    """A tensor's bytes.

    Args:
        datatype: One of ``DATATYPES``; BF16 takes numbers and rounds them to the nearest.
        values: Any shape; for BYTES an object array of ``str`` or ``bytes``.
    """
    if datatype == "BYTES":
        return pack_bytes(values.reshape(-1).tolist())
    if datatype == "BF16":
        return _brain_floats(values).tobytes()
    if datatype == "BOOL":
        values = values != 0
    raw: bytes = np.asarray(values, dtype=WIRE[datatype]).tobytes()
    return raw


def pack_bytes(elements: Sequence[Any]) -> bytes:
    """BYTES elements, each behind its length; what is neither ``bytes`` nor ``str`` travels as its text."""
    found = [one if isinstance(one, bytes) else str(one).encode() for one in elements]
    return b"".join(part for one in found for part in (_LENGTH.pack(len(one)), one))


def _brain_floats(values: NDArray[Any]) -> NDArray[Any]:
    """The upper halves of float32 numbers, rounded half to even; NaN stays NaN."""
    single = np.ascontiguousarray(values, dtype=np.float32)
    bits = single.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    halves: NDArray[Any] = np.where(np.isnan(single), (bits >> 16) | 0x40, rounded).astype(WIRE["BF16"])
    return halves


def _decoded(name: str, index: int, text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"input {name!r}: BYTES element {index} is not UTF-8 ({error.reason})") from None
