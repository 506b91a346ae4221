"""The body template of a remote variant: JSON with places for the rows, taken apart once and filled for each request.

``{{ features }}`` is the row's features as an object, ``{{ features.<name> }}`` the value of one; ``{{ instances }}``
is the features of all rows of a request as a list. A template takes rows one by one, or all at once, never both.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from seatrial.spec.errors import BadInput
from seatrial.spec.units import show

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_STAND_IN = '"\ue000"'
"""What a place is while the rest is read as JSON; a string, so that one inside quotes is no JSON."""

_encode = msgspec.json.Encoder().encode


class Place(NamedTuple):
    """Where something of the rows goes; without a feature, all of them."""

    feature: str | None = None


class BodyTemplate(NamedTuple):
    """A template, taken apart.

    Attributes:
        parts: Bytes as they are, and places.
        whole: One body is of all rows of a request; else each row has its own.
    """

    parts: tuple[bytes | Place, ...]
    whole: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The features that it names."""
        return tuple(part.feature for part in self.parts if isinstance(part, Place) and part.feature is not None)


def parse_body(text: str) -> BodyTemplate:
    """Take a template apart.

    Raises:
        BadInput: It has no place, one of another name, or is no JSON around them.
    """
    names = _PLACE.findall(text)
    if not names:
        raise BadInput("it says nothing of the row; write `{{ features }}` where the features go")
    for name in names:
        if name not in ("features", "instances") and not (name.startswith("features.") and name[9:].strip()):
            raise BadInput(
                f"{show('{{ ' + name + ' }}')} stands for nothing; it can be `{{{{ features }}}}`, "
                "`{{ features.<name> }}` or `{{ instances }}`"
            )
    whole = "instances" in names
    if whole and set(names) != {"instances"}:
        raise BadInput("it has `{{ instances }}`, all rows at once, beside `{{ features }}`, one row; keep one of them")
    try:
        msgspec.json.decode(_PLACE.sub(_STAND_IN, text).encode())
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise BadInput(
            "it is not JSON once the places are filled; a place stands where a value does, without quotes around it"
        ) from None
    pieces = _PLACE.split(text)  # literal, name, literal, name, …, literal
    parts = [_place(piece) if index % 2 else piece.encode() for index, piece in enumerate(pieces)]
    return BodyTemplate(tuple(part for part in parts if part), whole)


def _place(name: str) -> Place | bytes:
    return Place(name[9:].strip()) if name.startswith("features.") else Place()


def fill(template: BodyTemplate, rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The bodies for rows: one a row, or one for all. Raises KeyError for a feature that a row does not have."""
    if template.whole:
        every = _encode(rows)
        return [b"".join(part if isinstance(part, bytes) else every for part in template.parts)]
    return [
        b"".join(
            part if isinstance(part, bytes) else _encode(row if part.feature is None else row[part.feature])
            for part in template.parts
        )
        for row in rows
    ]
