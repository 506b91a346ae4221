"""Values that are only compared with literals: all that matters of one is between which of them it lies.

The literals of all rules cut the line of an attribute's values into finitely many cells, and a comparison asks on which
side of a cut the value is. So a cut becomes one proposition, "the value is below it", and the only law among them is
that what is below a cut is below every higher one. Nothing of numbers or texts is left for a solver, and nothing is
lost: a cell without a value has no room between its cuts, since cuts are values themselves.

- Whole numbers are themselves.
- Doubles are counted through from the lowest to the highest finite one, -0 and 0 as one.
- Texts are ordered by code point. Those with one beginning lie side by side, so ``startsWith`` is two cuts.
"""

import math
import struct
import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal, TypeGuard

import z3

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import LARGEST, SMALLEST, Expression, Scalar, parts

Cut = int | str
"""The lowest value above the cut."""
LineKind = Literal["int", "double", "string"]

_LAST = chr(sys.maxunicode)
_BEFORE_SURROGATES = "\ud7ff"
_MIRRORED: dict[e.Relation, e.Relation] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Line:
    """The values of one attribute, as propositions.

    Args:
        name: Of the attribute.
        kind: What its values are.
        empty: Whether a text may be empty.
    """

    def __init__(self, name: str, kind: LineKind, empty: bool = True) -> None:
        self.kind = kind
        self._name = name
        self._lowest: Cut = ("" if empty else "\0") if kind == "string" else _ends(kind)[0]
        self._below: dict[Cut, Any] = {}

    def compared(self, relation: e.Relation, value: Scalar) -> Any:
        """The value stands in a relation to a literal."""
        at, after = self._cuts(value)
        match relation:
            case "<":
                return self.below(at)
            case "<=":
                return self.below(after)
            case ">":
                return z3.Not(self.below(after))
            case ">=":
                return z3.Not(self.below(at))
        equal = z3.BoolVal(False) if at == after else z3.And(z3.Not(self.below(at)), self.below(after))
        return equal if relation == "==" else z3.Not(equal)

    def starts_with(self, text: str) -> Any:
        """The value, a text, begins so."""
        after = _after_all(text)
        inside = z3.Not(self.below(text))
        return inside if after is None else z3.And(inside, self.below(after))

    def below(self, cut: Cut) -> Any:
        """The value lies below a cut."""
        if not cut > self._lowest:  # type: ignore[operator]
            return z3.BoolVal(False)
        if self.kind != "string" and cut > _ends(self.kind)[1]:  # type: ignore[operator]
            return z3.BoolVal(True)
        if cut not in self._below:
            self._below[cut] = z3.Bool(f"{self._name} below {cut!r}")
        return self._below[cut]

    def laws(self) -> list[Any]:
        """What holds of all values, once every rule is known."""
        cuts = self._sorted()
        return [z3.Implies(self._below[low], self._below[high]) for low, high in pairwise(cuts)]

    def value(self, model: Any) -> Scalar:
        """A value in the cell of a model of the formulas, a plain one where there is a choice."""
        cuts = self._sorted()
        found = bisect_right(
            cuts, False, key=lambda cut: z3.is_true(model.eval(self._below[cut], model_completion=True))
        )
        low = cuts[found - 1] if found else self._lowest
        high = cuts[found] if found < len(cuts) else None
        return next(value for value, at in self._plain(low, high) if low <= at and (high is None or at < high))  # type: ignore[operator]

    def _sorted(self) -> Sequence[Any]:
        return sorted(self._below)

    def _cuts(self, value: Scalar) -> tuple[Cut, Cut]:
        """Those below and above the values that equal a literal; the same where none does."""
        if isinstance(value, str):
            return value, f"{value}\0"
        if isinstance(value, float) and math.isinf(value):
            return (_ends(self.kind)[int(value > 0)] + int(value > 0),) * 2
        if self.kind == "int":
            return math.ceil(value), math.floor(value) + 1
        nearest = _nearest(value)
        exact = Fraction(_double(nearest)) == Fraction(value)
        at = nearest if exact or Fraction(_double(nearest)) > Fraction(value) else nearest + 1
        return at, at + 1 if exact else at

    def _plain(self, low: Any, high: Any) -> Iterable[tuple[Scalar, Cut]]:
        """Values and where they lie, from plain to plainly in the cell."""
        if self.kind == "string":
            return ((text, text) for text in ("other", f"{low.rstrip(chr(0))}x", f"{low}x", low))
        last = (_ends(self.kind)[1] + 1 if high is None else high) - 1
        if self.kind == "int":
            return ((number, number) for number in (0, low if low > SMALLEST else last, low))
        ends = [_double(low), _double(last)]
        whole = [float(n) for n in (0, math.floor(ends[0]) + 1, math.ceil(ends[1]) - 1)]
        tried = [*(number for number in whole if abs(number) < 2**53), ends[0] / 2 + ends[1] / 2, *ends]
        return ((number, _place(number)) for number in tried)


def lines(rules: Iterable[Expression], key: Any) -> set[Any]:
    """The keys of attributes that every rule only compares with literals.

    Args:
        key: Gives the key of an ``Attribute`` or ``Unit``.
    """
    free: set[Any] = set()
    bound: set[Any] = set()

    def look(node: Expression) -> None:
        compared = side(node)
        if compared is not None:
            free.add(key(compared[0]))
        elif isinstance(node, e.Attribute | e.Unit):
            bound.add(key(node))
        else:
            for part in parts(node):
                look(part)

    for rule in rules:
        look(rule)
    return free - bound


def side(node: Expression) -> tuple[e.Attribute | e.Unit, e.Relation | None] | None:
    """The attribute of a condition that asks only where on its line it lies, or nothing that can be said; and the
    relation, if it is one comparison."""
    match node:
        case e.Compare(relation, left, e.Constant()) if _on_a_line(left):
            return left, relation
        case e.Compare(relation, e.Constant(), right) if _on_a_line(right):
            return right, _MIRRORED[relation]
        case e.Among(operand) if _on_a_line(operand):
            return operand, None
        case e.Tested("startsWith" | "matches", operand, e.Constant()) if _on_a_line(operand):
            return operand, None
    return None


def _on_a_line(node: Expression) -> TypeGuard[e.Attribute | e.Unit]:
    return isinstance(node, e.Attribute | e.Unit) and node.kind in ("int", "double", "string")


def _ends(kind: LineKind) -> tuple[int, int]:
    """The first and the last place of numbers."""
    if kind == "int":
        return SMALLEST, LARGEST
    return -_place(sys.float_info.max), _place(sys.float_info.max)


def _place(number: float) -> int:
    """How many doubles a double is away from zero."""
    bits = int.from_bytes(struct.pack("<d", abs(number)), "little")
    return bits if number >= 0 else -bits


def _double(place: int) -> float:
    found = float(struct.unpack("<d", abs(place).to_bytes(8, "little"))[0])
    return found if place >= 0 else -found


def _nearest(value: float) -> int:
    """The place of the finite double next to a number."""
    try:
        return _place(max(-sys.float_info.max, min(sys.float_info.max, float(value))))
    except OverflowError:
        return _place(sys.float_info.max) * (1 if value > 0 else -1)


def _after_all(start: str) -> str | None:
    """The lowest text above all that begin so; None: nothing is."""
    kept = start.rstrip(_LAST)
    return kept[:-1] + chr(0xE000 if kept[-1] == _BEFORE_SURROGATES else ord(kept[-1]) + 1) if kept else None
