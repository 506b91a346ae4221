"""Rules as formulas over what a request may carry, for z3.

A rule is true, false or fails (CEL's three values). Every condition becomes two formulas, "it is true" and "it is
false", by the same equations as in ``routing.rules.compiling``; where neither holds, it fails. Every name becomes a
variable for its value and one for whether it is there; a name that no request lacks is always there.

The formulas allow *at least* all that can happen, never less, so that "there is no such request" is always safe to say:

- What is only compared with literals is a place between them, in propositions (see ``lines``); nothing is lost.
- Doubles that are also compared with each other are real numbers: every finite double is one, and comparing loses
  nothing. A real number that is no double may be found as an example; the example is then tried on the
  rule itself, and what fails there is not shown.
- Doubles that are computed with are IEEE 754 doubles, rounding included; whole numbers fail beyond 64 bits.
- Texts that are also compared with each other for equality are numbers that stand for them. Others are z3's strings,
  whose characters end at U+2FFFF; a formula in which no character is named beyond, and none is ordered, cannot tell
  the rest apart.
- What z3 cannot say exactly (``matches``, texts ordered among each other, whole numbers computed with doubles) may be
  true, false or fail as it likes.

z3 keeps one world a process, so two threads must not prove at the same time.
"""

import re
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import z3

from seatrial.proofs.findings import Witness
from seatrial.proofs.lines import Line, lines, side
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import LARGEST, SMALLEST, Expression, Space, walk
from seatrial.routing.rules.showing import show

LAST_CHARACTER = 0x2FFFF

Key = tuple[str, str]
Pair = tuple[Any, Any]
"""Formulas for "it is true" and "it is false"; or a formula for "it does not fail" and a term for the value."""

_UNIT: Key = ("unit", "")
_RELATIONS = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
_TESTS = {"startsWith": "PrefixOf", "endsWith": "SuffixOf"}


class _Beyond(Exception):
    """z3 cannot say this exactly."""


