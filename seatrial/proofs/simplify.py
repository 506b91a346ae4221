"""A shorter rule set that decides every request alike, or the same one."""

from collections.abc import Callable

from seatrial.proofs.examples import examples
from seatrial.proofs.findings import Entry, RuleSet
from seatrial.proofs.prover import EFFORT, Prover, equivalent
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression
from seatrial.routing.rules.parsing import LONGEST
from seatrial.routing.rules.showing import show


def simplified(rules: RuleSet, effort: int = EFFORT, enough: Callable[[], bool] = lambda: False) -> RuleSet:
    """Drops entries without which every decision stays the same, then makes neighbours of one target one entry.

    The whole is proved equivalent in the end, apart from the steps; where that proof does not come, nothing is changed.

    Args:
        rules: Entries in order.
        effort: What one question may cost, in z3's resource units.
        enough: Once it says so, nothing is changed.
    """
    shorter = rules._replace(entries=_merged(_without_needless(rules, effort, enough).entries))
    if enough() or len(shorter.entries) == len(rules.entries):
        return rules
    if equivalent(rules, shorter, effort, enough) is not True:
        return rules
    return shorter


def _without_needless(rules: RuleSet, effort: int, enough: Callable[[], bool]) -> RuleSet:
    """From the last to the first, so that a general rule below stays and its special cases above go."""
    conditions = [entry.when for entry in rules.entries if entry.when is not None]
    if enough():
        return rules
    tried = Prover(rules, effort, enough)
    tried.try_out(examples(conditions, rules.required))
    needed = {rules.entries[position].name for position in tried.needed}
    for position in range(len(rules.entries) - 1, -1, -1):
        entry = rules.entries[position]
        if entry.fixed or entry.partly or entry.name in needed or len(rules.entries) == 1:
            continue
        if enough():
            break
        prover = Prover(rules, effort, enough)
        before = [prover.not_taken(at) for at in range(position)]
        if prover.impossible([*before, prover.takes[position], prover.goes_elsewhere(position)]):
            rules = rules._replace(entries=rules.entries[:position] + rules.entries[position + 1 :])
    return rules


def _merged(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    made: list[Entry] = []
    for entry in entries:
        last = made[-1] if made else None
        if last is not None and _may_merge(last, entry):
            assert last.when is not None
            assert entry.when is not None
            when = _either(last.when, entry.when)
            if len(show(when)) <= LONGEST:
                made[-1] = last._replace(when=when)
                continue
        made.append(entry)
    return tuple(made)


def _may_merge(one: Entry, other: Entry) -> bool:
    free = not (one.fixed or other.fixed or one.partly or other.partly)
    return free and one.target == other.target and one.when is not None and other.when is not None


def _either(one: Expression, other: Expression) -> Expression:
    """True where one is: CEL's ``||`` is, whatever fails beside it."""
    first, second = _values(one), _values(other)
    if first is not None and second is not None and first[0] == second[0]:
        return e.Among(first[0], tuple(dict.fromkeys((*first[1], *second[1]))))
    sides = [part for side in (one, other) for part in (side.operands if isinstance(side, e.AnyOf) else (side,))]
    return e.AnyOf(tuple(dict.fromkeys(sides)))


def _values(node: Expression) -> tuple[Expression, tuple[e.Scalar, ...]] | None:
    """What is compared for equality with literals, and with which."""
    if isinstance(node, e.Among):
        return node.operand, node.values
    if isinstance(node, e.Compare) and node.relation == "==" and isinstance(node.right, e.Constant):
        return node.left, (node.right.value,)
    return None
