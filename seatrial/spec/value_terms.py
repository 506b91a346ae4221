"""A metric of value: a sum of outcomes, each times a number, as ``purchase.amount - 0.3 * returned.amount``."""

import ast
import math
from typing import NamedTuple

from seatrial.spec.errors import BadInput
from seatrial.spec.units import show

FORMS = "write a sum like `purchase.amount - 0.3 * returned.amount`: outcomes or their fields, times numbers"


class Term(NamedTuple):
    """One outcome in the sum: its field, or its own value (or 1) without one, and what it is multiplied with."""

    outcome: str
    field: str | None
    factor: float


def terms_of(text: object) -> tuple[Term, ...]:
    """The terms of a sum, those of one name added up, in the order of their first mention.

    Raises:
        BadInput: It is no such sum.
    """
    if not isinstance(text, str) or len(text) > 1000:
        raise BadInput(f"{show(text)} is no sum of outcomes: {FORMS}")
    try:
        body = ast.parse(text.strip(), mode="eval").body
        found = _sum(body, 1.0)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadInput(f"{show(text)} is no sum of outcomes: {FORMS}") from None
    totals: dict[tuple[str, str | None], float] = {}
    for term in found:
        key = (term.outcome, term.field)
        totals[key] = totals.get(key, 0.0) + term.factor
    if any(not math.isfinite(factor) for factor in totals.values()):
        raise BadInput(f"{show(text)} multiplies with a number that is too large: {FORMS}")
    return tuple(Term(outcome, field, factor) for (outcome, field), factor in totals.items())


def _sum(node: ast.expr, factor: float) -> list[Term]:
    """The terms of an expression times ``factor``; raises ValueError for what is no sum of outcomes."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return [*_sum(left, factor), *_sum(right, factor)]
        case ast.BinOp(left, ast.Sub(), right):
            return [*_sum(left, factor), *_sum(right, -factor)]
        case ast.BinOp(left, ast.Mult(), right):
            number = _number(left)
            return _sum(left, factor * _certain(right)) if number is None else _sum(right, factor * number)
        case ast.BinOp(left, ast.Div(), right):
            divisor = _certain(right)
            if divisor == 0:
                raise ValueError("division by zero")
            return _sum(left, factor / divisor)
        case ast.UnaryOp(ast.USub(), operand):
            return _sum(operand, -factor)
        case ast.Attribute(ast.Name(outcome), field):
            return [Term(outcome, field, factor)]
        case ast.Name(outcome):
            return [Term(outcome, None, factor)]
    raise ValueError("no sum of outcomes")


def _number(node: ast.expr) -> float | None:
    """A number, or a minus before one; None for anything else."""
    match node:
        case ast.Constant(value) if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case ast.UnaryOp(ast.USub(), operand):
            inner = _number(operand)
            return None if inner is None else -inner
    return None


def _certain(node: ast.expr) -> float:
    found = _number(node)
    if found is None:
        raise ValueError("no number")
    return found
