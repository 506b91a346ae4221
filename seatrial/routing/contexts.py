"""What a request says of itself as numbers, the same when a bandit chooses and when it learns."""

from collections.abc import Callable, Sequence
from typing import Any

from seatrial.routing.snapshot import Column
from seatrial.spec.errors import BadInput

_FAR = 4.0
"""A number counts for no more than so many scales from its center: no single request may lean on a line."""

Numbers = tuple[float, ...]


class Encoder:
    """Contexts as numbers; immutable.

    A value that is missing is a number of 0, that is its center, or no category; where a key may be missing, a further
    number of 1 says that it is.

    Args:
        columns: How.
        keys: The declared context keys, in the order of a context's values.

    Attributes:
        width: How many numbers there are: a 1, then those of the columns in order.

    Raises:
        BadInput: A column's key is not declared.
    """

    __slots__ = ("_readers", "width")

    def __init__(self, columns: Sequence[Column], keys: Sequence[str]) -> None:
        for column in columns:
            if column.key not in keys:
                raise BadInput(f"a bandit chooses by context key {column.key!r}, which is not declared")
        self._readers = tuple(
            (keys.index(column.key), column.center, column.scale, _is_plain(column), reader(column))
            for column in columns
        )
        self.width = 1 + sum(width(column) for column in columns)

    def encode(self, context: Sequence[Any]) -> list[float]:
        """The numbers of one context, whose values are in the order of the keys; an empty one lacks everything."""
        found = [1.0]
        for place, center, scale, plain, read in self._readers:
            value = context[place] if context else None
            if plain and value is not None:  # nearly all of them, and the hot path: `read` would come to the same
                away = (value - center) / scale
                found.append(away if -_FAR <= away <= _FAR else _FAR if away > 0 else -_FAR)
            else:
                found += read(value)
        return found


def width(column: Column) -> int:
    """How many numbers a column is."""
    return (len(column.categories) + 1 if column.kind == "category" else 1) + column.optional


def _is_plain(column: Column) -> bool:
    """One number, whatever the value."""
    return column.kind == "number" and not column.optional


def reader(column: Column) -> Callable[[Any], Numbers]:
    """What turns a value of the column's key into numbers."""
    if column.kind == "category":
        return _category(column)
    return _boolean(column) if column.kind == "boolean" else _number(column)


def _number(column: Column) -> Callable[[Any], Numbers]:
    center, scale = column.center, column.scale
    missing = (0.0, 1.0) if column.optional else (0.0,)

    def read(value: Any) -> Numbers:
        if value is None:
            return missing
        away = min(max((value - center) / scale, -_FAR), _FAR)
        return (away, 0.0) if column.optional else (away,)

    return read


def _boolean(column: Column) -> Callable[[Any], Numbers]:
    known: dict[Any, Numbers] = {True: (1.0,), False: (0.0,), None: (0.0,)}
    if column.optional:
        known = {True: (1.0, 0.0), False: (0.0, 0.0), None: (0.0, 1.0)}
    return known.__getitem__


def _category(column: Column) -> Callable[[Any], Numbers]:
    size = width(column)
    places: dict[Any, Numbers] = {
        value: tuple(float(at == place) for at in range(size)) for place, value in enumerate(column.categories)
    }
    other = tuple(float(at == len(column.categories)) for at in range(size))
    places[None] = tuple(float(column.optional and at == size - 1) for at in range(size))
    return lambda value: places.get(value, other)
