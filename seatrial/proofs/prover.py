"""Questions about a rule set, put to z3, with every example tried on the rules themselves before it is believed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import z3

from seatrial.proofs.encoding import Encoding
from seatrial.proofs.findings import RuleSet, Witness
from seatrial.routing.rules.compiling import compile_rule

EFFORT = 400_000
"""How much z3 may spend on one question (its resource units, the same on every machine)."""


class Prover:
    """The entries of one rule set as formulas.

    Args:
        rules: The set.
        effort: What one question may cost.
        enough: Asked before each question; once it says so, the rest stays undecided.

    Attributes:
        takes: For every entry, "it takes the request, if the request comes to it".
        needed: Entries without which some request that was tried out would go elsewhere.
    """

    def __init__(self, rules: RuleSet, effort: int = EFFORT, enough: Callable[[], bool] = lambda: False) -> None:
        self.rules = rules
        self._enough = enough
        conditions = [entry.when for entry in rules.entries if entry.when is not None]
        self._encoding = Encoding(conditions, rules.required)
        self._asks = [None if entry.when is None else compile_rule(entry.when) for entry in rules.entries]
        self._solver = z3.SolverFor("ALL", ctx=self._encoding.context)
        self._solver.set("rlimit", effort)
        self.takes: list[Any] = []
        for position, entry in enumerate(rules.entries):
            named = z3.Bool(f"takes {position}", self._encoding.context)
            true = True if entry.when is None else self._encoding.both(entry.when)[0]
            if entry.partly:
                true = z3.And(true, self._encoding.free(entry.name))
            self._solver.add(named == true)
            self.takes.append(named)
        self._solver.add(*self._encoding.limits, *self._encoding.laws())
        self._not_taken = [z3.Not(named) for named in self.takes]
        self.needed: set[int] = set()
        self._known: list[tuple[Witness, list[bool]]] = []

    @property
    def opaque(self) -> Sequence[str]:
        """Parts of rules that z3 cannot say exactly."""
        return self._encoding.opaque

    def taken(self, witness: Witness) -> list[bool]:
        """Which entries would take a request, by the rules themselves; one that takes only some takes it."""
        return [ask is None or ask.holds(*witness) for ask in self._asks]

    def example(
        self, formulas: Sequence[Any], wanted: Sequence[int], unwanted: Sequence[int], any_of: Sequence[int] = ()
    ) -> Witness | str | None:
        """A request that the wanted entries would take and the unwanted would not.

        Args:
            formulas: What is to hold; the same, and perhaps more.
            wanted, unwanted: Entries; of ``any_of`` it would be one at least.

        Returns:
            The request; None: it is proved that there is none; text: why neither is known.
        """

        def fits(taken: Sequence[bool]) -> bool:
            some = not any_of or any(taken[at] for at in any_of)
            return some and all(taken[at] for at in wanted) and not any(taken[at] for at in unwanted)

        for witness, taken in self._known:
            if fits(taken):
                return witness
        if self._enough():
            return "the time was up"
        why = ""
        for also in ([], self._encoding.presence):
            result = self._solver.check(*formulas, *also)
            if result == z3.unsat:
                if not also:
                    return None
                break
            if result == z3.unknown:
                why = f"the solver gave up ({self._solver.reason_unknown()})"
                break
            witness = self._encoding.witness(self._solver.model())
            taken = self.taken(witness)
            if fits(taken):
                self._known.append((witness, taken))
                return witness
            why = self._spurious()
        return why

    def try_out(self, witnesses: Iterable[Witness]) -> dict[tuple[int, int], Witness]:
        """Try requests on the rules.

        Returns:
            For each entry that decides one of them (the number of entries: none decides) and each other that would
            take it, the request. An entry stands with itself where it decides. Entries that take only some of what
            they match are passed over.
        """
        shown: dict[tuple[int, int], Witness] = {}
        partly = [entry.partly for entry in self.rules.entries]
        for witness in witnesses:
            takes = [at for at, taken in enumerate(self.taken(witness)) if taken]
            sure = [at for at in takes if not partly[at]]
            if not takes:
                shown.setdefault((len(partly), len(partly)), witness)
            elif sure and sure[0] == takes[0]:
                if self._next(takes[1:], sure[1:]) not in (self.rules.entries[sure[0]].target, None):
                    self.needed.add(sure[0])
                for at in sure:
                    shown.setdefault((sure[0], at), witness)
        return shown

    def impossible(self, formulas: Sequence[Any]) -> bool | None:
        """Whether nothing can be so; None: unknown. (False says only that the formulas allow it.)"""
        if self._enough():
            return None
        result = self._solver.check(*formulas)
        return None if result == z3.unknown else bool(result == z3.unsat)

    def culprits(self, position: int) -> tuple[int, ...]:
        """Entries above one that never fires by which it never does: the first that takes all of its requests, else
        several of which none could be left out."""
        fixed, others = [self.takes[position]], range(position)
        for at in others:
            escaped = any(taken[position] and not taken[at] for _, taken in self._known)
            if not escaped and self.impossible([*fixed, self.not_taken(at)]):
                return (at,)
        kept = list(others)
        if self.impossible([*fixed, *(self.not_taken(at) for at in kept)]):
            core = {str(formula) for formula in self._solver.unsat_core()}
            kept = [at for at in kept if str(self.not_taken(at)) in core]
        for position in list(kept):
            less = [at for at in kept if at != position]
            if self.impossible([*fixed, *(self.not_taken(at) for at in less)]):
                kept = less
        return tuple(kept)

    def not_taken(self, position: int) -> Any:
        return self._not_taken[position]

    def any_of(self, positions: Sequence[int]) -> Any:
        """One of these takes the request."""
        return z3.Or(*(self.takes[at] for at in positions))

    def goes_elsewhere(self, position: int) -> Any:
        """Without the entry, its requests would go to another target."""
        entries = self.rules.entries
        same = z3.BoolVal(self.rules.default == entries[position].target, self._encoding.context)
        for at in range(len(entries) - 1, position, -1):
            alike = entries[at].target == entries[position].target and not entries[at].partly
            same = z3.If(self.takes[at], z3.BoolVal(alike, self._encoding.context), same)
        return z3.Not(same)

    def _next(self, takes: Sequence[int], sure: Sequence[int]) -> str | None:
        """The target of whatever comes next; None: not known."""
        if not takes:
            return self.rules.default
        return self.rules.entries[takes[0]].target if sure and sure[0] == takes[0] else None

    def _spurious(self) -> str:
        if self.opaque:
            return f"the solver cannot tell `{self.opaque[0]}`"
        return "the solver's example is none of the numbers that a request can carry"


def decided(rules: RuleSet, taken: Sequence[bool]) -> str:
    """The target of a request of which it is known which entries would take it."""
    return next((entry.target for entry, takes in zip(rules.entries, taken, strict=True) if takes), rules.default)


def equivalent(
    one: RuleSet, other: RuleSet, effort: int = EFFORT, enough: Callable[[], bool] = lambda: False
) -> bool | None:
    """Whether two rule sets of the same names send every request to the same target; None: unknown."""
    both = RuleSet((*one.entries, *other.entries), one.default, one.required)
    prover = Prover(both, effort, enough)
    targets = {target: at for at, target in enumerate(sorted({entry.target for entry in both.entries} | {one.default}))}
    context = prover.takes[0].ctx if prover.takes else None

    def target(start: int, count: int) -> Any:
        found = z3.IntVal(targets[one.default], context)
        for at in range(start + count - 1, start - 1, -1):
            found = z3.If(prover.takes[at], z3.IntVal(targets[both.entries[at].target], context), found)
        return found

    if not prover.takes:
        return one.default == other.default
    split = len(one.entries)
    return prover.impossible([target(0, split) != target(split, len(other.entries))])
