"""What a rule says, as frozen values: a typed subset of the Common Expression Language (CEL).

An expression is checked once, when a file is applied; what a snapshot carries is this tree, so that a server needs no
parser. ``kind`` is what a node gives: ``bool``, ``int`` (64 bits, signed), ``double`` (IEEE 754, finite where a
request carries it) or ``string``; ``any`` while a file is read of whose model nothing is known, and never after.
"""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["bool", "int", "double", "string", "any"]
Scalar: TypeAlias = bool | int | float | str
Space: TypeAlias = Literal["features", "context"]
Relation: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
Operation: TypeAlias = Literal["+", "-", "*", "/", "%"]
Test: TypeAlias = Literal["startsWith", "endsWith", "contains", "matches"]

SMALLEST, LARGEST = -(2**63), 2**63 - 1
"""Of an ``int``."""


class _Node(msgspec.Struct, frozen=True, tag=True):
    """A node; its class name is its tag in JSON."""


class Constant(_Node, frozen=True):
    """A literal."""

    value: Scalar
    kind: Kind


class Attribute(_Node, frozen=True):
    """A value of the request; an evaluation fails where it is missing."""

    space: Space
    name: str
    kind: Kind


class Unit(_Node, frozen=True):
    """Who the request is for, as text."""

    kind: Kind = "string"


class Has(_Node, frozen=True):
    """Whether a value is there; never fails."""

    space: Space
    name: str
    kind: Kind = "bool"


class Not(_Node, frozen=True):
    """``!``."""

    operand: "Expression"
    kind: Kind = "bool"


class AllOf(_Node, frozen=True):
    """``&&``: false where one is false, whatever fails beside it."""

    operands: "tuple[Expression, ...]"
    kind: Kind = "bool"


class AnyOf(_Node, frozen=True):
    """``||``: true where one is true, whatever fails beside it."""

    operands: "tuple[Expression, ...]"
    kind: Kind = "bool"


class Compare(_Node, frozen=True):
    """Two values of one kind, or two numbers, compared by value; texts by code point."""

    relation: Relation
    left: "Expression"
    right: "Expression"
    kind: Kind = "bool"


class Among(_Node, frozen=True):
    """``in`` a list of literals."""

    operand: "Expression"
    values: tuple[Scalar, ...]
    kind: Kind = "bool"


class Arithmetic(_Node, frozen=True):
    """Of ``int``: towards zero, and overflow and division by zero fail; of ``double``: IEEE 754; ``+`` joins texts."""

    operation: Operation
    left: "Expression"
    right: "Expression"
    kind: Kind


class Negative(_Node, frozen=True):
    """``-`` of one number."""

    operand: "Expression"
    kind: Kind


class Tested(_Node, frozen=True):
    """A text's ``startsWith``, ``endsWith``, ``contains`` or ``matches`` (RE2, anywhere in the text)."""

    test: Test
    operand: "Expression"
    with_: "Expression"
    kind: Kind = "bool"


class Size(_Node, frozen=True):
    """A text's number of code points."""

    operand: "Expression"
    kind: Kind = "int"


class Untypable(_Node, frozen=True):
    """A rule that does not go with the versions in force, though it did when its file was applied; it always fails.

    Attributes:
        rule: Its text.
        why: What is wrong with it, as applying the file would say it.
    """

    rule: str
    why: str
    kind: Kind = "bool"


Expression: TypeAlias = (
    Constant | Attribute | Unit | Has | Not | AllOf | AnyOf | Compare | Among | Arithmetic | Negative | Tested | Size
) | Untypable


def parts(node: Expression) -> "tuple[Expression, ...]":
    """The expressions directly within one."""
    match node:
        case Not() | Negative() | Size() | Among():
            return (node.operand,)
        case AllOf() | AnyOf():
            return node.operands
        case Compare() | Arithmetic():
            return (node.left, node.right)
        case Tested():
            return (node.operand, node.with_)
        case _:
            return ()


def attributes(node: Expression) -> frozenset[Attribute]:
    """Every value of the request that an expression reads, ``has()`` aside."""
    return frozenset(part for part in walk(node) if isinstance(part, Attribute))


def walk(node: Expression) -> Iterator[Expression]:
    """An expression and all within it."""
    yield node
    for part in parts(node):
        yield from walk(part)


def asked_of(node: Expression, space: Space) -> frozenset[str]:
    """The names that an expression speaks of in a space, ``has()`` included."""
    return frozenset(part.name for part in walk(node) if isinstance(part, Attribute | Has) and part.space == space)
