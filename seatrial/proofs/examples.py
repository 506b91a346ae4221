"""Requests worth trying before a solver is asked: made of the values that rules name, and of their neighbours.

Most of what can happen shows on some of them at once, for a hundredth of what a solver costs. They are drawn by a
generator that is written out here, so the same rules give the same requests on every machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, pairwise
from typing import Any

from seatrial.proofs.findings import Witness
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression, Space, walk
from seatrial.routing.rules.guards import Guard, Values, Where, guards

MANY = 1000
"""Requests drawn at random, beside those made for each rule."""

MOST_PAIRS = 3000
"""Requests made to meet two rules at once."""

Name = tuple[str, str]
_NONE: Mapping[Where, Guard] = {}


def examples(
    rules: Sequence[Expression], required: frozenset[tuple[Space, str]], many: int = MANY
) -> Iterator[Witness]:
    """Requests; none lacks a name that is required."""
    names = _names(rules)
    if not names:
        yield Witness({}, {}, "u")
        return
    worth = _worth(rules, names)
    draw = _Draw()
    hints = [guards(rule) for rule in rules]
    for hint in hints:
        for full in (True, False):
            yield _made({**_any(worth, required, draw, full), **_meeting(hint, worth, draw)})
    for one, other in islice(combinations(hints, 2), MOST_PAIRS):
        bare = _any(worth, required, draw, False) if draw.one((True, False)) else _least(worth, required, draw)
        yield _made(bare | _meeting(one, worth, draw, other) | _meeting(other, worth, draw, one))
    for turn in range(many):
        made = _any(worth, required, draw, turn % 3 != 0)
        if hints and turn % 2:
            made |= _meeting(draw.one(hints), worth, draw)
        yield _made(made)


class _Draw:
    """A linear congruential generator (Knuth, MMIX)."""

    def __init__(self) -> None:
        self._state = 42

    def one(self, of: Sequence[Any]) -> Any:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return of[(self._state >> 33) % len(of)]


def _names(rules: Sequence[Expression]) -> dict[Name, e.Kind]:
    found: dict[Name, e.Kind] = {}
    for node in (part for rule in rules for part in walk(rule)):
        if isinstance(node, e.Attribute):
            found[node.space, node.name] = node.kind
        elif isinstance(node, e.Unit):
            found["unit", ""] = "string"
        elif isinstance(node, e.Has):
            found.setdefault((node.space, node.name), "any")
    return found


def _worth(rules: Sequence[Expression], names: Mapping[Name, e.Kind]) -> dict[Name, list[Any]]:
    """The values of each name that are worth trying."""
    numbers: set[float] = {0, 1}
    texts: set[str] = {"other"}
    for node in (part for rule in rules for part in walk(rule)):
        values = node.values if isinstance(node, e.Among) else (node.value,) if isinstance(node, e.Constant) else ()
        for value in values:
            if isinstance(value, str):
                texts |= {value, f"{value}x", f"x{value}"}
            elif not isinstance(value, bool):
                numbers.add(value)
    ordered = sorted(numbers)
    between = [(low + high) / 2 for low, high in pairwise(ordered)]
    whole = sorted({int(n) + d for n in ordered if abs(n) < 2**53 for d in (-1, 0, 1)})
    of_kind: dict[str, list[Any]] = {
        "bool": [True, False],
        "int": whole,
        "double": [float(n) for n in (*ordered, *between, ordered[0] - 1, ordered[-1] + 1) if abs(n) < 1e300],
        "string": sorted(text for text in texts if text),
        "any": [1.0],
    }
    return {name: of_kind[kind] for name, kind in names.items()}


def _any(
    worth: Mapping[Name, list[Any]], required: frozenset[tuple[Space, str]], draw: _Draw, full: bool
) -> dict[Name, Any]:
    made: dict[Name, Any] = {}
    for name, values in worth.items():
        if full or name in required or name[0] == "unit" or draw.one((True, False)):
            made[name] = draw.one(values)
    return made


def _least(worth: Mapping[Name, list[Any]], required: frozenset[tuple[Space, str]], draw: _Draw) -> dict[Name, Any]:
    """Nothing but what no request lacks."""
    return {name: draw.one(values) for name, values in worth.items() if name in required}


def _meeting(
    hint: Mapping[Where, Guard], worth: Mapping[Name, list[Any]], draw: _Draw, also: Mapping[Where, Guard] = _NONE
) -> dict[Name, Any]:
    """Values that keep the guards of a rule, and where they can those of another."""
    made: dict[Name, Any] = {}
    for where, guard in hint.items():
        name = (where.space or "unit", where.name)
        tried = sorted(guard.values, key=str) if isinstance(guard, Values) else worth[name]
        fitting = [value for value in tried if _keeps(value, guard)]
        both = [value for value in fitting if where not in also or _keeps(value, also[where])]
        if both or fitting:
            made[name] = draw.one(both or fitting)
    return made


def _keeps(value: Any, guard: Guard) -> bool:
    return value in guard.values if isinstance(guard, Values) else guard.low <= value <= guard.high


def _made(values: Mapping[Name, Any]) -> Witness:
    spaces: dict[str, dict[str, Any]] = {"features": {}, "context": {}}
    unit = "u"
    for (space, name), value in values.items():
        if space == "unit":
            unit = value or "u"
        else:
            spaces[space][name] = value
    return Witness(spaces["features"], spaces["context"], unit)
