"""Tensors between a server and a model's own process: length-prefixed messages over a pipe."""

import os
import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<Q")
LONGEST = 2**31
"""Bytes of one message; a longer one is a broken pipe's noise, not a message."""


class Array(msgspec.Struct, frozen=True, array_like=True):
    """One tensor: its numpy type and shape, and its bytes, or its texts where it is a tensor of texts."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes = b""
    texts: list[str] | None = None


class Call(msgspec.Struct, frozen=True, array_like=True):
    """Server to model: answer these rows."""

    number: int
    tensors: dict[str, Array]


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """Model to server: the answer to a call, or why not. The first one, number 0, says that the model is loaded."""

    number: int
    tensors: dict[str, Array]
    error: str = ""


def pack_arrays(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """Arrays as they travel."""
    return {name: _packed(np.asarray(value)) for name, value in tensors.items()}


def unpack_arrays(arrays: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """Arrays as they were."""
    return {name: _unpacked(array) for name, array in arrays.items()}


def own_output() -> int:
    """The pipe to the server, out of reach of code that prints."""
    own = os.dup(1)
    os.dup2(2, 1)
    return own


def write_message(pipe: int, message: Call | Reply) -> None:
    """Write one message to a file descriptor."""
    body = msgspec.msgpack.encode(message)
    left = memoryview(_LENGTH.pack(len(body)) + body)
    while left:
        left = left[os.write(pipe, left) :]


def read_body(pipe: int) -> bytes | None:
    """The next message's bytes from a file descriptor, or None at its end.

    Unbuffered, so that a descriptor which has a message waiting always looks readable.
    """
    head = _read(pipe, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    return _read(pipe, length) if length <= LONGEST else None


def _read(pipe: int, length: int) -> bytes | None:
    parts: list[bytes] = []
    while length:
        part = os.read(pipe, min(length, 2**20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _packed(array: NDArray[Any]) -> Array:
    if array.dtype == object or array.dtype.kind in "US":
        return Array("object", array.shape, texts=[str(value) for value in array.ravel()])
    return Array(array.dtype.str, array.shape, data=np.ascontiguousarray(array).tobytes())


def _unpacked(array: Array) -> NDArray[Any]:
    if array.texts is not None:
        flat = np.empty(len(array.texts), dtype=object)
        flat[:] = array.texts
        return flat.reshape(array.shape)
    return np.frombuffer(array.data, dtype=np.dtype(array.dtype)).reshape(array.shape).copy()
