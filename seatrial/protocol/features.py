"""Rows of features, as they travel, into what a model and the ledger take.

Serves every edge on the hot path: a row whose values are all plain numbers costs a few microseconds, because one look
at the types and one sum of magnitudes prove that nothing is missing, infinite or too large. Whatever is not proved that
way goes through the careful reading, which knows each kind and names the field that is wrong.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan, nan
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.protocol.instants import read_instant
from seatrial.protocol.packing import EXACT, Bound, Packing, bounds
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature, Signature

Row = Mapping[str, Any]

Place = int | None
"""What a message calls a row: its place among the request's instances, or None where there is only one."""

_UNPLACED: tuple[Place, ...] = (None,)
_NOTHING: list[Any] = []
_NONE: list[list[Any]] = [_NOTHING]
_UNBOUND = Bound(float("-inf"), float("inf"), "")
_PLAIN = frozenset((float, int))
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_EXPECTED = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "time": "an RFC 3339 time with an offset, or seconds since 1970",
    "category": "a string",
    "text": "a string",
    "id": "a string",
    "list": "a list of numbers",
    "embedding": "a list of numbers",
}


class Encoded(NamedTuple):
    """Rows, ready for a model and for the ledger.

    Attributes:
        tensors: The model's inputs by name, the batch on the first axis.
        numbers: float64 [n, features of ``signature.numbers``]; NaN is missing, booleans 0 and 1, times in seconds.
        texts: n lists, in the order of ``signature.texts``; None is missing.
        vectors: n lists, in the order of ``signature.vectors``; None is missing.
        unseen: How many category values were not among the known ones.
        extra: How many features were given that the model does not have.
    """

    tensors: dict[str, NDArray[Any]]
    numbers: NDArray[np.float64]
    texts: list[list[str | None]]
    vectors: list[list[list[float] | None]]
    unseen: int
    extra: int


class Encoder:
    """Encodes rows for one signature; immutable.

    Args:
        signature: What the model takes.
        strict: Refuse features that the model does not have (instead of counting them).

    Raises:
        BadInput: The signature's tensors cannot hold its features (on construction).
    """

    def __init__(self, signature: Signature, *, strict: bool = False) -> None:
        self._strict = strict
        self._names = frozenset(feature.name for feature in signature.features)
        self._width = len(self._names)
        self._numbers = signature.numbers
        self._texts = signature.texts
        self._vectors = signature.vectors
        self._known = tuple(frozenset(feature.categories or ()) for feature in self._texts)
        self._coded = tuple(_is_coded(feature) for feature in self._texts)
        self._pick = _picker([feature.name for feature in self._numbers])
        held = bounds(signature)
        self._bounds = tuple(held.get(feature.name, _UNBOUND) for feature in self._numbers)
        self._vector_bounds = tuple(held.get(feature.name, _UNBOUND) for feature in self._vectors)
        self._limit = min([EXACT, *(min(-bound.low, bound.high) for bound in self._bounds)])
        self._all_plain = self._limit > 0 and all(feature.kind == "number" for feature in self._numbers)
        self._pack_row = struct.Struct(f"{len(self._numbers)}d").pack
        self._packing = Packing(signature)
        self._only_numbers = not self._texts and not self._vectors
        self._lean = self._only_numbers and self._all_plain
        self._row_shape = (1, len(self._numbers))

    def encode(self, rows: Sequence[Row], places: Sequence[Place] | None = None) -> Encoded:
        """Encode rows; the first axis of every array is ``len(rows)``.

        Args:
            places: What the message of a refusal calls the rows; None: their positions, and nothing for a single one.

        Raises:
            BadInput: A value is missing, infinite, too large or of another kind; the message names the feature (and the
                instance, when there are several), what was expected and what came.
        """
        if len(rows) == 1:
            if self._lean and (plain := self._plain_row(rows[0])) is not None:
                return plain
            places = places or _UNPLACED
            numbers = np.frombuffer(self._pack_row(*self._row_numbers(rows[0], places[0]))).reshape(1, -1)
        else:
            places = places or range(len(rows))
            values = [self._row_numbers(row, place) for row, place in zip(rows, places, strict=True)]
            numbers = np.array(values, dtype=np.float64).reshape(len(rows), len(self._numbers))
        extra = self._extra(rows)
        if self._only_numbers:
            none: list[list[Any]] = [_NOTHING] * len(rows)
            return Encoded(self._packing.pack(numbers, none, none), numbers, none, none, 0, extra)
        unseen = 0
        texts: list[list[str | None]] = []
        vectors: list[list[list[float] | None]] = []
        for row, place in zip(rows, places, strict=True):
            found, strange = self._read_texts(row, place)
            unseen += strange
            texts.append(found)
            vectors.append(self._read_vectors(row, place) if self._vectors else _NOTHING)
        return Encoded(self._packing.pack(numbers, texts, vectors), numbers, texts, vectors, unseen, extra)

    def _plain_row(self, row: Row) -> Encoded | None:
        """The commonest row: every feature there, a plain number, and nothing else; None when it is not that."""
        try:
            values = self._pick(row)
            if len(row) != self._width or not _PLAIN.issuperset(map(type, values)):
                return None
            if not sum(map(abs, values)) <= self._limit:  # so written that NaN is not let through
                return None
        except (KeyError, OverflowError):
            return None
        numbers = np.frombuffer(self._pack_row(*values)).reshape(self._row_shape)
        return Encoded(self._packing.pack(numbers, _NONE, _NONE), numbers, _NONE, _NONE, 0, 0)

    def _row_numbers(self, row: Row, place: Place) -> Sequence[float]:
        if self._all_plain:
            try:
                values = self._pick(row)
                if _PLAIN.issuperset(map(type, values)) and sum(map(abs, values)) <= self._limit:
                    return values
            except (KeyError, OverflowError):
                pass
        return self._careful_numbers(row, place)

    def _careful_numbers(self, row: Row, place: Place) -> Sequence[float]:
        values = []
        for feature, bound in zip(self._numbers, self._bounds, strict=True):
            value = row.get(feature.name)
            if type(value) is float and feature.kind == "number" and bound.low <= value <= bound.high:
                values.append(value)
            elif value is None and feature.nullable:
                values.append(nan)
            else:
                values.append(_held(_number(feature, value, place), bound, feature, place))
        return values

    def _read_texts(self, row: Row, place: Place) -> tuple[list[str | None], int]:
        found: list[str | None] = []
        unseen = 0
        for feature, known, coded in zip(self._texts, self._known, self._coded, strict=True):
            value = row.get(feature.name)
            if coded and type(value) is int:
                value = str(value)
            if type(value) is str:
                if known and value not in known:
                    unseen += 1
                found.append(value)
            else:
                found.append(_text(feature, value, place))
        return found, unseen

    def _read_vectors(self, row: Row, place: Place) -> list[list[float] | None]:
        return [
            _vector(feature, row.get(feature.name), bound, place)
            for feature, bound in zip(self._vectors, self._vector_bounds, strict=True)
        ]

    def _extra(self, rows: Sequence[Row]) -> int:
        width, names, extra = self._width, self._names, 0
        for row in rows:
            if len(row) == width and names.issuperset(row):
                continue
            unknown = [name for name in row if name not in names]
            if unknown and self._strict:
                raise BadInput(f"feature {unknown[0]!r} is not one of the model's ({_listed(names)}); leave it out")
            extra += len(unknown)
        return extra


