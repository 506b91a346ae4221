"""What rules and models can go: the cost of doing without them, on doubly robust scores.

A policy is a list of entries, the first that matches a unit decides, and each gives chances to the arms. First the
models: for every number of arms the set is taken that costs least on half A, in which an entry shares what the arms
that go had among those that stay, or goes to the best of them. Then the rules, of the smallest set that is cheap: one
after the other, that which costs least to leave out as well. What each step costs against the whole policy is judged on
half B, which chose nothing; the intervals of all steps hold together (Bonferroni), so the last cheap one may be taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Literal, NamedTuple

import numpy as np

from seatrial.bandits.covariates import covariates, uneven
from seatrial.bandits.logged import Logged
from seatrial.bandits.policy_tree import Codes, Column, Mask, coded
from seatrial.bandits.posterior import Floats
from seatrial.bandits.scores import HALVES, NO_MEAN, Half, Mean, cannot_tell, check_units, halves, mean_of

LEAST = 100
"""Units of each arm that a rule must have on the half that judges."""
_MOST_SETS = 2000
"""So many sets of a size are tried all; of more, those that leave out one arm of the best larger set."""

Word = Literal["cheap", "dear", "undecided", "too few"]


class Entries(NamedTuple):
    """What a policy does with n units.

    Attributes:
        matches: Shape [n, E]; the last entry matches everybody.
        chances: Of each arm in each entry, shape [E, K], sums of 1; NaN for an entry of which nothing is known.
        removable: Which entries may be left out, shape [E].
    """

    matches: Mask
    chances: Floats
    removable: Mask


class Kept(NamedTuple):
    """A smaller set of arms.

    Attributes:
        arms: Those that stay.
        chances: Of all arms in each entry then, shape [E, K].
        cost: A unit, of all, against the policy as it is.
        word: Whether the whole interval is below the margin, above it, or neither.
    """

    arms: tuple[int, ...]
    chances: Floats
    cost: Mean
    word: Word


class Dropped(NamedTuple):
    """A rule that is left out, and every one before it.

    Attributes:
        entry: Its number.
        share: Of the units that it takes, 0 to 1.
        cost: A unit, of all, of leaving out this rule and all before it (and the arms that go).
        word: Likewise; ``too few``: it takes too few units for anything to be said, so it stays.
    """

    entry: int
    share: float
    cost: Mean
    word: Word


@dataclass(frozen=True, eq=False)
class Pruning:
    """What was found.

    Attributes:
        units: On both halves.
        value: What a unit earns under the policy.
        margin: In the reward's unit, on the half that judges.
        sets: Smaller sets of arms, fewest first.
        advised: The position of the first cheap one; None: there is none.
        rules: In the order in which they are left out; those of too few units last.
        dropped: How many of them may go together.
        refusals: Why nothing can be said, a sentence each.
        unknown: Units that an entry takes of which nothing is known; they are not counted.
    """

    units: int
    value: Mean
    margin: float
    sets: tuple[Kept, ...] = ()
    advised: int | None = None
    rules: tuple[Dropped, ...] = ()
    dropped: int = 0
    refusals: tuple[str, ...] = ()
    unknown: int = 0


def prune(
    logged: Logged,
    columns: Sequence[Column],
    names: Sequence[str],
    entries: Entries,
    *,
    margin: float,
    relative: bool,
    alpha: float = 0.05,
    seed: int = 0,
    least: int = LEAST,
) -> Pruning:
    """What a policy could do without.

    Args:
        logged: One row a unit, drawn by chance from all arms; more is better.
        columns: What sharpens the scores, each [n].
        names: Of the arms.
        entries: The policy.
        margin: What may be lost, a unit of all: of what the policy earns, or in the reward's unit.
        relative: Which.
        alpha: All intervals together cover 1 - alpha.
        seed: Of the halves.

    Raises:
        BadInput: A unit has several rows, or columns are not of one length.
    """
    check_units(logged, columns)
    refusals = cannot_tell(logged, names, 2 * HALVES * least)
    if refusals:
        return Pruning(logged.units.size, NO_MEAN, margin, refusals=refusals)
    binned = [coded(column) for column in columns]
    left_out = uneven(logged, binned, len(names))  # they were not known before the draw
    even = [at for at in range(len(columns)) if at not in left_out]
    contexts = covariates([columns[at] for at in even], [binned[at] for at in even], logged.units.size)
    known: Mask = np.asarray(~np.isnan(entries.chances).any(axis=1))
    first, second = (_Side.of(half, entries, known) for half in halves(logged, contexts, len(names), seed))
    unknown = logged.units.size - first.taken.size - second.taken.size
    if min(first.taken.size, second.taken.size) < 2:
        why = "every unit is taken by an entry of which nothing is known: there is nothing to judge."
        return Pruning(logged.units.size, NO_MEAN, margin, refusals=(why,), unknown=unknown)
    earned = second.earned(entries.chances)
    value = mean_of(earned, alpha)
    if relative and abs(value.value) < _standard_errors(earned):
        why = f"the policy earns {value.value:.4g} a unit, within 3 standard errors of 0; give the margin as a number."
        return Pruning(logged.units.size, value, margin, refusals=(why,), unknown=unknown)
    sets = list(_sets(first, entries.chances, known))
    steps = len(sets) + int(entries.removable.sum())
    judge = _Judge(second, entries.chances, margin, relative, alpha / max(steps, 1))
    kept = tuple(Kept(arms, chances, *judge(judge.side.taken, chances)) for arms, chances in sets)
    advised = next((number for number, one in enumerate(kept) if one.word == "cheap"), None)
    chances = entries.chances if advised is None else kept[advised].chances
    rules = tuple(_rules(first, judge, entries.removable, chances, least))
    cheap = [number for number, rule in enumerate(rules, 1) if rule.word == "cheap"]
    return Pruning(
        logged.units.size,
        value,
        margin * abs(value.value) if relative else margin,
        kept,
        advised,
        rules,
        max(cheap, default=0),
        (),
        unknown,
    )


@dataclass(frozen=True, eq=False)
class _Side:
    """One half's units that a known entry takes.

    Attributes:
        arms, scores: Shapes [m], [m, K].
        matches: Shape [m, E].
        taken: The entry of each, shape [m].
    """

    arms: Codes
    scores: Floats
    matches: Mask
    taken: Codes

    @classmethod
    def of(cls, half: Half, entries: Entries, known: Mask) -> "_Side":
        matches = entries.matches[half.rows]
        taken = matches.argmax(axis=1)
        kept = known[taken]
        return cls(half.arms[kept], half.scores[kept], matches[kept], taken[kept])

    def earned(self, chances: Floats, taken: Codes | None = None) -> Floats:
        """What each unit earns under other chances, or other entries; shape [m]."""
        found: Floats = (self.scores * chances[self.taken if taken is None else taken]).sum(axis=1)
        return found

    def next(self, units: Codes, gone: Mask) -> Codes:
        """The entries that units come to without those that are gone."""
        found: Codes = (self.matches[units] & ~gone).argmax(axis=1)
        return found


@dataclass(frozen=True, eq=False)
class _Judge:
    """What a smaller policy costs on the half that chose nothing."""

    side: _Side
    whole: Floats
    margin: float
    relative: bool
    alpha: float

    def __call__(self, taken: Codes, chances: Floats) -> tuple[Mean, Word]:
        before = self.side.earned(self.whole)
        cost = before - self.side.earned(chances, taken)
        found = mean_of(cost, self.alpha)
        lost = cost - self.margin * (before * np.sign(before.mean()) if self.relative else 1.0)
        beyond = mean_of(lost, self.alpha)
        return found, "cheap" if beyond.upper < 0 else "dear" if beyond.lower > 0 else "undecided"


def _sets(side: _Side, chances: Floats, known: Mask) -> Iterator[tuple[tuple[int, ...], Floats]]:
    """The best smaller sets of arms, fewest first, and what each entry does then."""
    columns = [np.bincount(side.taken, column, chances.shape[0]) for column in side.scores.T]
    sums: Floats = np.stack(columns, axis=1).astype(np.float64)
    used = tuple(int(arm) for arm in np.flatnonzero(np.where(known[:, None], chances, 0.0).sum(axis=0) > 0))
    larger = used
    found = []
    for size in range(len(used) - 1, 0, -1):
        among = used if comb(len(used), size) <= _MOST_SETS else larger
        made = ((arms, _without(arms, chances, sums)) for arms in combinations(among, size))
        best = max(made, key=lambda one: float(np.nansum(one[1] * sums)))
        larger = best[0]
        found.append(best)
    yield from reversed(found)


def _without(arms: tuple[int, ...], chances: Floats, sums: Floats) -> Floats:
    """Chances when only some arms stay: shared in proportion, else the best of them for the entry."""
    stay = np.zeros(chances.shape[1], dtype=bool)
    stay[list(arms)] = True
    left = np.where(stay, chances, 0.0)
    total = left.sum(axis=1, keepdims=True)
    overall = sums.sum(axis=0)
    by_entry = np.where((sums != 0).any(axis=1, keepdims=True), sums, overall)
    best = np.where(stay, by_entry, -np.inf).argmax(axis=1)
    alone = np.eye(chances.shape[1])[best]
    found: Floats = np.where(total > 0, left / np.where(total > 0, total, 1.0), alone)
    found[np.isnan(chances).any(axis=1)] = np.nan
    return found


def _rules(first: _Side, judge: _Judge, removable: Mask, chances: Floats, least: int) -> Iterator[Dropped]:
    """Rules in the order of what leaving them out costs on the first half, as judged on the second."""
    second = judge.side
    candidates = [int(entry) for entry in np.flatnonzero(removable)]
    few = [entry for entry in candidates if min(_units(first, entry), _units(second, entry)) < least]
    left = [entry for entry in candidates if entry not in few]
    gone = np.zeros(removable.size, dtype=bool)
    taken, judged = first.taken.copy(), second.taken.copy()
    while left:
        entry, after = min(
            ((entry, _after(first, taken, gone, entry)) for entry in left),
            key=lambda one: _loss(first, taken, one[1], one[0], chances),
        )
        share = float((judged == entry).mean())
        judged[judged == entry] = _after(second, judged, gone, entry)
        taken[taken == entry] = after
        gone[entry] = True
        left.remove(entry)
        cost, word = judge(judged, chances)
        yield Dropped(entry, share, cost, "undecided" if np.isnan(cost.value) else word)
    for entry in few:
        yield Dropped(entry, float((second.taken == entry).mean()), NO_MEAN, "too few")


def _after(side: _Side, taken: Codes, gone: Mask, entry: int) -> Codes:
    """Where the units of an entry come to when it goes too."""
    without = gone.copy()
    without[entry] = True
    return side.next(np.flatnonzero(taken == entry), without)


def _loss(side: _Side, taken: Codes, after: Codes, entry: int, chances: Floats) -> float:
    """Σ of what the units of an entry earn less elsewhere; infinite where that is not known."""
    here = taken == entry
    lost = float((side.scores[here] * (chances[entry] - chances[after])).sum())
    return float("inf") if np.isnan(lost) else lost


def _units(side: _Side, entry: int) -> int:
    """Units of the rarest arm among those that an entry takes."""
    return int(np.bincount(side.arms[side.taken == entry], minlength=side.scores.shape[1]).min())


def _standard_errors(values: Floats) -> float:
    """Three of them, of the mean."""
    return 3 * float(values.std(ddof=1)) / float(np.sqrt(values.size))
