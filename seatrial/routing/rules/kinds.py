"""The kinds of a rule's parts: what may be compared and computed, decided before any request comes.

One thing is more lenient than CEL's own checker: a whole number beside a ``double`` is taken as one, because whether a
column came as 3 or 3.0 is nothing that a rule's author should have to know.
"""

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression, Kind
from seatrial.routing.rules.patterns import pattern as compile_pattern
from seatrial.routing.rules.showing import show
from seatrial.spec.errors import BadInput

_NUMBERS = ("int", "double")
WORDS: dict[Kind, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "double": "a number",
    "string": "a text",
    "any": "a value",
}
"""Kinds as people write them."""


class RuleError(BadInput):
    """A rule that cannot be: its text, or what it speaks of."""


def of_kind(node: Expression, kind: Kind, rule: str) -> Expression:
    """The node, when it is of that kind. Raises RuleError, which says the rule."""
    if node.kind not in (kind, "any"):
        raise RuleError(f"{rule}, and `{show(node)}` is {WORDS[node.kind]}")
    return node


def compare(relation: e.Relation, left: Expression, right: Expression) -> e.Compare:
    """A comparison. Raises RuleError when the two cannot be compared."""
    numbers = left.kind in _NUMBERS and right.kind in _NUMBERS
    if left.kind != right.kind and not numbers and "any" not in (left.kind, right.kind):
        raise RuleError(
            f"`{show(left)}` is {WORDS[left.kind]} and `{show(right)}` is {WORDS[right.kind]}; they cannot be compared"
        )
    if left.kind == "bool" and relation not in ("==", "!="):
        raise RuleError(f"`{relation}` has no meaning for true and false; write `==`, `!=`, `&&`, `||` or `!`")
    return e.Compare(relation, left, right)


def compute(operation: e.Operation, left: Expression, right: Expression) -> Expression:
    """An operation. Raises RuleError when there is none for the two."""
    if left.kind == right.kind == "string" and operation == "+":
        return e.Arithmetic("+", left, right, "string")
    if operation == "+" and {left.kind, right.kind} <= {"any", "string"}:
        return e.Arithmetic("+", left, right, "any")
    for node in (left, right):
        if node.kind not in (*_NUMBERS, "any"):
            raise RuleError(f"`{operation}` is of numbers, and `{show(node)}` is {WORDS[node.kind]}")
    kind: Kind = "int" if operation == "%" or left.kind == right.kind == "int" else "double"
    if operation == "%" and "double" in (left.kind, right.kind):
        raise RuleError("`%` is of whole numbers; these are numbers with a fraction")
    return e.Arithmetic(operation, left, right, kind)


def test(test: e.Test, operand: Expression, with_: Expression) -> e.Tested:
    """A test of a text. Raises RuleError; a pattern is a literal, known to be sound before any request comes."""
    of_kind(operand, "string", f"`{test}` is of a text")
    of_kind(with_, "string", f"`{test}` takes a text")
    if test == "matches":
        _check_pattern(with_)
    return e.Tested(test, operand, with_)


def _check_pattern(pattern: Expression) -> None:
    if not isinstance(pattern, e.Constant):
        raise RuleError("`matches` takes a pattern in quotes, which is checked before any request comes")
    try:
        compile_pattern(str(pattern.value))
    except ImportError:
        raise RuleError(
            "`matches` needs RE2, whose time grows with the text and no faster; run: pip install google-re2"
        ) from None
    except ValueError as error:
        raise RuleError(f"the pattern {show(pattern)} is none that RE2 takes ({error})") from error