def _is_coded(feature: Feature) -> bool:
    """A category whose values are whole numbers (of a store, of a plan) may travel as numbers too."""
    categories = feature.categories or ()
    return feature.kind == "category" and bool(categories) and all(_WHOLE.fullmatch(value) for value in categories)


def _picker(names: Sequence[str]) -> Callable[[Row], Sequence[Any]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        (only,) = names
        return lambda row: (row[only],)
    return itemgetter(*names)


def _number(feature: Feature, value: object, place: Place) -> float:
    """One value of a numeric kind as float64, NaN when missing; every refusal names the feature."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return _missing(feature, place)
    if feature.kind == "boolean":
        if value is True or value is False:
            return float(value)
        raise _refused(feature, value, place)
    if feature.kind == "time" and isinstance(value, str):
        return read_instant(value, f"feature {feature.name!r}{_of(place)}") / 1e6
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(feature, value, place)
    if isinstance(value, int):
        if abs(value) > EXACT:
            raise BadInput(
                f"feature {feature.name!r}{_of(place)} is {_short(value)}, beyond ±2^53, where numbers lose digits"
            )
        return float(value)
    if not isfinite(value):
        raise BadInput(f"feature {feature.name!r}{_of(place)} is infinite; expected {_EXPECTED[feature.kind]}")
    if feature.kind == "integer" and (not value.is_integer() or abs(value) > EXACT):
        raise _refused(feature, value, place)
    return value


def _text(feature: Feature, value: object, place: Place) -> str | None:
    """What is not plainly a string: missing, or refused. (NaN is how data frames write a missing string.)"""
    if value is None or (isinstance(value, float) and isnan(value)):
        _missing(feature, place)
        return None
    if isinstance(value, str):
        return str(value)
    raise _refused(feature, value, place)


def _vector(feature: Feature, value: object, bound: Bound, place: Place) -> list[float] | None:
    if value is None:
        _missing(feature, place)
        return None
    if not isinstance(value, list | tuple):
        raise _refused(feature, value, place)
    if feature.width is not None and len(value) != feature.width:
        raise BadInput(f"feature {feature.name!r}{_of(place)}: expected {feature.width} numbers, got {len(value)}")
    if _PLAIN.issuperset(map(type, value)):
        try:
            if sum(map(abs, value)) <= min(EXACT, -bound.low, bound.high):
                return list(value)
        except OverflowError:
            pass
    element = Feature(name=feature.name, kind="number")
    return [_held(_number(element, item, place), bound, feature, place) for item in value]


def _held(value: float, bound: Bound, feature: Feature, place: Place) -> float:
    """The value, when the model's tensor can hold it; NaN passes, it stands for missing."""
    if value < bound.low or value > bound.high:
        raise BadInput(
            f"feature {feature.name!r}{_of(place)} is {value:g}, beyond what the model's"
            f" {bound.datatype} input can hold ({bound.low:g} to {bound.high:g})"
        )
    return value


def _missing(feature: Feature, place: Place) -> float:
    if feature.nullable:
        return nan
    raise BadInput(
        f"feature {feature.name!r}{_of(place)} is missing and not nullable; expected {_EXPECTED[feature.kind]}"
    )


def _refused(feature: Feature, value: object, place: Place) -> BadInput:
    return BadInput(f"feature {feature.name!r}{_of(place)}: expected {_EXPECTED[feature.kind]}, got {describe(value)}")


def describe(value: object) -> str:
    """A value as a message shows it: short, and with its kind where that is the point."""
    if isinstance(value, str):
        return f'the string "{value[:40]}"' if len(value) <= 40 else f'the string "{value[:40]}…"'
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return _short(value)


def _of(place: Place) -> str:
    return "" if place is None else f" of instance {place}"


def _short(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _listed(names: frozenset[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown) if len(shown) <= 8 else f"{', '.join(shown[:8])} and {len(shown) - 8} more"
