"""Bodies of ``POST /v1/outcomes``: an object, an array or NDJSON of outcomes, checked field by field."""

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Any, NamedTuple

import msgspec

from seatrial.protocol.bodies import Unit, read_many, read_name, read_unit
from seatrial.protocol.features import describe
from seatrial.protocol.instants import read_instant
from seatrial.spec.errors import BadInput

Value = float | bool | str | None
Scalar = float | int | bool | str | None

MAX_TEXT = 10_000
"""Characters that a value, a field or an item may have."""


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One outcome, as it travels. ``value: null`` withdraws; an absent value is an outcome that simply happened."""

    outcome: str
    unit: Unit | None = None
    request_id: str | None = None
    row: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    key: str | None = None
    value: bool | int | float | str | msgspec.UnsetType | None = msgspec.UNSET
    fields: dict[str, Any] | None = None
    item: str | None = None
    at: str | None = None
    id: str | None = None
    deployment: str | None = None


class OutcomeGiven(NamedTuple):
    """An outcome whose every field has been checked.

    Attributes:
        id: The caller's identity for it, or None: then it is derived.
        at: Microseconds since 1970 UTC, or None: now.
        value: number, boolean, string or None.
        withdrawn: The value was given as null.
    """

    outcome: str
    unit: str | None
    request_id: str | None
    row: int | None
    key: str | None
    value: Value
    withdrawn: bool
    fields: dict[str, Scalar]
    item: str | None
    at: int | None
    id: str | None
    deployment: str | None


_decoder = msgspec.json.Decoder(OutcomeBody | list[OutcomeBody])
_line = msgspec.json.Decoder(OutcomeBody)


def read_outcomes(body: bytes) -> list[OutcomeGiven]:
    """Decode and check.

    Raises:
        BadInput: One of them is wrong; the message names which, the field, what was expected and what came.
    """
    return check_outcomes(read_many(_decoder, _line, body))


def check_outcomes(given: Sequence[OutcomeBody]) -> list[OutcomeGiven]:
    """Check decoded outcomes; raises BadInput as ``read_outcomes``."""
    if not given:
        raise BadInput("0 outcomes: send at least one")
    many = len(given) > 1
    return [check_outcome(one, f"outcome {index}: " if many else "") for index, one in enumerate(given)]


def check_outcome(given: OutcomeBody, where: str = "") -> OutcomeGiven:
    """Check one outcome; raises BadInput, its message beginning with ``where``."""
    try:
        return _checked(given)
    except BadInput as error:
        raise BadInput(f"{where}{error}") from None


def _checked(given: OutcomeBody) -> OutcomeGiven:
    if not given.outcome:
        raise BadInput("outcome is empty; name one that the deployment declares")
    if given.unit is None and given.request_id is None and given.key is None:
        raise BadInput(f"outcome {given.outcome!r} names nobody; give it a unit, a request_id or a key")
    if given.unit is not None and (given.request_id is not None or given.key is not None):
        other = "request_id" if given.request_id is not None else "key"
        raise BadInput(f"outcome {given.outcome!r} has both a unit and a {other}; it joins by one of them, send one")
    if given.row is not None and given.request_id is None:
        raise BadInput(f"row {given.row} means the instance of a request; give the request_id too")
    value = None if given.value is msgspec.UNSET else _value(given.value, "value")
    return OutcomeGiven(
        outcome=given.outcome,
        unit=None if given.unit is None else read_unit(given.unit),
        request_id=read_name(given.request_id, "request_id"),
        row=given.row,
        key=read_name(given.key, "key"),
        value=value,
        withdrawn=given.value is None,
        fields={name: _field(name, field) for name, field in (given.fields or {}).items()},
        item=_text(given.item, "item"),
        at=None if given.at is None else read_instant(given.at, "at"),
        id=read_name(given.id, "id"),
        deployment=given.deployment,
    )


def _value(value: object, what: str) -> Value:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, what)
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise BadInput(f"{what} is {describe(value)}, beyond ±2^53, where numbers lose digits; send it as a string")
        return float(value)
    if isinstance(value, float) and isfinite(value):
        return value
    raise BadInput(f"{what}: expected a number, true, false or a string, got {describe(value)}")


def _field(name: str, value: object) -> Scalar:
    if isinstance(value, int) and not isinstance(value, bool):
        _value(value, f"field {name!r}")
        return value
    return _value(value, f"field {name!r}")


def _text(value: str | None, what: str) -> str | None:
    if value is not None and len(value) > MAX_TEXT:
        raise BadInput(f"{what} has {len(value)} characters; the limit is {MAX_TEXT}")
    return value
