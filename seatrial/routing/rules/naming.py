"""What a rule may speak of: a model's features and the declared context, with their kinds."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression, Kind
from seatrial.routing.rules.kinds import RuleError
from seatrial.routing.rules.parsing import Names, parse_rule
from seatrial.spec.deployment import ContextField
from seatrial.spec.signature import Feature

_FEATURES: dict[str, Kind] = {
    "number": "double",
    "integer": "int",
    "boolean": "bool",
    "time": "double",
    "category": "string",
    "text": "string",
    "id": "string",
}
_CONTEXT: dict[str, Kind] = {"string": "string", "number": "double", "integer": "int", "boolean": "bool"}


def names_of(features: Iterable[Feature], context: Mapping[str, ContextField]) -> Names:
    """The names of a model that is known; the first feature of a name counts."""
    kinds: dict[str, Kind] = {}
    unreadable: set[str] = set()
    for feature in features:
        if feature.kind in _FEATURES:
            kinds.setdefault(feature.name, _FEATURES[feature.kind])
        else:
            unreadable.add(feature.name)
    return Names(kinds, context_kinds(context), frozenset(unreadable - set(kinds)))


def context_kinds(context: Mapping[str, ContextField]) -> dict[str, Kind]:
    """The kind of every declared context key."""
    return {name: _CONTEXT[field.kind] for name, field in context.items()}


def guessed_names(rules: Iterable[str], context: Mapping[str, ContextField]) -> Names:
    """The names where no model is known: a feature is of the kind that the rules take it for.

    A feature beside a text is a text, one of which a remainder is taken is a whole number, one that stands alone is
    true or false, and every other is a number. Rules that cannot be read are passed over.

    Args:
        rules: All rules of a file.
    """
    kinds = context_kinds(context)
    open_names = Names(None, kinds)
    nodes = [node for rule in rules if (node := _read(rule, open_names)) is not None]
    guess = _Guess()
    for _ in range(2):  # what one rule says of a feature may say more of another's, once
        for node in nodes:
            guess.condition(node)
    spoken = {name for node in nodes for name in e.asked_of(node, "features")}
    return Names({name: guess.found.get(name, "double") for name in sorted(spoken)}, kinds)


def _read(rule: str, names: Names) -> Expression | None:
    try:
        return read_condition(rule, names)
    except RuleError:
        return None


def read_condition(text: str, names: Names) -> Expression:
    """``parse_rule``, which takes a millisecond, remembered: every new snapshot asks again. Raises RuleError."""
    return _remembered(
        text, None if names.features is None else _fixed(names.features), _fixed(names.context), names.unreadable
    )


@lru_cache(maxsize=20_000)
def _remembered(
    text: str,
    features: tuple[tuple[str, Kind], ...] | None,
    context: tuple[tuple[str, Kind], ...],
    unreadable: frozenset[str],
) -> Expression:
    return parse_rule(text, Names(None if features is None else dict(features), dict(context), unreadable))


def _fixed(kinds: Mapping[str, Kind]) -> tuple[tuple[str, Kind], ...]:
    return tuple(sorted(kinds.items()))


class _Guess:
    """Kinds of features, as they are found."""

    def __init__(self) -> None:
        self.found: dict[str, Kind] = {}

    def condition(self, node: Expression) -> None:
        match node:
            case e.Attribute():
                self._expect(node, "bool")
            case e.Compare():
                self._expect(node.left, self._kind(node.right))
                self._expect(node.right, self._kind(node.left))
            case e.Among():
                self._expect(node.operand, _of(node.values[0]))
            case e.Tested():
                self._expect(node.operand, "string")
                self._expect(node.with_, "string")
            case e.Not() | e.AllOf() | e.AnyOf():
                for part in e.parts(node):
                    self.condition(part)
            case _:
                pass

    def _expect(self, node: Expression, kind: Kind) -> None:
        """The node is of that kind; a whole number beside it says only that it is a number."""
        kind = "double" if kind == "int" else kind
        if isinstance(node, e.Attribute) and node.kind == "any":
            if kind != "any":
                self.found.setdefault(node.name, kind)
        elif isinstance(node, e.Arithmetic):
            for part in (node.left, node.right):
                if node.operation == "%" and isinstance(part, e.Attribute) and part.kind == "any":
                    self.found.setdefault(part.name, "int")
                else:
                    self._expect(part, "double" if node.operation != "+" else kind)
        elif isinstance(node, e.Negative):
            self._expect(node.operand, "double")
        elif isinstance(node, e.Size):
            self._expect(node.operand, "string")

    def _kind(self, node: Expression) -> Kind:
        if isinstance(node, e.Attribute) and node.kind == "any":
            return self.found.get(node.name, "any")
        if isinstance(node, e.Arithmetic) and node.kind == "any":
            left = self._kind(node.left)
            return left if left != "any" else self._kind(node.right)
        return node.kind


def _of(value: e.Scalar) -> Kind:
    if isinstance(value, bool):
        return "bool"
    return "string" if isinstance(value, str) else "double"
