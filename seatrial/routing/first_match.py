"""Which of several rules is the first that holds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.routing.rules.compiling import compile_rule
from seatrial.routing.rules.expression import Expression

Values = Mapping[str, Any]


class FirstMatch:
    """Rules in order; immutable.

    Args:
        rules: Each with the name of its entry.
        failed: Told the name of every rule that was asked and failed.
    """

    __slots__ = ("_failed", "_rules")

    def __init__(self, rules: Sequence[tuple[str, Expression]], failed: Callable[[str], None]) -> None:
        self._rules = tuple((name, compile_rule(rule)) for name, rule in rules)
        self._failed = failed

    def find(self, features: Values, context: Values, unit: str) -> int:
        """The position of the first rule that holds; their number when none does."""
        for position, (name, rule) in enumerate(self._rules):
            if rule.holds(features, context, unit):
                return position
            if rule.may_fail and rule.fails(features, context, unit):
                self._failed(name)
        return len(self._rules)
