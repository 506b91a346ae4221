"""Bodies of ``POST /v1/units``: an object, an array or NDJSON of names that are one person's."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from seatrial.protocol.bodies import Unit, read_many, read_unit
from seatrial.protocol.instants import read_instant
from seatrial.spec.errors import BadInput


class AliasBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody known by another name before, as it travels. ``unit: null`` takes it back."""

    alias: Unit
    unit: Unit | None
    at: str | None = None


class AliasGiven(NamedTuple):
    """A checked alias.

    Attributes:
        alias: The name used before, like a visitor's cookie.
        unit: The name that outcomes come by; None: the alias stands for itself again.
        at: When that was known, microseconds since 1970 UTC, or None: now.
    """

    alias: str
    unit: str | None
    at: int | None


_decoder = msgspec.json.Decoder(AliasBody | list[AliasBody])
_line = msgspec.json.Decoder(AliasBody)


def read_aliases(body: bytes) -> list[AliasGiven]:
    """Decode and check.

    Raises:
        BadInput: One of them is wrong; the message names which, the field, what was expected and what came.
    """
    given = read_many(_decoder, _line, body)
    if not given:
        raise BadInput("0 aliases: send at least one")
    return [_checked(one, f"alias {index}: " if len(given) > 1 else "") for index, one in enumerate(given)]


def circle_in(given: Sequence[AliasGiven]) -> str | None:
    """An alias of a call that leads back to itself; None where all lead to somebody."""
    units = {one.alias: one.unit for one in given if one.unit is not None}
    for start in units:
        name, seen = start, {start}
        while (name := units.get(name, "")) and name not in seen:
            seen.add(name)
        if name == start:
            return start
    return None


def _checked(given: AliasBody, where: str) -> AliasGiven:
    try:
        alias = read_unit(given.alias)
    except BadInput as error:
        raise BadInput(f"{where}alias: {str(error).removeprefix('unit').lstrip(': ')}") from None
    try:
        unit = None if given.unit is None else read_unit(given.unit)
        at = None if given.at is None else read_instant(given.at, "at")
    except BadInput as error:
        raise BadInput(f"{where}{error}") from None
    if alias == unit:
        raise BadInput(f"{where}{alias[:40]!r} is its own alias; name the one it was known by before as `alias`")
    return AliasGiven(alias, unit, at)