class Encoding:
    """Formulas for the conditions of one rule set.

    Args:
        rules: All of them: what is done with a name anywhere decides how it is encoded everywhere.
        required: Names that no request lacks.

    Attributes:
        limits: What holds of every request, beside ``laws``.
        opaque: Parts of rules that may be true or false as they like, as text.
    """

    def __init__(self, rules: Sequence[Expression], required: frozenset[tuple[Space, str]]) -> None:
        self.context = z3.main_ctx()  # one of its own, collected in another order than its terms, crashes z3
        self.limits: list[Any] = []
        self.opaque: list[str] = []
        self._required = required
        self._on_lines = lines(rules, _key)
        self._lines: dict[Key, Line] = {}
        self._spelled, self._rounded = _kinds(rules)
        self._values: dict[Key, Any] = {}
        self._there: dict[Key, Any] = {}
        self._kinds: dict[Key, e.Kind] = {}
        self._codes: dict[str, int] = {}
        self._free: dict[str, Pair] = {}

    def both(self, node: Expression) -> Pair:
        """ "It is true" and "it is false" of a condition."""
        match node:
            case e.Constant():
                return self._bool(bool(node.value)), self._bool(not node.value)
            case e.Not():
                true, false = self.both(node.operand)
                return false, true
            case e.AllOf():
                pairs = [self.both(operand) for operand in node.operands]
                return z3.And(*(true for true, _ in pairs)), z3.Or(*(false for _, false in pairs))
            case e.AnyOf():
                pairs = [self.both(operand) for operand in node.operands]
                return z3.Or(*(true for true, _ in pairs)), z3.And(*(false for _, false in pairs))
            case e.Has():
                there = self._is_there((node.space, node.name))
                return there, z3.Not(there)
            case _:
                try:
                    fine, holds = self._leaf(node)
                except _Beyond:
                    return self._opaque(node)
                return z3.And(fine, holds), z3.And(fine, z3.Not(holds))

    def witness(self, model: Any) -> Witness:
        """A request of a model of the formulas."""
        spaces: dict[str, dict[str, Any]] = {"features": {}, "context": {}}
        unit = "u"
        values = {key: self._python(key, model.eval(term, model_completion=True)) for key, term in self._values.items()}
        for key, found in (values | {key: line.value(model) for key, line in self._lines.items()}).items():
            if key == _UNIT:
                unit = found
            elif z3.is_true(model.eval(self._is_there(key), model_completion=True)):
                spaces[key[0]][key[1]] = found
        return Witness(spaces["features"], spaces["context"], unit)

    def laws(self) -> list[Any]:
        """What holds of the values on lines, once every rule is encoded."""
        return [law for line in self._lines.values() for law in line.laws()]

    @property
    def presence(self) -> list[Any]:
        """Whether each name is there."""
        return list(self._there.values())

    # Leaves.

    def _leaf(self, node: Expression) -> Pair:
        on_line = side(node)
        if on_line is not None and _key(on_line[0]) in self._on_lines:
            return self._placed(node, *on_line)
        match node:
            case e.Attribute():
                return self._attribute(node)
            case e.Compare():
                return self._compared(node)
            case e.Among():
                sides = [e.Compare("==", node.operand, e.Constant(value, _kind(value))) for value in node.values]
                pairs = [self._compared(side) for side in sides]
                return pairs[0][0], z3.Or(*(holds for _, holds in pairs))
            case e.Tested() if node.test != "matches":
                fine, (text, with_) = self._values_of(node.operand, node.with_)
                if node.test == "contains":
                    return fine, z3.Contains(text, with_)
                return fine, getattr(z3, _TESTS[node.test])(with_, text)
            case _:
                raise _Beyond

    def _placed(self, node: Expression, attribute: e.Attribute | e.Unit, relation: e.Relation | None) -> Pair:
        """A condition on where on its line an attribute lies."""
        there, line = self._line(attribute)
        match node:
            case e.Compare():
                (constant,) = (part for part in (node.left, node.right) if isinstance(part, e.Constant))
                assert relation is not None
                return there, line.compared(relation, constant.value)
            case e.Among():
                return there, z3.Or(*(line.compared("==", value) for value in node.values))
            case e.Tested("startsWith", _, e.Constant(str(text))):
                return there, line.starts_with(text)
        raise _Beyond

    def _line(self, node: e.Attribute | e.Unit) -> tuple[Any, Line]:
        key = _key(node)
        if key not in self._lines:
            assert node.kind in ("int", "double", "string")
            self._lines[key] = Line(f"{key[0]}.{key[1]}", node.kind, empty=key != _UNIT)
        return self._bool(True) if key == _UNIT else self._is_there(key), self._lines[key]

    def _compared(self, node: e.Compare) -> Pair:
        fine, (left, right) = self._values_of(node.left, node.right)
        if z3.is_fp(left) != z3.is_fp(right):
            raise _Beyond
        if z3.is_fp(left):
            equal = z3.fpEQ(left, right)
        else:
            if node.left.kind == "string" and node.relation not in ("==", "!="):
                raise _Beyond
            equal = left == right
        if node.relation in ("==", "!="):
            return fine, equal if node.relation == "==" else z3.Not(equal)
        return fine, _RELATIONS[node.relation](left, right)

    def _values_of(self, *nodes: Expression) -> tuple[Any, list[Any]]:
        """Formula for "none fails", and their terms, of one sort."""
        rounded = any(self._is_rounded(node) for node in nodes)
        spelled = any(self._is_spelled(node) for node in nodes)
        pairs = [self._value(node, rounded, spelled) for node in nodes]
        terms = [term for _, term in pairs]
        if any(z3.is_real(term) for term in terms):
            terms = [z3.ToReal(term) if z3.is_int(term) else term for term in terms]
        return z3.And(*(fine for fine, _ in pairs)), terms

    def _is_rounded(self, node: Expression) -> bool:
        return any(
            (isinstance(part, e.Attribute) and (part.space, part.name) in self._rounded)
            or (isinstance(part, e.Arithmetic | e.Negative) and part.kind == "double")
            for part in walk(node)
        )

    def _is_spelled(self, node: Expression) -> bool:
        return any(
            (isinstance(part, e.Attribute | e.Unit) and _key(part) in self._spelled)
            or (isinstance(part, e.Arithmetic) and part.kind == "string")
            for part in walk(node)
        )

    def _value(self, node: Expression, rounded: bool, spelled: bool) -> Pair:
        match node:
            case e.Constant():
                return self._bool(True), self._literal(node, rounded, spelled)
            case e.Attribute() | e.Unit():
                return self._attribute(node)
            case e.Arithmetic():
                return self._computed(node, rounded, spelled)
            case e.Negative():
                fine, term = self._value(node.operand, rounded, spelled)
                return (z3.And(fine, _fits(-term)), -term) if node.kind == "int" else (fine, -term)
            case e.Size():
                fine, text = self._value(node.operand, False, True)
                return fine, z3.Length(text)
            case _:
                true, false = self.both(node)
                return z3.Or(true, false), true

    def _computed(self, node: e.Arithmetic, rounded: bool, spelled: bool) -> Pair:
        (fine_left, left), (fine_right, right) = (
            self._value(side, rounded, spelled) for side in (node.left, node.right)
        )
        fine = z3.And(fine_left, fine_right)
        if node.kind == "string":
            return fine, z3.Concat(left, right)
        if node.kind == "double":
            if not (z3.is_fp(left) and z3.is_fp(right)):
                raise _Beyond
            mode = z3.RNE(self.context)
            operation = {"+": z3.fpAdd, "-": z3.fpSub, "*": z3.fpMul, "/": z3.fpDiv}[node.operation]
            return fine, operation(mode, left, right)
        return _whole(node.operation, fine, left, right)

    def _literal(self, node: e.Constant, rounded: bool, spelled: bool) -> Any:
        value = node.value
        if isinstance(value, bool):
            return self._bool(value)
        if isinstance(value, str):
            if spelled:
                return self._text(value)
            return z3.IntVal(self._codes.setdefault(value, len(self._codes)), self.context)
        if rounded:
            if Fraction(float(value)) != Fraction(value):
                raise _Beyond
            return z3.FPVal(float(value), z3.Float64(self.context), ctx=self.context)
        if isinstance(value, int):
            return z3.IntVal(value, self.context)
        return z3.RealVal(str(Fraction(value)), self.context)

    def _text(self, value: str) -> Any:
        if any(ord(character) > LAST_CHARACTER for character in value):
            raise _Beyond
        return z3.StringVal("".join(f"\\u{{{ord(character):x}}}" for character in value), self.context)

    def _attribute(self, node: e.Attribute | e.Unit) -> Pair:
        key = _key(node)
        if key not in self._values:
            self._values[key] = self._variable(key, node.kind)
            self._kinds[key] = node.kind
        there = self._bool(True) if key == _UNIT else self._is_there(key)
        return there, self._values[key]

    def _variable(self, key: Key, kind: e.Kind) -> Any:
        name = f"{key[0]}.{key[1]}"
        if kind == "bool":
            return z3.Bool(name, self.context)
        if kind == "string":
            if key in self._spelled:
                text = z3.String(name, self.context)
                self.limits += [z3.Length(text) > 0] if key == _UNIT else []
                return text
            return z3.Int(name, self.context)
        if kind == "int":
            number = z3.Int(name, self.context)
            self.limits.append(_fits(number))
            return number
        if key not in self._rounded:
            return z3.Real(name, self.context)
        double = z3.FP(name, z3.Float64(self.context), self.context)
        self.limits.append(z3.Not(z3.Or(z3.fpIsNaN(double), z3.fpIsInf(double))))
        return double

    def _is_there(self, key: Key) -> Any:
        if key not in self._there:
            self._there[key] = z3.Bool(f"there {key[0]}.{key[1]}", self.context)
            if key in self._required:
                self.limits.append(self._there[key])
        return self._there[key]

    def _opaque(self, node: Expression) -> Pair:
        text = show(node)
        if text not in self._free:
            self.opaque.append(text)
            true, false = (z3.Bool(f"{word} {text}", self.context) for word in ("true", "false"))
            self.limits.append(z3.Not(z3.And(true, false)))
            for part in walk(node):
                if isinstance(part, e.Attribute | e.Unit):
                    there, _ = self._line(part) if _key(part) in self._on_lines else self._attribute(part)
                    self.limits.append(z3.Implies(z3.Or(true, false), there))
            self._free[text] = (true, false)
        return self._free[text]

    def free(self, name: str) -> Any:
        """Something that may be so or not."""
        return z3.Bool(f"some {name}", self.context)

    def _bool(self, value: bool) -> Any:
        return z3.BoolVal(value, self.context)

    def _python(self, key: Key, value: Any) -> Any:
        if z3.is_bool(value):
            return z3.is_true(value)
        if z3.is_string(value):
            return re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda found: chr(int(found.group(1), 16)), value.as_string())
        if z3.is_fp(value):
            bits = z3.simplify(z3.fpToIEEEBV(value)).as_long()
            return float(struct.unpack("<d", bits.to_bytes(8, "little"))[0])
        if z3.is_real(value):
            return _double(value.as_fraction())
        number = value.as_long()
        return self._named(number) if self._kinds[key] == "string" else number

    def _named(self, code: int) -> str:
        """The text that a number stands for; one that no rule names, where it stands for none of theirs."""
        for text, known in self._codes.items():
            if known == code:
                return text
        made = "other" if code >= 0 and code == len(self._codes) else f"other{code}"
        return made if made not in self._codes else f"{made}?"


