"""From the text of a rule to its tree: cel-python reads the syntax, and what rules do not have is refused by name.

Only whoever applies a file needs this; servers read trees.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression, Kind, Space
from seatrial.routing.rules.kinds import WORDS, RuleError, compare, compute, of_kind, test
from seatrial.routing.rules.literals import read_number, read_text
from seatrial.routing.rules.showing import show
from seatrial.spec.errors import SeatrialError
from seatrial.spec.problems import nearest

LONGEST = 10_000
"""Characters of one rule."""
INSTALL = 'pip install "seatrial[rules]"'

_TESTS: dict[str, e.Test] = {
    "startsWith": "startsWith",
    "endsWith": "endsWith",
    "contains": "contains",
    "matches": "matches",
}
_RELATIONS: dict[str, e.Relation] = {
    "relation_eq": "==",
    "relation_ne": "!=",
    "relation_lt": "<",
    "relation_le": "<=",
    "relation_gt": ">",
    "relation_ge": ">=",
}
_OPERATIONS: dict[str, e.Operation] = {
    "addition_add": "+",
    "addition_sub": "-",
    "multiplication_mul": "*",
    "multiplication_div": "/",
    "multiplication_mod": "%",
}


class Names(NamedTuple):
    """What a rule may speak of.

    Attributes:
        features: The kind of every feature of one value; None: no model is known, and any name may be one.
        context: The kind of every declared context key.
        unreadable: Features that are lists of numbers, which a rule cannot read.
    """

    features: Mapping[str, Kind] | None
    context: Mapping[str, Kind]
    unreadable: frozenset[str] = frozenset()

    def kind(self, space: Space, name: str) -> Kind | None:
        """What a name is; None: nothing is called so."""
        if space == "context":
            return self.context.get(name)
        return "any" if self.features is None else self.features.get(name)

    def known(self, space: Space) -> list[str]:
        """The names in a space, sorted."""
        return sorted((self.features or {}) if space == "features" else self.context)


def parse_rule(text: str, names: Names) -> Expression:
    """Read and check a rule.

    Args:
        text: In CEL.
        names: What it may speak of.

    Raises:
        RuleError: It is no CEL, uses what rules do not have, speaks of what is not declared, or compares what cannot
            be compared; one sentence, with the mend.
    """
    if len(text) > LONGEST:
        raise RuleError(f"the rule has {len(text)} characters, and {LONGEST} are allowed; cut it into several entries")
    reader = _Reader(names)
    try:
        node = reader.read(_syntax(text))
    except RecursionError:
        raise RuleError("the rule is nested too deeply; cut it into several entries") from None
    except RuleError:
        if not reader.unknown:
            raise
    if reader.unknown:
        raise RuleError(" ".join(reader.unknown) if len(reader.unknown) > 1 else reader.unknown[0].removesuffix("."))
    if node.kind not in ("bool", "any"):
        raise RuleError(f"the rule gives {WORDS[node.kind]}, and a rule is true or false; compare it with something")
    return node


def _syntax(text: str) -> Any:
    try:
        from celpy.celparser import CELParseError, CELParser
    except ImportError as error:
        raise SeatrialError(f"rules are read by cel-python, which is not installed here; run: {INSTALL}") from error
    if not text.strip():
        raise RuleError('the rule is empty; write a condition, such as `context.country == "US"`')
    try:
        return CELParser().parse(text)
    except CELParseError as error:
        raise RuleError(_where(text, error.line, error.column)) from error


def _where(text: str, line: int | None, column: int | None) -> str:
    if line is None or column is None or line < 1:
        return "the rule ends too early; something is missing behind it"
    row = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
    here = row[max(0, column - 1) :][:20]
    if not here:
        return "the rule ends too early; something is missing behind it"
    return f"the rule cannot be read from `{here}` on (line {line}, column {column}){_mend(text, here)}"


def _mend(text: str, here: str) -> str:
    """What is nearly always meant, to follow; "" where nobody can guess."""
    if here.startswith("=") and not here.startswith("=="):
        return "; equality is written `==`"
    word = here.split(maxsplit=1)[0].lower()
    if word in _SYMBOLS:
        return f"; `{word}` is written `{_SYMBOLS[word]}`"
    return "; a `)` is missing" if text.count("(") > text.count(")") else ""


_SYMBOLS = {"and": "&&", "or": "||", "not": "!"}


class _Reader:
    """Walks the parser's tree, whose levels are those of CEL's grammar: most nodes only pass their one child on.

    Attributes:
        unknown: What it met that is not declared, a sentence each; read on, so that all of it is named at once.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self.unknown: list[str] = []

    def read(self, tree: Any) -> Expression:
        made = getattr(self, f"_{tree.data}", None)
        if made is not None:
            return made(tree)  # type: ignore[no-any-return]
        children = [child for child in tree.children if child is not None]
        if len(children) == 1:
            return self.read(children[0])
        raise _refusal(str(tree.data))

    def _expr(self, tree: Any) -> Expression:
        children = [child for child in tree.children if child is not None]
        if len(children) != 1:
            raise _refusal("a choice by `?:`")
        return self.read(children[0])

    def _conditionalor(self, tree: Any) -> Expression:
        return self._joined(tree, "||")

    def _conditionaland(self, tree: Any) -> Expression:
        return self._joined(tree, "&&")

    def _joined(self, tree: Any, sign: str) -> Expression:
        operands = [self.read(child) for child in tree.children if child is not None]
        if len(operands) == 1:
            return operands[0]
        for operand in operands:
            of_kind(operand, "bool", f"`{sign}` joins conditions")
        kind = e.AllOf if sign == "&&" else e.AnyOf
        flat: list[Expression] = []
        for operand in operands:
            flat.extend(operand.operands if isinstance(operand, kind) else (operand,))
        return kind(tuple(flat))

    def _relation(self, tree: Any) -> Expression:
        children = [child for child in tree.children if child is not None]
        if len(children) == 1:
            return self.read(children[0])
        sign, right = children
        left = self.read(sign.children[0])
        if sign.data == "relation_in":
            return self._among(left, right)
        return compare(_RELATIONS[sign.data], left, self.read(right))

    def _among(self, left: Expression, right: Any) -> Expression:
        space = _space_of(right)
        if space is not None and isinstance(left, e.Constant) and isinstance(left.value, str):
            return self._has(space, left.value)
        values = self._listed(right)
        for value in values:
            compare("==", left, value)
        return e.Among(left, tuple(value.value for value in values))

    def _listed(self, tree: Any) -> list[e.Constant]:
        while tree.data != "list_lit":
            children = [child for child in tree.children if child is not None]
            if len(children) != 1 or not hasattr(children[0], "data"):
                raise RuleError('`in` wants a list of literals behind it, such as `in ["US", "CA"]`')
            tree = children[0]
        listed = [child for child in tree.children if child is not None]
        values = [self.read(child) for child in listed[0].children] if listed else []
        constants = [value for value in values if isinstance(value, e.Constant)]
        if len(constants) != len(values):
            raise RuleError("a list in a rule holds literals only; write a comparison for each of the others")
        if not constants:
            raise RuleError("the list behind `in` is empty, so the rule never holds; put values into it")
        return constants

    def _addition(self, tree: Any) -> Expression:
        return self._computed(tree)

    def _multiplication(self, tree: Any) -> Expression:
        return self._computed(tree)

    def _computed(self, tree: Any) -> Expression:
        children = [child for child in tree.children if child is not None]
        if len(children) == 1:
            return self.read(children[0])
        sign, right = children
        return compute(_OPERATIONS[sign.data], self.read(sign.children[0]), self.read(right))

    def _unary(self, tree: Any) -> Expression:
        if len(tree.children) == 1:
            return self.read(tree.children[0])
        sign, operand = tree.children[0].data, self.read(tree.children[1])
        if sign == "unary_not":
            return e.Not(of_kind(operand, "bool", "`!` turns a condition round"))
        if operand.kind not in ("int", "double", "any"):
            raise RuleError(f"`-` is of a number, and `{show(operand)}` is {WORDS[operand.kind]}")
        if isinstance(operand, e.Constant):
            return e.Constant(-operand.value, operand.kind)  # type: ignore[operator]
        return e.Negative(operand, operand.kind)

    def _member_dot(self, tree: Any) -> Expression:
        return self._attribute(_space_of(tree.children[0]), self._name(tree))

    def _member_index(self, tree: Any) -> Expression:
        return self._attribute(_space_of(tree.children[0]), self._name(tree))

    def _name(self, tree: Any) -> str:
        """The name behind the dot, or in the brackets."""
        if tree.data == "member_dot":
            return str(tree.children[1])
        name = self.read(tree.children[1])
        if not isinstance(name, e.Constant) or not isinstance(name.value, str):
            raise RuleError('what stands in brackets is a name, such as `features["days since"]`')
        return name.value

    def _member_dot_arg(self, tree: Any) -> Expression:
        called = str(tree.children[1])
        arguments = _arguments(tree.children[2] if len(tree.children) > 2 else None)
        if called == "size" and not arguments:
            return self._size(self.read(tree.children[0]))
        if called not in _TESTS:
            raise _refusal(f"`{called}()`")
        if len(arguments) != 1:
            raise RuleError(f"`{called}` takes one text, and has {len(arguments)}")
        return test(_TESTS[called], self.read(tree.children[0]), self.read(arguments[0]))

    def _ident_arg(self, tree: Any) -> Expression:
        called = str(tree.children[0])
        arguments = _arguments(tree.children[1] if len(tree.children) > 1 else None)
        if called not in ("has", "size"):
            raise _refusal(f"`{called}()`")
        if len(arguments) != 1:
            raise RuleError(f"`{called}` takes one value, and has {len(arguments)}")
        if called == "size":
            return self._size(self.read(arguments[0]))
        return self._asked(arguments[0])

    def _asked(self, tree: Any) -> Expression:
        """What ``has`` asks for, which may be a list that no rule can read."""
        while tree.data not in ("member_dot", "member_index"):
            children = [child for child in tree.children if child is not None]
            if len(children) != 1 or not hasattr(children[0], "data"):
                raise RuleError("`has` asks for a feature or a context key, such as `has(features.age)`")
            tree = children[0]
        space = _space_of(tree.children[0])
        name = self._name(tree)
        if space is None:
            raise RuleError("`has` asks for a feature or a context key, such as `has(features.age)`")
        return self._has(space, name)

    def _size(self, operand: Expression) -> Expression:
        return e.Size(of_kind(operand, "string", "`size` is of a text"))

    def _ident(self, tree: Any) -> Expression:
        name = str(tree.children[0])
        if name == "unit":
            return e.Unit()
        if name in ("features", "context"):
            raise RuleError(f"`{name}` alone is no value; name one of them, such as `{name}.age`")
        raise RuleError(f'`{name}` is not known; write `features.{name}` or `context.{name}`, or "{name}" for a text')

    def _literal(self, tree: Any) -> Expression:
        token = tree.children[0]
        text, sort = str(token), token.type
        if sort in ("STRING_LIT", "MLSTRING_LIT"):
            return e.Constant(read_text(text), "string")
        if sort == "BOOL_LIT":
            return e.Constant(text == "true", "bool")
        if sort == "INT_LIT":
            return e.Constant(read_number(text), "int")
        if sort == "FLOAT_LIT":
            return e.Constant(float(text), "double")
        if sort == "NULL_LIT":
            raise RuleError("`null` is no value in rules; ask `has(features.age)` whether a value is there")
        raise _refusal(f"`{text}`")

    def _attribute(self, space: Space | None, name: str) -> Expression:
        if space is None:
            raise _refusal("a field of a value")
        kind = self._names.kind(space, name)
        if kind is None:
            self._note_unknown(space, name)
        return e.Attribute(space, name, kind or "any")

    def _has(self, space: Space, name: str) -> Expression:
        if self._names.kind(space, name) is None and name not in self._names.unreadable:
            self._note_unknown(space, name)
        return e.Has(space, name)

    def _note_unknown(self, space: Space, name: str) -> None:
        said = self._unknown(space, name)
        if said not in self.unknown:
            self.unknown.append(said)

    def _unknown(self, space: Space, name: str) -> str:
        if space == "features" and name in self._names.unreadable:
            return f"`features.{name}` is a list of numbers, which a rule cannot read; use another feature."
        what = "feature" if space == "features" else "declared context key"
        known = self._names.known(space)
        near = nearest(name, known)
        if near is not None:
            return f"`{space}.{name}` is no {what}; did you mean `{show(e.Attribute(space, near, 'any'))}`?"
        return f"`{space}.{name}` is no {what}; there are: {', '.join(known[:10]) or 'none'}."


def _space_of(tree: Any) -> Space | None:
    name = _name_of(tree)
    return "features" if name == "features" else "context" if name == "context" else None


def _name_of(tree: Any) -> str | None:
    """The identifier that a tree comes to; None: it is something else."""
    while hasattr(tree, "data"):
        children = [child for child in tree.children if child is not None]
        if tree.data == "ident":
            return str(children[0])
        if len(children) != 1 or tree.data in ("literal", "list_lit", "paren_expr"):
            return None
        tree = children[0]
    return None


def _arguments(tree: Any) -> Sequence[Any]:
    return [] if tree is None else [child for child in tree.children if child is not None]


def _refusal(what: str) -> RuleError:
    return RuleError(
        f"rules do not have {what}; they have comparisons, `in`, `&&`, `||`, `!`, arithmetic, `has`, `size`, "
        "`startsWith`, `endsWith`, `contains` and `matches`"
    )
