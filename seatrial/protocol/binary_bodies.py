"""The binary tensor extension around an infer request: JSON first, then the tensors that say how many bytes they have.

A request is cut at ``Inference-Header-Content-Length``: before it JSON, behind it the bytes of every input that carries
``binary_data_size``, in the order of the inputs. A length of 0 is a *raw* request: the whole body is the one input.
"""

from math import prod

import msgspec

from seatrial.protocol.binary import WIRE, Buffer, unpack
from seatrial.protocol.inference import BinaryAnswer, BinaryInput, InferBody, InferInput, read_infer, size_of
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Signature, Tensor

SIZE = "binary_data_size"
HEADER = "Inference-Header-Content-Length"

_encode = msgspec.json.Encoder().encode


def read_length(text: bytes, body: bytes) -> int:
    """The value of the header that says how long the JSON is. Raises BadInput for one that the body cannot have."""
    if not text.isdigit() or len(text) > 18:
        raise BadInput(f"{HEADER} is {_shown(text)}; expected a number of bytes, from 0 to the body's {len(body)}")
    length = int(text)
    if length > len(body):
        raise BadInput(f"{HEADER} is {length}, and the body has {len(body)} bytes")
    return length


def read_binary_infer(body: bytes, length: int) -> InferBody:
    """An infer request whose JSON is followed by tensors.

    Args:
        body: The whole body.
        length: Bytes of JSON at its start, at least 1.

    Raises:
        BadInput: JSON that does not fit; a size that is not what the shape means; bytes too few or left over.
    """
    request = read_infer(body[:length])
    tail = memoryview(body)[length:]
    place = 0
    for index, given in enumerate(request.inputs):
        size = _size(given)
        if size is None:
            continue
        if size > len(tail) - place:
            raise BadInput(f"input {given.name[:100]!r}: {SIZE} is {size}, and {len(tail) - place} bytes are left")
        request.inputs[index] = read_raw(given, tail[place : place + size])
        place += size
    if place != len(tail):
        raise BadInput(f"{len(tail) - place} bytes are left over behind the last input; check every {SIZE}")
    return request


def read_raw(given: InferInput, raw: Buffer) -> BinaryInput:
    """An input with its elements read from bytes. Raises BadInput."""
    return BinaryInput(
        given.name,
        given.shape,
        given.datatype,
        unpack(given.name[:100], given.datatype, size_of(given), raw),
        given.parameters,
    )


def raw_infer(body: bytes, signature: Signature) -> InferBody:
    """A raw request: the body is the one input, its shape is worked out from the bytes, all outputs are binary.

    Raises:
        BadInput: The model has more than one input, or more than one dimension that varies, or the bytes do not fit.
    """
    if len(signature.inputs) != 1:
        names = ", ".join(tensor.name for tensor in signature.inputs)
        raise BadInput(f"a raw request is one input, and the model has {len(signature.inputs)} ({names}); send JSON")
    (tensor,) = signature.inputs
    given = InferInput(tensor.name, [], tensor.datatype)
    if tensor.datatype == "BYTES":
        given.shape = [1] * len(tensor.shape)
        filled = read_raw(given, len(body).to_bytes(4, "little") + body)
    else:
        given.shape = _raw_shape(tensor, len(body))
        filled = read_raw(given, body)
    return InferBody([filled], parameters={"binary_data_output": True})


def write_binary(answer: BinaryAnswer) -> tuple[bytes, int]:
    """A response with binary outputs: its body, and how much of that is JSON."""
    head = _encode(answer.answer)
    return b"".join((head, *answer.raw)), len(head)


def _size(given: InferInput) -> int | None:
    size = (given.parameters or {}).get(SIZE)
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise BadInput(f"input {given.name[:100]!r}: {SIZE} is {str(size)[:40]!r}; expected a number of bytes")
    if given.data is not None:
        raise BadInput(f"input {given.name[:100]!r} has both `data` and {SIZE}; send one of them")
    return size


def _raw_shape(tensor: Tensor, size: int) -> list[int]:
    if sum(side < 0 for side in tensor.shape) > 1:
        raise BadInput(
            f"input {tensor.name!r} has shape {list(tensor.shape)}; a raw request leaves one size open; send JSON"
        )
    one = prod(side for side in tensor.shape if side >= 0) * WIRE[tensor.datatype].itemsize
    if one == 0 or size % one or (size != one and -1 not in tensor.shape):
        raise BadInput(f"the body has {size} bytes; input {tensor.name!r} takes a multiple of {one}")
    return [size // one if side < 0 else side for side in tensor.shape]


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("latin-1"))
