"""One field of a CSV file as the value that a request would carry; what is none stays a string and is refused."""

from collections.abc import Callable
from typing import Any

import msgspec

from seatrial.protocol.bodies import MAX_UNIT_BYTES
from seatrial.protocol.features import describe
from seatrial.spec.errors import BadInput

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def identity(value: object, column: str) -> str:
    """A key or a unit.

    Raises:
        BadInput: It is empty, too long, or neither a string nor a whole number.
    """
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value:
        raise BadInput(f"column {column!r}: expected a string or a whole number, got {describe(value)}")
    if len(value) * 4 > MAX_UNIT_BYTES and len(value.encode("utf-8", "surrogatepass")) > MAX_UNIT_BYTES:
        raise BadInput(f"column {column!r}: {value[:20]!r}… is over {MAX_UNIT_BYTES} bytes")
    return value


def number(text: str) -> Any:
    """A number, where it is one: whole ones exactly."""
    if "_" in text:
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _boolean(text: str) -> Any:
    return _TRUTH.get(text.strip().lower(), text)


def _list(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


READERS: dict[str, Callable[[str], Any]] = {
    "number": number,
    "integer": number,
    "time": number,
    "boolean": _boolean,
    "category": str,
    "text": str,
    "id": str,
    "list": _list,
    "embedding": _list,
}
"""By kind of feature."""
