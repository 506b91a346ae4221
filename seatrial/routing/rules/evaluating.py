"""One node's value, exactly as CEL has it; slow and plain: the compiled form is held to it, and ``explain`` uses it.

CEL is three-valued: an evaluation gives a value or fails. ``&&`` and ``||`` absorb a failure where the other side
decides; everything else passes it on.
"""

import math
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import LARGEST, SMALLEST, Expression, Scalar
from seatrial.routing.rules.kinds import WORDS
from seatrial.routing.rules.patterns import pattern

EXACT = 2**53
"""Up to it whole numbers are doubles without losing a digit."""
LARGEST_DOUBLE = sys.float_info.max


class Request(NamedTuple):
    """What a rule is asked about."""

    features: Mapping[str, Any]
    context: Mapping[str, Any]
    unit: str

    def space(self, name: str) -> Mapping[str, Any]:
        return self.features if name == "features" else self.context


class RuleFailure(Exception):
    """An evaluation failed; the message says at what."""


def evaluate(node: Expression, request: Request) -> Scalar:
    """The value of an expression. Raises RuleFailure."""
    match node:
        case e.Constant():
            return node.value
        case e.Attribute():
            return read(node, request)
        case e.Unit():
            return request.unit
        case e.Has():
            return is_there(request.space(node.space).get(node.name))
        case e.Not():
            return not evaluate(node.operand, request)
        case e.AllOf():
            return _absorbing(node.operands, request, decisive=False)
        case e.AnyOf():
            return _absorbing(node.operands, request, decisive=True)
        case e.Compare():
            return compared(node.relation, evaluate(node.left, request), evaluate(node.right, request))
        case e.Among():
            return evaluate(node.operand, request) in node.values
        case e.Arithmetic():
            return computed(node, evaluate(node.left, request), evaluate(node.right, request))
        case e.Negative():
            value = evaluate(node.operand, request)
            return bounded(-value) if node.kind == "int" else -value  # type: ignore[arg-type,operator]
        case e.Tested():
            return tested(node.test, evaluate(node.operand, request), evaluate(node.with_, request))
        case e.Untypable():
            raise RuleFailure(node.why)
        case e.Size():
            return len(evaluate(node.operand, request))  # type: ignore[arg-type]


def read(node: e.Attribute, request: Request) -> Scalar:
    """A value of the request, in its declared kind. Raises RuleFailure when it is missing or of another kind."""
    value: Any = request.space(node.space).get(node.name)
    if not is_there(value):
        raise RuleFailure(f"{node.space}.{node.name} is missing")
    if not is_of(value, node.kind):
        raise RuleFailure(f"{node.space}.{node.name} is {_said(value)}, not {WORDS[node.kind]}")
    if node.kind == "double":
        return float(value)
    return int(value) if node.kind == "int" else value


def _said(value: Any) -> str:
    """A value of another kind, as people write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return (
            f"{value:g}"
            if isinstance(value, float)
            else f"the long number {value}"
            if abs(value) > EXACT
            else str(value)
        )
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, list | tuple) else "no plain value"


def is_there(value: Any) -> bool:
    """Whether a value is not missing: null is, and so is NaN, which is how data frames write null."""
    return value is not None and (not isinstance(value, float) or value == value)


def is_of(value: Any, kind: e.Kind) -> bool:
    """Whether a value is of a kind: a whole number is a double too, where it keeps its digits; True is no number, and
    infinite values are none that a request can carry."""
    if kind == "bool":
        return value is True or value is False
    if kind == "string":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "double":
        return -LARGEST_DOUBLE <= value <= LARGEST_DOUBLE if isinstance(value, float) else -EXACT <= value <= EXACT
    return (isinstance(value, int) or value.is_integer()) and SMALLEST <= value <= LARGEST


def compared(relation: e.Relation, left: Any, right: Any) -> bool:
    """A comparison by value; nothing is equal to, below or above NaN."""
    match relation:
        case "==":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)


def computed(node: e.Arithmetic, left: Any, right: Any) -> Scalar:
    """The result of an operation. Raises RuleFailure on overflow of an int, and on its division by zero."""
    if node.kind == "string":
        return str(left + right)
    if node.kind == "double":
        return _double(node.operation, float(left), float(right))
    match node.operation:
        case "+":
            return bounded(left + right)
        case "-":
            return bounded(left - right)
        case "*":
            return bounded(left * right)
    if right == 0:
        raise RuleFailure("a division by zero")
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return bounded(quotient) if node.operation == "/" else left - quotient * right


def bounded(value: int) -> int:
    """An int of 64 bits. Raises RuleFailure."""
    if not SMALLEST <= value <= LARGEST:
        raise RuleFailure("an overflow of 64 bits")
    return value


def tested(test: e.Test, text: Any, with_: Any) -> bool:
    """A test of a text."""
    match test:
        case "startsWith":
            return bool(text.startswith(with_))
        case "endsWith":
            return bool(text.endswith(with_))
        case "contains":
            return with_ in text
        case "matches":
            return pattern(with_).search(text) is not None


def _double(operation: e.Operation, left: float, right: float) -> float:
    match operation:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            if right != 0 or math.isnan(left):
                return left / right if right != 0 else math.nan
            return math.nan if left == 0 else math.copysign(math.inf, left) * math.copysign(1.0, right)


def _absorbing(operands: tuple[Expression, ...], request: Request, *, decisive: bool) -> bool:
    failure: RuleFailure | None = None
    for operand in operands:
        try:
            if evaluate(operand, request) is decisive:
                return decisive
        except RuleFailure as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return not decisive
