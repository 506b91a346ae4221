"""Rules as Python functions: what a server asks at every request.

A rule is true, false or fails, and only *true* is a match. "Is it true" needs no third value: with T and F for "is
true" and "is false", T(a && b) = T(a) and T(b), F(a && b) = F(a) or F(b), T(!a) = F(a), and so on, which is just how
CEL's ``&&`` and ``||`` absorb failures. So T is written out as one Python expression over the leaves, each of which is
false where it fails. F is written out likewise, and asked only where a rule that did not match may have failed.

The text that is compiled holds the tree's operators and names of constants; no text of a rule is in it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.evaluating import EXACT, LARGEST_DOUBLE, Request, RuleFailure, evaluate
from seatrial.routing.rules.expression import LARGEST, SMALLEST, Expression, attributes
from seatrial.routing.rules.patterns import pattern

Features = Mapping[str, Any]
Ask = Callable[[Features, Features, str], bool]

_SPACES = {"features": "f", "context": "c"}


class Rule:
    """A compiled rule.

    Args:
        node: A condition.

    Attributes:
        holds: Whether it holds of features, context and unit; never raises. False where it fails.
        may_fail: Something in it can be missing, or overflow; or it does not go with the versions.
    """

    __slots__ = ("_fails", "holds", "may_fail", "node")

    def __init__(self, node: Expression) -> None:
        self.node = node
        writer = _Writer()
        true = writer.write(node, True)
        false = writer.write(node, False)
        self.may_fail = bool(attributes(node)) or isinstance(node, e.Untypable) or writer.computes
        self.holds: Ask = _function(true, writer.names)
        self._fails: Ask = _function(f"not ({false})", writer.names)

    def fails(self, features: Features, context: Features, unit: str) -> bool:
        """Whether it can neither be said to hold nor not to; to be asked only where it did not hold."""
        return self.may_fail and self._fails(features, context, unit)


def compile_rule(node: Expression) -> Rule:
    """The rule of a condition that was checked."""
    return Rule(node)


def _function(text: str, names: dict[str, Any]) -> Ask:
    made: Ask = eval(compile(f"lambda f, c, u: {text}", "<rule>", "eval"), {"__builtins__": {}, **names})
    return made


class _Writer:
    """Writes conditions as Python; constants and helpers are names."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            "isinstance": isinstance,
            "num": (int, float),
            "text": str,
            "truth": bool,
            "float": float,
            "LOW": -LARGEST_DOUBLE,
            "HIGH": LARGEST_DOUBLE,
        }
        self._read = 0
        self.computes = False  # some leaf is left to the plain evaluation, and may overflow or divide by zero

    def write(self, node: Expression, wanted: bool) -> str:
        """Python for "it is true" or "it is false"."""
        match node:
            case e.Constant():
                return str(node.value is wanted)
            case e.Untypable():
                return "False"
            case e.Not():
                return self.write(node.operand, not wanted)
            case e.AllOf() | e.AnyOf():
                both = isinstance(node, e.AllOf) is wanted
                return "(" + (" and " if both else " or ").join(self.write(o, wanted) for o in node.operands) + ")"
            case e.Has():
                return self._has(node, wanted)
            case e.Attribute():
                return f"({_SPACES[node.space]}.get({self._constant(node.name)}) is {wanted})"
            case e.Compare() if _is_plain(node.left) and _is_plain(node.right):
                return self._leaf((node.left, node.right), node.relation, wanted)
            case e.Among() if _is_plain(node.operand):
                known = self._constant(frozenset(node.values))
                return self._tested(node.operand, lambda value: f"{value} in {known}", wanted)
            case e.Tested() if _is_plain(node.operand) and isinstance(node.with_, e.Constant):
                return self._tested(node.operand, self._test(node), wanted)
            case _:
                return self._slow(node, wanted)

    def _leaf(self, sides: tuple[Expression, Expression], relation: str, wanted: bool) -> str:
        guards, values = zip(*(self._plain(side) for side in sides), strict=True)
        test = f"{values[0]} {relation} {values[1]}"
        return self._guarded([guard for guard in guards if guard], test, wanted)

    def _tested(self, operand: Expression, test: Callable[[str], str], wanted: bool) -> str:
        guard, value = self._plain(operand)
        return self._guarded([guard] if guard else [], test(value), wanted)

    @staticmethod
    def _guarded(guards: list[str], test: str, wanted: bool) -> str:
        return "(" + " and ".join([*guards, f"({test})" if wanted else f"not ({test})"]) + ")"

    def _plain(self, node: Expression) -> tuple[str, str]:
        """A guard that it is there and of its kind, and its value; a guard of "" is not needed."""
        if isinstance(node, e.Unit):
            return "", "u"
        if isinstance(node, e.Constant):
            return "", self._constant(node.value)
        assert isinstance(node, e.Attribute)
        self._read += 1
        name = f"v{self._read}"
        got = f"({name} := {_SPACES[node.space]}.get({self._constant(node.name)}))"
        if node.kind == "string":
            return f"isinstance({got}, text)", name
        if node.kind == "bool":
            return f"isinstance({got}, {self._constant(bool)})", name
        # A bool is an int of Python's, and no number of ours.
        if node.kind == "double":
            exact = f"{name}.__class__ is float or -{EXACT} <= {name} <= {EXACT} and {name}.__class__ is not truth"
            return f"isinstance({got}, num) and LOW <= {name} <= HIGH and ({exact})", name
        guard = f"isinstance({got}, num) and {name} is not True and {name} is not False"
        return f"{guard} and {self._constant(_is_whole)}({name})", name

    def _has(self, node: e.Has, wanted: bool) -> str:
        self._read += 1
        name = f"v{self._read}"
        got = f"({name} := {_SPACES[node.space]}.get({self._constant(node.name)}))"
        there = f"({got} is not None and {name} == {name})"
        return there if wanted else f"(not {there})"

    def _test(self, node: e.Tested) -> Callable[[str], str]:
        assert isinstance(node.with_, e.Constant)
        with_ = node.with_.value
        if node.test == "contains":
            return lambda value: f"{self._constant(with_)} in {value}"
        if node.test == "matches":
            search = self._constant(pattern(str(with_)).search)
            return lambda value: f"{search}({value}) is not None"
        called = {"startsWith": "startswith", "endsWith": "endswith"}[node.test]
        return lambda value: f"{value}.{called}({self._constant(with_)})"

    def _slow(self, node: Expression, wanted: bool) -> str:
        """A leaf that computes: by the plain evaluation."""
        self.computes = True

        def ask(features: Features, context: Features, unit: str) -> bool:
            try:
                return evaluate(node, Request(features, context, unit)) is wanted
            except RuleFailure:
                return False

        return f"{self._constant(ask)}(f, c, u)"

    def _constant(self, value: Any) -> str:
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name


def _is_plain(node: Expression) -> bool:
    return isinstance(node, e.Constant | e.Attribute | e.Unit)


def _is_whole(value: float) -> bool:
    return (isinstance(value, int) or value.is_integer()) and SMALLEST <= value <= LARGEST