def _double(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return 0.0  # it is tried on the rule, which refuses it


def _whole(operation: e.Operation, fine: Any, left: Any, right: Any) -> Pair:
    """Whole numbers: division goes towards zero, and z3's does not."""
    if operation in ("+", "-", "*"):
        result = {"+": left + right, "-": left - right, "*": left * right}[operation]
        return z3.And(fine, _fits(result)), result
    size = z3.If(left >= 0, left, -left) / z3.If(right >= 0, right, -right)
    quotient = z3.If((left < 0) == (right < 0), size, -size)
    result = quotient if operation == "/" else left - quotient * right
    return z3.And(fine, right != 0, _fits(result)), result


def _fits(number: Any) -> Any:
    return z3.And(number >= SMALLEST, number <= LARGEST)


def _key(node: e.Attribute | e.Unit) -> Key:
    return _UNIT if isinstance(node, e.Unit) else (node.space, node.name)


def _kind(value: e.Scalar) -> e.Kind:
    if isinstance(value, bool):
        return "bool"
    return "string" if isinstance(value, str) else "int" if isinstance(value, int) else "double"


def _kinds(rules: Sequence[Expression]) -> tuple[set[Key], set[Key]]:
    """Names whose characters matter, and names that doubles are computed of; what is compared with one is one too."""
    spelled: set[Key] = set()
    rounded: set[Key] = set()
    pairs: list[list[Key]] = []
    for node in (part for rule in rules for part in walk(rule)):
        inside = [_key(part) for part in walk(node) if isinstance(part, e.Attribute | e.Unit)]
        if isinstance(node, e.Tested | e.Size) or (isinstance(node, e.Arithmetic) and node.kind == "string"):
            spelled.update(inside)
        elif isinstance(node, e.Arithmetic | e.Negative) and node.kind == "double":
            rounded.update(inside)
        elif isinstance(node, e.Compare):
            pairs.append(inside)
    for found in (spelled, rounded):
        grown = True
        while grown:
            before = len(found)
            for inside in pairs:
                if found.intersection(inside):
                    found.update(inside)
            grown = len(found) > before
    return spelled, rounded
