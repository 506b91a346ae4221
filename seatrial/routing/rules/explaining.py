"""Why a rule held of a request, or did not: the parts that decided."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.evaluating import Request, RuleFailure, evaluate, is_there
from seatrial.routing.rules.expression import Expression, Scalar, walk
from seatrial.routing.rules.showing import show, show_constant


class Reason(NamedTuple):
    """What became of a rule.

    Attributes:
        holds: True, false, or None: it failed.
        part: The part that decided, as text.
        values: What the request had for the names in it.
        failure: Why it failed, or "".
        missing: The values for want of which it failed, as rules name them; empty: it failed for something else.
    """

    holds: bool | None
    part: str
    values: dict[str, str]
    failure: str
    missing: tuple[str, ...] = ()


def explain(node: Expression, request: Request) -> Reason:
    """What became of a rule, and the smallest part of it that decided."""
    holds, failure = _value(node, request)
    part = _decisive(node, request, holds)
    missing = tuple(dict.fromkeys(_missing(node, request))) if holds is None else ()
    if missing:
        failure = f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    return Reason(holds, show(part), _read(part, request), failure, missing)


def _missing(node: Expression, request: Request) -> Iterator[str]:
    """The missing values at which parts of it fail, all of them: what ``has()`` asks about first does not fail."""
    match node:
        case e.AllOf() | e.AnyOf() | e.Not():
            for operand in e.parts(node):
                if _value(operand, request)[0] is None:
                    yield from _missing(operand, request)
        case _:
            for part in walk(node):
                if isinstance(part, e.Attribute) and not is_there(request.space(part.space).get(part.name)):
                    yield show(part)


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _value(node: Expression, request: Request) -> tuple[bool | None, str]:
    try:
        return evaluate(node, request) is True, ""
    except RuleFailure as error:
        return None, str(error)


def _decisive(node: Expression, request: Request, holds: bool | None) -> Expression:
    """Within ``&&`` and ``||``, the first operand that is as the whole is, where one alone decides."""
    match node:
        case e.Not():
            inner = None if holds is None else not holds
            return _decisive(node.operand, request, inner)
        case e.AllOf() if holds is not True:
            return _first(node.operands, request, holds)
        case e.AnyOf() if holds is not False:
            return _first(node.operands, request, holds)
        case _:
            return node


def _first(operands: tuple[Expression, ...], request: Request, holds: bool | None) -> Expression:
    for operand in operands:
        if _value(operand, request)[0] is holds:
            return _decisive(operand, request, holds)
    raise AssertionError("one of the operands decides")


def _read(node: Expression, request: Request) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in walk(node):
        if isinstance(part, e.Attribute | e.Has):
            name = show(e.Attribute(part.space, part.name, "any"))
            values[name] = _shown(request.space(part.space).get(part.name))
        elif isinstance(part, e.Unit):
            values["unit"] = show_constant(request.unit)
    return values


def _shown(value: Scalar | None) -> str:
    if value is None:
        return "missing"
    return show_constant(value) if isinstance(value, bool | int | float | str) else str(value)[:60]
