"""A policy tree: which arm for which segment, by one or two questions about what is known of a unit.

Doubly robust scores say what every unit would have earned under every arm. At each node the question is asked over
which the difference of two arms differs most, in standard errors, and only where that is more than the largest of so
many differences by chance (5 %, Bonferroni over the questions that the node could ask). A question that leaves the same
arm on both sides is taken back. All of it is chosen on one half of the units; ``segments`` judges it on the other.

The depth-first search is greedy, where the paper's is over all trees of the depth: a question is a test here, and what
no single question shows is not looked for.

References:
    Athey, Wager (2021), Policy learning with observational data. Econometrica 89(1). Zhou, Athey, Wager (2023), Offline
    multi-action policy learning. Operations Research 71(1), section 4. Athey, Imbens (2016), Recursive partitioning for
    heterogeneous causal effects. PNAS 113(27) (honesty).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from seatrial.bandits.posterior import Floats

DEPTH = 2
CHANCE = 0.05
"""Of a question at a node where all units are alike."""
_MOST_CUTS, _MOST_LEVELS = 19, 40
_ALIKE = 1e-9

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """What is known of every unit under one name.

    Attributes:
        name: For people and rules.
        values: Shape [n]: numbers (NaN is missing), or levels of any kind that is equal to itself (None is missing).
    """

    name: str
    values: NDArray[Any]

    @property
    def ordered(self) -> bool:
        """Whether values are numbers to be cut, not levels."""
        return bool(np.issubdtype(self.values.dtype, np.floating))


class Question(NamedTuple):
    """Whether a value is below a cut, or is a level; no for one that is missing."""

    name: str
    relation: Literal["<", "=="]
    value: Any


class Rule(NamedTuple):
    """Units that meet all questions, and no rule before, get the arm; without questions: all that are left."""

    questions: tuple[Question, ...]
    arm: int


def met(questions: Sequence[Question], columns: Sequence[Column]) -> Mask:
    """Which units meet all questions, shape [n]."""
    by_name = {column.name: column for column in columns}
    found = np.ones(columns[0].values.size if columns else 0, dtype=bool)
    for question in questions:
        values = by_name[question.name].values
        found &= values < question.value if question.relation == "<" else values == question.value
    return found


def leaves(rules: Sequence[Rule], columns: Sequence[Column], count: int) -> Codes:
    """The number of the rule that takes each unit, shape [count]; the last rule has no questions."""
    taken = np.full(count, len(rules) - 1, dtype=np.int64)
    for number in range(len(rules) - 2, -1, -1):
        taken[met(rules[number].questions, columns)] = number
    return taken


def policy_tree(scores: Floats, arms: Codes, binned: "Sequence[Coded]", least: int) -> tuple[Rule, ...]:
    """The rules of the tree, in first-match order; the last takes whatever is left.

    Args:
        scores: Of every unit under every arm, shape [n, K].
        arms: Which each got, shape [n].
        binned: What may be asked about.
        least: Units of each arm on either side of a question.
    """
    return _shorter(_grown(scores, arms, binned, np.arange(arms.size), DEPTH, least))


class Coded(NamedTuple):
    """A column as numbers of bins; 0: missing, or no level that is asked about."""

    codes: Codes
    bins: int
    questions: tuple[Question, ...]
    ordered: bool

    def of(self, rows: Codes) -> "Coded":
        """Of some of the units."""
        return self._replace(codes=self.codes[rows])


def coded(column: Column) -> Coded:
    """A column as bins: between 19 quantiles of a number, or the 40 most frequent levels."""
    values = column.values
    if column.ordered:
        known = values[~np.isnan(values)]
        steps = np.linspace(0, 1, _MOST_CUTS + 2)[1:-1]
        cuts = np.unique(np.quantile(known, steps, method="higher")) if known.size else np.zeros(0)
        codes = np.where(np.isnan(values), 0, 1 + np.searchsorted(cuts, values, side="right"))
        questions = tuple(Question(column.name, "<", float(cut)) for cut in cuts)
        return Coded(codes.astype(np.int64), 2 + cuts.size, questions, True)
    levels = values.tolist()
    counted = Counter(levels)
    del counted[None]
    often = sorted(counted, key=lambda level: (-counted[level], str(level)))[:_MOST_LEVELS]
    number = defaultdict(int, {level: at + 1 for at, level in enumerate(often)})
    codes = np.fromiter(map(number.__getitem__, levels), dtype=np.int64, count=len(levels))
    return Coded(codes, 1 + len(often), tuple(Question(column.name, "==", level) for level in often), False)


def _grown(scores: Floats, arms: Codes, binned: Sequence[Coded], rows: Codes, depth: int, least: int) -> list[Rule]:
    best = Rule((), int(scores[rows].mean(axis=0).argmax())) if rows.size else Rule((), 0)
    found = _question(scores, arms, binned, rows, least) if depth else None
    if found is None:
        return [best]
    column, at = found
    codes = column.codes[rows]
    yes = (codes >= 1) & (codes <= at + 1) if column.ordered else codes == at + 1
    sides = [_grown(scores, arms, binned, rows[side], depth - 1, least) for side in (yes, ~yes)]
    if len(sides[0]) == len(sides[1]) == 1 and sides[0][0].arm == sides[1][0].arm:
        return [best]
    asked = column.questions[at]
    return [rule._replace(questions=(asked, *rule.questions)) for rule in sides[0]] + sides[1]


def _question(
    scores: Floats, arms: Codes, binned: Sequence[Coded], rows: Codes, least: int
) -> tuple[Coded, int] | None:
    """The question whose sides differ most, and enough not to be chance.

    Of two that part the units alike (of two countries, either) that which fewer meet: the exception is the rule.
    """
    found: list[tuple[float, Coded, int]] = []
    asked = 0
    count = scores.shape[1]
    got = [(arms[rows] == arm).astype(np.float64) for arm in range(count)]
    for column in binned:
        codes = column.codes[rows]
        units = np.stack([_sides(column, codes, of_arm) for of_arm in got])
        enough = (units >= least).all(axis=(0, 1))
        for one, other in combinations(range(count), 2):
            distance = _distance(column, codes, scores[rows, one] - scores[rows, other])[enough]
            asked += distance.size
            if distance.size:
                alike = np.flatnonzero(distance >= distance.max() * (1 - _ALIKE))
                best = int(alike[units[:, 0, enough].sum(axis=0)[alike].argmin()])
                found.append((float(distance[best]), column, int(np.flatnonzero(enough)[best])))
    if not asked:
        return None
    most, column, at = max(found, key=lambda one: one[0])
    return (column, at) if most > -float(ndtri(CHANCE / (2 * asked))) else None


def _distance(column: Coded, codes: Codes, differences: Floats) -> Floats:
    """Between the means of either side of each question, in standard errors; shape [questions]."""
    n, total, squares = (_sides(column, codes, values) for values in (None, differences, differences**2))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        variance = np.maximum(squares / n - mean**2, 0.0) / (n - 1)
        found: Floats = np.abs(mean[0] - mean[1]) / np.sqrt(variance.sum(axis=0))
    return np.where(np.isfinite(found), found, 0.0)


def _sides(column: Coded, codes: Codes, values: Floats | None) -> Floats:
    """Sums over those who answer yes and no, shape [2, questions]; None counts them."""
    sums = np.bincount(codes, weights=values, minlength=column.bins).astype(np.float64)
    yes = np.cumsum(sums[1:])[: len(column.questions)] if column.ordered else sums[1:]
    return np.stack([yes, sums.sum() - yes])


def _shorter(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Without rules that give what is given below anyway, where nothing lies between."""
    kept = list(rules)
    while len(kept) > 1 and kept[-2].arm == kept[-1].arm:
        del kept[-2]
    return tuple(kept)
