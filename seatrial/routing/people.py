"""Who a request is for: its unit and its context, checked against what the deployment declares."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from seatrial.protocol.bodies import read_unit
from seatrial.protocol.features import describe
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import nearest

MAX_CONTEXT_TEXT = 10_000


class Person(NamedTuple):
    """Who is routed.

    Attributes:
        unit: Who is randomised.
        named: False when the unit was made up: never evidence.
        context: Values of the declared context keys, in order; None where absent.
    """

    unit: str
    named: bool
    context: tuple[Any, ...]


class People:
    """Reads units and contexts of one deployment; immutable."""

    __slots__ = ("_empty", "_keys", "_names", "_required", "_unit_at")

    def __init__(self, snapshot: Snapshot) -> None:
        self._keys = snapshot.context
        self._names = frozenset(key.name for key in self._keys)
        self._required = any(not key.optional for key in self._keys)
        self._empty = (None,) * len(self._keys)
        names = [key.name for key in self._keys]
        self._unit_at = names.index(snapshot.unit_from) if snapshot.unit_from in names else None

    @property
    def silent(self) -> tuple[Any, ...] | None:
        """The context's values where a request carries none; None where it must carry some."""
        return None if self._required else self._empty

    def read(self, unit: object, context: Mapping[str, Any] | None, made_up: str) -> Person:
        """Who this is.

        Args:
            unit: What the request named, or None.
            context: What the request carried, or None.
            made_up: The unit when nobody is named.

        Raises:
            BadInput: A key that is not declared, a required one that is absent, a value of another kind, a bad unit.
        """
        values = self._empty if not context and not self._required else self._read_context(context or {})
        if unit is None and self._unit_at is not None:
            unit = values[self._unit_at]
        if unit is None:
            return Person(made_up, False, values)
        return Person(read_unit(unit), True, values)

    def _read_context(self, context: Mapping[str, Any]) -> tuple[Any, ...]:
        if not self._names.issuperset(context):
            raise BadInput(self._undeclared(sorted(set(context) - self._names)))
        values: list[Any] = []
        for key in self._keys:
            value = context.get(key.name)
            if value is None:
                if not key.optional:
                    raise BadInput(self._missing(context))
                values.append(None)
            else:
                values.append(_READERS[key.kind](key.name, value))
        return tuple(values)

    def _undeclared(self, unknown: Sequence[str]) -> str:
        """All that is not declared, and what was probably meant."""
        names = [key.name for key in self._keys]
        meant = [f"{near!r}" for name in unknown if (near := nearest(name, names)) is not None]
        subject = "context key" if len(unknown) == 1 else "context keys"
        verb = "is" if len(unknown) == 1 else "are"
        end = f"did you mean {' and '.join(meant)}? The" if len(meant) == len(unknown) else "the"
        declared = ", ".join(names) or "none"
        return f"{subject} {', '.join(map(repr, unknown))} {verb} not declared; {end} deployment declares: {declared}"

    def _missing(self, context: Mapping[str, Any]) -> str:
        """All that is missing, and what each must be."""
        lacking = [key for key in self._keys if not key.optional and context.get(key.name) is None]
        names = " and ".join(f"context.{key.name}" for key in lacking)
        wanted = " and ".join(f"{'an' if key.kind == 'integer' else 'a'} {key.kind}" for key in lacking)
        verb, them = ("is", "it") if len(lacking) == 1 else ("are", "them")
        return f"{names} {verb} missing; expected {wanted}, or declare {them} `optional`"


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _refused(name, "a string", value)
    if len(value) > MAX_CONTEXT_TEXT:
        raise BadInput(f"context.{name} has {len(value)} characters; the limit is {MAX_CONTEXT_TEXT}")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e308 or not isfinite(value):
        raise _refused(name, "a number", value)
    return float(value)


def _integer(name: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise _refused(name, "a whole number within ±2^53", value)
    return value


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refused(name, "true or false", value)
    return value


def _refused(name: str, expected: str, value: object) -> BadInput:
    return BadInput(f"context.{name}: expected {expected}, got {describe(value)}")


_READERS: dict[str, Callable[[str, object], Any]] = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
}
