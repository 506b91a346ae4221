"""Which segments are worth a rule: a policy tree chosen on one half of the units and judged on the other.

Half A chooses the tree and the best single arm; on half B, which chose nothing, both are evaluated, and every leaf
(Bonferroni over the leaves). There is advice only where the lower limit of the tree's gain over the best single arm is
above 0, and over every other single arm too: half A may have taken the wrong one for the best. So of worlds without
segments at most α/2 see advice, whatever the tree was chosen by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seatrial.bandits.covariates import covariates, uneven
from seatrial.bandits.logged import Logged
from seatrial.bandits.policy_tree import Codes, Column, Rule, coded, leaves, policy_tree
from seatrial.bandits.scores import HALVES, NO_MEAN, Half, Mean, cannot_tell, check_units, halves, mean_of

LEAST = 500
"""Units of each arm in each leaf, on either half."""
NOTHING = "No segment is worth a rule"


class Leaf(NamedTuple):
    """A rule on half B.

    Attributes:
        rule: Whom it takes and which arm they get.
        share: Of the units, 0 to 1.
        units: Of each arm.
        gain: A unit of the leaf, over the best single arm; the intervals of all leaves hold together.
    """

    rule: Rule
    share: float
    units: tuple[int, ...]
    gain: Mean


@dataclass(frozen=True)
class Segments:
    """What was found.

    Attributes:
        units: On both halves.
        single: The best single arm.
        leaves: Of the tree, in first-match order; empty: no question was worth asking.
        single_value, tree_value: What a unit earns under either.
        gain: The tree's over the best single arm, a unit of all.
        refusals: Why nothing is advised, a sentence each; empty: the rules are worth it.
        left_out: Columns that are not asked about, because they differ between the arms.
    """

    units: int
    single: int
    leaves: tuple[Leaf, ...]
    single_value: Mean
    tree_value: Mean
    gain: Mean
    refusals: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def find_segments(
    logged: Logged,
    columns: Sequence[Column],
    names: Sequence[str],
    *,
    alpha: float = 0.05,
    seed: int = 0,
    least: int = LEAST,
) -> Segments:
    """Looks for segments where another arm is better.

    Args:
        logged: One row a unit, drawn by chance; more is better. ``contexts`` sharpen the scores, and where there are
            none ``columns`` do.
        columns: What a rule may ask about, each [n].
        names: Of the arms.
        alpha: Intervals cover 1 - alpha.
        seed: Of the halves.
        least: Units of each arm in each leaf.

    Raises:
        BadInput: A unit has several rows, or columns are not of one length.
    """
    check_units(logged, columns)
    silent = cannot_tell(logged, names, 2 * HALVES * least)
    if silent:
        return Segments(logged.units.size, 0, (), NO_MEAN, NO_MEAN, NO_MEAN, silent)
    binned = [coded(column) for column in columns]
    left_out = uneven(logged, binned, len(names))
    asked = [column for at, column in enumerate(columns) if at not in left_out]
    binned = [bins for at, bins in enumerate(binned) if at not in left_out]
    contexts = covariates(asked, binned, logged.units.size) if logged.contexts is None else logged.contexts
    chosen, judged = halves(logged, contexts, len(names), seed)
    rules = policy_tree(chosen.scores, chosen.arms, [bins.of(chosen.rows) for bins in binned], least)
    single = int(chosen.scores.mean(axis=0).argmax())
    taken = leaves(rules, [_taken(column, judged.rows) for column in asked], judged.rows.size)
    return _judged(judged, taken, rules, single, names, alpha, least, tuple(columns[at].name for at in left_out))


def _judged(
    half: Half,
    taken: Codes,
    rules: tuple[Rule, ...],
    single: int,
    names: Sequence[str],
    alpha: float,
    least: int,
    left_out: tuple[str, ...],
) -> Segments:
    ours = half.scores[np.arange(taken.size), np.array([rule.arm for rule in rules])[taken]]
    gains = ours - half.scores[:, single]
    found = tuple(
        Leaf(
            rule,
            float((taken == number).mean()),
            tuple(np.bincount(half.arms[taken == number], minlength=len(names)).tolist()),
            mean_of(gains[taken == number], alpha / len(rules)),
        )
        for number, rule in enumerate(rules)
    )
    over = [mean_of(ours - half.scores[:, arm], alpha) for arm in range(len(names))]
    return Segments(
        half.rows.size * HALVES,
        single,
        found if len(rules) > 1 else (),
        mean_of(half.scores[:, single], alpha),
        mean_of(ours, alpha),
        over[single],
        refusals(found, over, single, names, least),
        left_out,
    )


def refusals(
    found: Sequence[Leaf], over: Sequence[Mean], single: int, names: Sequence[str], least: int
) -> tuple[str, ...]:
    """Why a tree is not advised, a sentence; empty: it is.

    Args:
        found: Its leaves.
        over: Its gain over each single arm.
        single: The one that half A took for the best.
    """
    if len(found) == 1:
        return (f"{NOTHING}: no segment differs from the others by more than chance.",)
    if min(min(leaf.units) for leaf in found) < least:
        return (f"{NOTHING}: a segment has fewer than {least} units of a variant on the half that judges.",)
    for arm in (single, *(arm for arm in range(len(names)) if arm != single)):
        gain = over[arm]
        if not gain.lower > 0:
            return (
                f"{NOTHING}: what was found gains {gain.value:+.4g} a unit ({gain.lower:+.4g} to {gain.upper:+.4g}) "
                f"over {names[arm]} alone, on the half that did not choose it.",
            )
    return ()


def _taken(column: Column, rows: Codes) -> Column:
    return Column(column.name, column.values[rows])
