"""What a rule asks of one attribute before anything else: the least that must be so for it to hold.

A guard is necessary, never sufficient: a rule with the guard ``context.country ∈ {"US"}`` cannot hold where the
country is another, or missing. Where it is another (of its kind), the rule is false, and does not fail: a conjunction
with a false part is false. Nothing more is promised, so whoever uses guards asks the rule itself in the end.
"""

import math
from typing import NamedTuple

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression, Kind, Relation, Scalar, Space

_MIRRORED: dict[Relation, Relation] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Where(NamedTuple):
    """An attribute of a kind; ``unit`` has no space and no name."""

    space: Space | None
    name: str
    kind: Kind


UNIT = Where(None, "", "string")


class Values(NamedTuple):
    """The attribute is one of these."""

    values: frozenset[Scalar]


class Interval(NamedTuple):
    """The attribute is a number between these, whether or not the ends belong to it."""

    low: float
    high: float


Guard = Values | Interval


def guards(node: Expression) -> dict[Where, Guard]:
    """The guards of a condition, by attribute; one without any may hold whatever an attribute is."""
    match node:
        case e.AllOf():
            found: dict[Where, Guard] = {}
            for operand in node.operands:
                for where, guard in guards(operand).items():
                    found[where] = _both(found[where], guard) if where in found else guard
            return found
        case e.AnyOf():
            return _either([guards(operand) for operand in node.operands])
        case e.Among():
            among = _where(node.operand)
            return {} if among is None else {among: Values(frozenset(node.values))}
        case e.Attribute():
            return {Where(node.space, node.name, node.kind): Values(frozenset([True]))}
        case e.Compare():
            return _compared(node)
        case _:
            return {}


def _compared(node: e.Compare) -> dict[Where, Guard]:
    where: Where | None = _where(node.left)
    constant, relation = node.right, node.relation
    if where is None:
        where = _where(node.right)
        constant, relation = node.left, _MIRRORED[node.relation]
    if where is None or not isinstance(constant, e.Constant):
        return {}
    value = constant.value
    if relation == "==":
        return {where: Values(frozenset([value]))}
    if relation == "!=" or isinstance(value, str | bool):
        return {}
    if relation in ("<", "<="):
        return {where: Interval(-math.inf, value)}
    return {where: Interval(value, math.inf)}


def _where(node: Expression) -> Where | None:
    if isinstance(node, e.Unit):
        return UNIT
    return Where(node.space, node.name, node.kind) if isinstance(node, e.Attribute) else None


def _both(one: Guard, other: Guard) -> Guard:
    if isinstance(one, Interval) and isinstance(other, Interval):
        return Interval(max(one.low, other.low), min(one.high, other.high))
    if isinstance(one, Values) and isinstance(other, Values):
        return Values(one.values & other.values)
    return one if isinstance(one, Values) else other


def _either(each: list[dict[Where, Guard]]) -> dict[Where, Guard]:
    """Attributes that every side guards by values may have any of them."""
    found: dict[Where, Guard] = {}
    for where in set.intersection(*(set(one) for one in each)):
        sides = [one[where] for one in each]
        if all(isinstance(side, Values) for side in sides):
            found[where] = Values(frozenset().union(*(side.values for side in sides if isinstance(side, Values))))
    return found
