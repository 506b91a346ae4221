"""Which of many rules can hold of a request at all: a tree over the attributes that tell them apart.

A node looks at one attribute or several; the value of each leads to the rules that it does not exclude (a dictionary
for values, the places between sorted ends for intervals), which a further node may tell apart by another attribute.
Where the attribute is missing, or of another kind, none of them holds, but those that no other attribute excludes fail.
What comes out has every rule that could hold or fail, in order, and few others. It is worked out once a snapshot.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from seatrial.routing.rules.evaluating import is_of
from seatrial.routing.rules.expression import Expression, Scalar
from seatrial.routing.rules.guards import Guard, Interval, Values, Where, guards

FEW = 6
"""So few rules are asked one by one."""
MOST_PLACES = 64
"""An attribute whose intervals overlap so much that a rule would stand at more places, on average, tells little."""

Positions = tuple[int, ...]


class Branch(NamedTuple):
    """The rules that one attribute tells apart.

    Attributes:
        where: The attribute.
        values: By value; empty where the guards are intervals.
        ends: The ends of the intervals, ascending.
        places: Rules below, at and above each end: 2 · len(ends) + 1 of them.
        lacking: All of them, told apart by the other attributes, for a request without this one.
        rules: How many there are.
    """

    where: Where
    values: Mapping[Scalar, "Node"]
    ends: Sequence[float]
    places: Sequence["Node"]
    lacking: "Node"
    rules: int


class Node(NamedTuple):
    """Rules: those told apart by an attribute, and the rest."""

    branches: tuple[Branch, ...]
    rest: Positions


_NOTHING = Node((), ())


def build(rules: Sequence[Expression]) -> Node:
    """The tree of some rules, which are called by their position."""
    return _build(tuple(range(len(rules))), [guards(rule) for rule in rules], frozenset())


def candidates(node: Node, features: Mapping[str, Any], context: Mapping[str, Any], unit: str) -> Sequence[int]:
    """Positions, ascending, of all rules that hold or fail, and perhaps some others."""
    if not node.branches:
        return node.rest
    found: list[int] = []
    _collect(node, features, context, unit, found)
    if len(node.branches) > 1 or node.rest:
        found.sort()
    return found


def _collect(node: Node, features: Mapping[str, Any], context: Mapping[str, Any], unit: str, found: list[int]) -> None:
    for (space, name, kind), values, ends, places, lacking, _ in node.branches:
        value: Any = features.get(name) if space == "features" else context.get(name) if space == "context" else unit
        if value.__class__ is not str if kind == "string" else not is_of(value, kind):
            child = lacking
        elif ends:
            place = bisect_left(ends, value)
            child = places[2 * place + (place < len(ends) and ends[place] == value)]
        else:
            child = values.get(value, _NOTHING)
        if not child.branches:
            found += child.rest
        else:
            before = len(found)
            _collect(child, features, context, unit, found)
            if len(child.branches) > 1 or child.rest:
                found[before:] = sorted(found[before:])
    found += node.rest


def _build(positions: Positions, known: Sequence[Mapping[Where, Guard]], used: frozenset[Where]) -> Node:
    branches: list[Branch] = []
    while len(positions) > FEW:
        best = _best(positions, known, used)
        if best is None:
            break
        where, kind = best
        used |= {where}
        inside = [position for position in positions if isinstance(known[position].get(where), kind)]
        branches.append(_branch(where, kind, inside, known, used))
        taken = set(inside)
        positions = tuple(position for position in positions if position not in taken)
    return Node(tuple(branches), positions)


def _branch(
    where: Where,
    kind: type[Guard],
    inside: Sequence[int],
    known: Sequence[Mapping[Where, Guard]],
    used: frozenset[Where],
) -> Branch:
    lacking = _build(tuple(inside), known, used)
    if kind is Values:
        by_value: dict[Scalar, list[int]] = {}
        for position in inside:
            for value in known[position][where].values:  # type: ignore[union-attr]
                by_value.setdefault(value, []).append(position)
        nodes = {value: _build(tuple(found), known, used) for value, found in by_value.items()}
        return Branch(where, nodes, (), (), lacking, len(inside))
    intervals = [(position, known[position][where]) for position in inside]
    ends = _ends([interval for _, interval in intervals])  # type: ignore[misc]
    places: list[list[int]] = [[] for _ in range(2 * len(ends) + 1)]
    for position, interval in intervals:
        first, last = _span(interval, ends)  # type: ignore[arg-type]
        for place in range(first, last + 1):
            places[place].append(position)
    made: dict[Positions, Node] = {}
    nodes_at = []
    for found in places:
        key = tuple(found)
        if key not in made:
            made[key] = _build(key, known, used)
        nodes_at.append(made[key])
    return Branch(where, {}, ends, nodes_at, lacking, len(inside))


def _best(
    positions: Positions, known: Sequence[Mapping[Where, Guard]], used: frozenset[Where]
) -> tuple[Where, type[Guard]] | None:
    """The attribute that spares the most rules; None when none spares as many as it costs to look."""
    by_kind: dict[tuple[Where, type[Guard]], list[Guard]] = {}
    for position in positions:
        for where, guard in known[position].items():
            if where not in used:
                by_kind.setdefault((where, type(guard)), []).append(guard)
    spared = {key: len(found) - _left(found) for key, found in by_kind.items() if len(found) > FEW}
    if not spared:
        return None
    best = max(spared, key=lambda key: (spared[key], str(key)))
    return best if spared[best] > FEW else None


def _left(found: Sequence[Guard]) -> float:
    """About how many of some rules one value leaves."""
    if isinstance(found[0], Values):
        counts: dict[Scalar, int] = {}
        for guard in found:
            for value in guard.values:  # type: ignore[union-attr]
                counts[value] = counts.get(value, 0) + 1
        return sum(n * n for n in counts.values()) / max(1, sum(counts.values()))
    intervals: list[Interval] = found  # type: ignore[assignment]
    ends = _ends(intervals)
    spans = [_span(interval, ends) for interval in intervals]
    held = sum(max(0, last - first + 1) for first, last in spans)
    return len(found) if held > MOST_PLACES * len(found) else held / (2 * len(ends) + 1)


def _ends(intervals: Sequence[Interval]) -> list[float]:
    finite = {end for interval in intervals for end in interval if end not in (float("-inf"), float("inf"))}
    return sorted(finite)


def _span(interval: Interval, ends: Sequence[float]) -> tuple[int, int]:
    """The first and last place of an interval; ends belong to it, which is more than the rule may say."""
    low, high = interval
    first = 0 if low == float("-inf") else 2 * bisect_left(ends, low) + 1
    last = 2 * len(ends) if high == float("inf") else 2 * bisect_left(ends, high) + 1
    return first, last
