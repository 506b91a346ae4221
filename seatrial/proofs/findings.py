"""What is asked of a set of rules, and what was found: frozen values."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from seatrial.routing.rules.expression import Expression, Space


class Entry(NamedTuple):
    """A routing entry as far as proofs go.

    Attributes:
        when: Which requests it takes; None: all that come to it.
        target: Where they go; two entries of one target decide alike.
        fixed: It may be neither dropped nor merged, because it decides by more than its target (a split has a salt).
        partly: It takes only some of those that meet its condition, by what no rule can see (a unit's history).
    """

    name: str
    when: Expression | None
    target: str
    fixed: bool = False
    partly: bool = False


class RuleSet(NamedTuple):
    """Entries in order; the first whose condition holds decides.

    Attributes:
        default: The target of a request that no entry takes.
        required: Names that no request lacks.
    """

    entries: tuple[Entry, ...]
    default: str
    required: frozenset[tuple[Space, str]] = frozenset()


class Witness(NamedTuple):
    """A request for which something is so; the plain evaluation says the same."""

    features: Mapping[str, Any]
    context: Mapping[str, Any]
    unit: str


class Never(NamedTuple):
    """An entry that no request comes to.

    Attributes:
        by: The entries above it that take all of its requests; empty: its condition holds of no request at all.
    """

    entry: str
    by: tuple[str, ...]


class Overlap(NamedTuple):
    """Two entries of different targets that hold of one request, which the first decides."""

    first: str
    second: str
    witness: Witness


class Undecided(NamedTuple):
    """A question without an answer."""

    question: str
    why: str


class Findings(NamedTuple):
    """What was found of a rule set.

    Attributes:
        fires: A request that each entry with a condition decides, by its name.
        falls: A request that no entry takes; None: none was found (then it is proved, or undecided).
        droppable: Entries without which every decision is the same, each by itself.
        mergeable: Neighbours of one target that could be one entry.
    """

    fires: Mapping[str, Witness]
    never: tuple[Never, ...]
    overlaps: tuple[Overlap, ...]
    falls: Witness | None
    droppable: tuple[str, ...]
    mergeable: tuple[tuple[str, str], ...]
    undecided: tuple[Undecided, ...]
