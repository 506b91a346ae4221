"""Which of several rules is the first that holds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.routing.crowds import Asks
from seatrial.routing.rules.compiling import compile_rule
from seatrial.routing.rules.expression import Expression
from seatrial.routing.rules.index import build, candidates

Values = Mapping[str, Any]

MANY = 16
"""From so many rules on, only those are asked that the index leaves."""


class FirstMatch:
    """Rules in order; immutable.

    A rule that fails before one holds is told. Of many rules most are not asked: one that the value of an attribute
    excludes does not hold and does not fail.

    Args:
        rules: Each with the name of its entry, and what says which units it takes of those (None: all). Where that
            does not know, the rule failed.
        failed: Told the name of every rule that failed.
    """

    __slots__ = ("_failed", "_index", "_rules")

    def __init__(self, rules: Sequence[tuple[str, Expression, Asks | None]], failed: Callable[[str], None]) -> None:
        self._rules = tuple((name, compile_rule(rule), takes) for name, rule, takes in rules)
        self._index = build([rule for _, rule, _ in rules]) if len(rules) >= MANY else None
        self._failed = failed

    def find(self, features: Values, context: Values, unit: str, *, told: bool = True) -> int:
        """The position of the first rule that holds; their number when none does.

        Args:
            told: False: a request that was decided before; nobody is told again of what failed then.
        """
        rules = self._rules
        asked = range(len(rules)) if self._index is None else candidates(self._index, features, context, unit)
        for position in asked:
            name, rule, takes = rules[position]
            if rule.holds(features, context, unit):
                if takes is None or (taken := takes(unit)):
                    return position
                if told and taken is None:
                    self._failed(name)
            elif told and rule.may_fail and rule.fails(features, context, unit):
                self._failed(name)
        return len(rules)
