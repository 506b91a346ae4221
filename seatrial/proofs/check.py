"""The questions of ``seatrial rules check``, for first-match semantics."""

from collections.abc import Callable
from itertools import pairwise

from seatrial.proofs.examples import examples
from seatrial.proofs.findings import Findings, Never, Overlap, RuleSet, Undecided, Witness
from seatrial.proofs.prover import EFFORT, Prover
from seatrial.routing.rules.guards import Guard, Interval, Values, Where, guards


def check_rules(rules: RuleSet, effort: int = EFFORT, enough: Callable[[], bool] = lambda: False) -> Findings:
    """Everything that can be said of a rule set.

    Args:
        rules: Entries in order.
        effort: What one question may cost, in z3's resource units.
        enough: Once it says so, what is still open stays undecided.
    """
    return _Check(rules, effort, enough).findings()


class _Check:
    def __init__(self, rules: RuleSet, effort: int, enough: Callable[[], bool]) -> None:
        self._entries = rules.entries
        self._prover = Prover(rules, effort, enough)
        conditions = [entry.when for entry in rules.entries if entry.when is not None]
        self._shown = self._prover.try_out(examples(conditions, rules.required))
        self._needed = self._prover.needed
        self._undecided: list[Undecided] = []
        self._fires: dict[str, Witness] = {}
        self._never: list[Never] = []
        self._dead: set[int] = set()

    def findings(self) -> Findings:
        for position in range(len(self._entries)):
            self._ask_whether_it_fires(position)
        overlaps = self._overlaps()
        falls = self._falls()
        droppable = tuple(entry.name for position, entry in enumerate(self._entries) if self._is_droppable(position))
        return Findings(
            self._fires,
            tuple(self._never),
            overlaps,
            falls,
            droppable,
            self._mergeable(),
            tuple(self._undecided),
        )

    def _before(self, position: int) -> list[object]:
        """The request comes to an entry."""
        return [self._prover.not_taken(at) for at in range(position)]

    def _ask_whether_it_fires(self, position: int) -> None:
        prover, entry = self._prover, self._entries[position]
        certain = [at for at in range(position) if not self._entries[at].partly]
        found = self._shown.get((position, position)) or prover.example(
            [*self._before(position), prover.takes[position]], [position], certain
        )
        if isinstance(found, Witness):
            if entry.when is not None:
                self._fires[entry.name] = found
        elif found is None:
            self._dead.add(position)
            alone = prover.impossible([prover.takes[position]])
            by = () if alone else prover.culprits(position)
            self._never.append(Never(entry.name, tuple(self._entries[at].name for at in by)))
        else:
            self._undecided.append(Undecided(f"whether `{entry.name}` ever fires", found))

    def _overlaps(self) -> tuple[Overlap, ...]:
        found: list[Overlap] = []
        known = [guards(entry.when) if entry.when is not None else {} for entry in self._entries]
        for first, one in enumerate(self._entries):
            if one.when is None or one.partly or first in self._dead:
                continue
            others = [
                at
                for at in range(first + 1, len(self._entries))
                if self._differ(first, at) and not _apart(known[first], known[at])
            ]
            found += self._pairs(first, others)
        return tuple(found)

    def _differ(self, first: int, second: int) -> bool:
        one, other = self._entries[first], self._entries[second]
        return other.when is not None and not other.partly and other.target != one.target

    def _pairs(self, first: int, others: list[int]) -> list[Overlap]:
        """The overlaps of one entry: one proof that none of the others is left does for all of them."""
        shown = {at: self._shown[first, at] for at in others if (first, at) in self._shown}
        left = [at for at in others if at not in shown]
        certain = [at for at in range(first) if not self._entries[at].partly]
        fixed = [*self._before(first), self._prover.takes[first]]
        while left:
            witness = self._prover.example([*fixed, self._prover.any_of(left)], [first], certain, any_of=left)
            if not isinstance(witness, Witness):
                break
            taken = self._prover.taken(witness)
            shown |= {at: witness for at in left if taken[at]}
            left = [at for at in left if not taken[at]]
        if left and witness is not None:
            for at in left:
                self._pair(first, at, [*fixed, self._prover.takes[at]], certain, shown)
        return [Overlap(self._entries[first].name, self._entries[at].name, shown[at]) for at in sorted(shown)]

    def _pair(
        self, first: int, second: int, formulas: list[object], certain: list[int], shown: dict[int, Witness]
    ) -> None:
        """One pair by itself, where not all could be told at once."""
        witness = self._prover.example(formulas, [first, second], certain)
        if isinstance(witness, Witness):
            shown[second] = witness
        elif witness is not None:
            pair = f"whether `{self._entries[first].name}` and `{self._entries[second].name}` overlap"
            self._undecided.append(Undecided(pair, witness))

    def _falls(self) -> Witness | None:
        if any(entry.when is None and not entry.partly for entry in self._entries):
            return None
        everything = range(len(self._entries))
        certain = [at for at in everything if not self._entries[at].partly]
        shown = self._shown.get((len(everything), len(everything)))
        found = shown or self._prover.example([self._prover.not_taken(at) for at in everything], [], certain)
        if isinstance(found, str):
            self._undecided.append(Undecided("whether a request is taken by no entry", found))
            return None
        return found

    def _is_droppable(self, position: int) -> bool:
        entry = self._entries[position]
        if position in self._dead:
            return not entry.fixed
        if entry.fixed or entry.partly or position in self._needed:
            return False
        prover = self._prover
        changed = [*self._before(position), prover.takes[position], prover.goes_elsewhere(position)]
        return prover.impossible(changed) is True

    def _mergeable(self) -> tuple[tuple[str, str], ...]:
        alive = [entry for position, entry in enumerate(self._entries) if position not in self._dead]
        return tuple(
            (one.name, other.name)
            for one, other in pairwise(alive)
            if one.target == other.target
            and not (one.fixed or other.fixed or one.partly or other.partly)
            and one.when is not None
            and other.when is not None
        )


def _apart(one: dict[Where, Guard], other: dict[Where, Guard]) -> bool:
    """Whether no request keeps both guards; False says nothing."""
    return any(_disjoint(guard, other[where]) for where, guard in one.items() if where in other)


def _disjoint(one: Guard, other: Guard) -> bool:
    if isinstance(one, Values) and isinstance(other, Values):
        return not one.values & other.values
    if isinstance(one, Interval) and isinstance(other, Interval):
        return one.high < other.low or other.high < one.low
    values, interval = (one, other) if isinstance(one, Values) else (other, one)
    assert isinstance(values, Values)
    assert isinstance(interval, Interval)
    return not any(isinstance(v, int | float) and interval.low <= v <= interval.high for v in values.values)
