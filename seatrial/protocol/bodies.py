"""Bodies of the short way: what a predict, an assign and a written prediction look like, and how they are read."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from seatrial.protocol.refusals import explain
from seatrial.spec.errors import BadInput, TooLarge

Unit = str | int
"""A unit travels as a string or a whole number; inside it is a string."""

MAX_UNIT_BYTES = 1024
MAX_NAME_CHARACTERS = 128
MAX_LATENCY_MS = 1e9
BRACKETS_A_ROW = 20

T = TypeVar("T")


class Instance(msgspec.Struct, forbid_unknown_fields=True):
    """One row of a request; with a ``unit`` or ``context`` of its own it is routed by itself."""

    features: dict[str, Any]
    key: str | None = None
    unit: Unit | None = None
    context: dict[str, Any] | None = None


MAX_TIMEOUT_MS = 3_600_000


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/deployments/{name}/predict``: ``features`` for one row, or ``instances`` for several."""

    features: dict[str, Any] | None = None
    unit: Unit | None = None
    context: dict[str, Any] | None = None
    instances: list[Instance] | None = None
    variant: str | None = None
    """Asks for this variant: an ``override``, which is never evidence."""
    request_id: str | None = None
    timeout_ms: float | None = None
    """Within which the caller wants an answer."""


class AssignBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/deployments/{name}/assign``."""

    unit: Unit | None = None
    context: dict[str, Any] | None = None
    features: dict[str, Any] | None = None
    """Only what routing rules read."""
    variant: str | None = None
    request_id: str | None = None


class AppPrediction(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One element of ``POST /v1/predictions``: what an application's own server answered after ``assign``."""

    deployment: str
    request_id: str
    variant: str
    unit: Unit | None = None
    context: dict[str, Any] | None = None
    features: dict[str, Any] | None = None
    prediction: Any = None
    score: float | None = None
    scores: dict[str, float] | None = None
    key: str | None = None
    row: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    reason: str | None = None
    propensity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    at: str | None = None
    revision: int | None = None
    error: str | None = None
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=MAX_LATENCY_MS)] | None = None


_predict = msgspec.json.Decoder(PredictBody)
_assign = msgspec.json.Decoder(AssignBody)
_predictions = msgspec.json.Decoder(AppPrediction | list[AppPrediction])
_prediction = msgspec.json.Decoder(AppPrediction)


def read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body; what does not fit is the caller's fault, in one sentence with the path of the field.

    Raises:
        BadInput: Not JSON, a field of another type, an unknown field.
    """
    if not body:
        raise BadInput("the body is empty; expected JSON")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(explain(error, body, decoder.type)) from None


def read_predict(body: bytes) -> PredictBody:
    """Decode a predict body; raises BadInput."""
    return read(_predict, body)


def read_assign(body: bytes) -> AssignBody:
    """Decode an assign body; raises BadInput."""
    return read(_assign, body)


def read_predictions(body: bytes) -> Sequence[AppPrediction]:
    """Decode an object, an array or NDJSON of predictions; raises BadInput."""
    return read_many(_predictions, _prediction, body)


def read_many(whole: msgspec.json.Decoder[T | list[T]], line: msgspec.json.Decoder[T], body: bytes) -> Sequence[T]:
    """One object, an array, or one object a line (NDJSON).

    Raises:
        BadInput: As ``read``; in NDJSON the message names the line.
    """
    text = body.strip()
    if text.startswith(b"{") and b"\n" in text and _more_than_one(text):
        return _lines(line, text)
    found = read(whole, text)
    return found if isinstance(found, list) else [found]


def _more_than_one(text: bytes) -> bool:
    """Whether the first line is an object by itself: then the body is NDJSON, not one object over many lines."""
    try:
        msgspec.json.decode(text.split(b"\n", 1)[0])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _lines(decoder: msgspec.json.Decoder[T], text: bytes) -> list[T]:
    found: list[T] = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(read(decoder, line))
        except BadInput as error:
            raise BadInput(f"line {number}: {error}") from None
    return found


def read_unit(unit: object) -> str:
    """The unit as a string.

    Raises:
        BadInput: Empty, neither a string nor a whole number, over ``MAX_UNIT_BYTES``, or not text.
    """
    if type(unit) is int:
        unit = str(unit) if unit.bit_length() < 8 * MAX_UNIT_BYTES else "9" * (MAX_UNIT_BYTES + 1)
    if type(unit) is not str:
        raise BadInput(f"unit: expected a string or a whole number, got {type(unit).__name__} {str(unit)[:40]}")
    if not unit:
        raise BadInput("unit is empty; name who the request is for, or leave it out")
    if len(unit) * 4 > MAX_UNIT_BYTES:
        _check_size(unit)
    return unit


def _check_size(unit: str) -> None:
    size = len(unit.encode("utf-8", "surrogatepass"))
    if size > MAX_UNIT_BYTES:
        raise BadInput(f"unit is {size} bytes ({unit[:20]}…); the limit is {MAX_UNIT_BYTES}, send an id or its digest")


def read_timeout(value: object, what: str) -> float:
    """Seconds of a time in milliseconds. Raises BadInput: it is no time above 0, or is longer than an hour."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_TIMEOUT_MS:
        raise BadInput(f"{what} is {str(value)[:40]!r}; expected milliseconds above 0, at most {MAX_TIMEOUT_MS}")
    return value / 1000


def read_name(value: str | None, what: str) -> str | None:
    """A caller's own identity (request id, key): up to 128 characters.

    Raises:
        BadInput: Empty or longer.
    """
    if value is not None and not 0 < len(value) <= MAX_NAME_CHARACTERS:
        raise BadInput(f"{what} has {len(value)} characters; expected 1 to {MAX_NAME_CHARACTERS}")
    return value


def check_count(n: int, limit: int) -> None:
    """Raises BadInput for no rows, TooLarge for more than ``limit``."""
    if n == 0:
        raise BadInput("0 rows: send at least one instance")
    if n > limit:
        raise TooLarge(f"{n} rows in one request; the limit is {limit}, send several requests")


def check_brackets(body: bytes, rows: int) -> None:
    """Refuse a large body that is mostly brackets, unread: a million objects take seconds to decode, and decoding lets
    nobody else go on meanwhile, whichever thread does it. Brackets in strings count too; no honest body comes near.

    Raises:
        TooLarge: More than ``BRACKETS_A_ROW`` objects and lists for each of ``rows``, the most that a request may have.
    """
    limit = rows * BRACKETS_A_ROW
    if body.count(b"{") + body.count(b"[") > limit:
        raise TooLarge(
            f"over {limit} objects and lists in one request; the limit is {rows} rows, send several requests"
        )
