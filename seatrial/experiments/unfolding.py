"""What units did around their exposure: in the first third of the window, in the rest of it, and before.

An effect that is one thing in the first third and another after it is not settled (novelty). Arms that differ before
anybody was exposed were not drawn alike, or something earlier carries over. Both are told of sums and counts of one
outcome, each where it happened; they warn and decide nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.counted import Counted
from seatrial.spec.deployment import MetricSpec
from seatrial.stats.effect import Effect
from seatrial.stats.moments import PairMoments
from seatrial.stats.novelty import change_of, course_of

Values = NDArray[np.float64]

PARTS = ("opening", "rest", "before")
"""Columns of a measure that unfolds, by unit: its totals of the three stretches of time."""


class Around(NamedTuple):
    """Totals by unit [n] of the first third of its window, of the rest, and of as long before its exposure."""

    opening: Values
    rest: Values
    before: Values

    def capped(self, cap: float | None) -> "Around":
        """Each limited as the metric's own totals are."""
        return self if cap is None else Around(*(np.minimum(part, cap) for part in self))


class Unfolding(NamedTuple):
    """How a metric came about.

    Attributes:
        change: Of the log of the arms' ratio, from the first third of the window to the rest; None where a stretch has
            too few events to tell.
        early: The effect in the first third, relative to the champion; None likewise.
        late: After it, likewise.
        before: The difference of the arms before the exposure; None where nothing happened.
    """

    change: Effect | None = None
    early: float | None = None
    late: float | None = None
    before: Effect | None = None


def unfolds(spec: MetricSpec, *, label: bool) -> bool:
    """Whether a metric's window can be told early from late."""
    return spec.kind in ("mean", "proportion") and spec.within is not None and not label


def around_sql(value: str, arrived: str, skew: int) -> str:
    """Aggregates for ``PARTS``.

    Args:
        value: What one outcome adds.
        arrived: The condition that it was there when its unit matured.
        skew: Microseconds that an outcome may lie before the exposure that it follows.
    """
    third = "a.first_at + ${p}within // 3"
    whens = (
        f"a.t BETWEEN a.first_at - {skew} AND {third}",
        f"a.t > {third} AND a.t <= a.first_at + ${{p}}within",
        f"a.t >= a.first_at - ${{p}}within AND a.t < a.first_at - {skew}",
    )
    return ", ".join(
        f"sum({value}) FILTER ({when} AND {arrived}) AS {part}" for part, when in zip(PARTS, whens, strict=True)
    )


def unfolding(counted: Counted, around: Around) -> Unfolding:
    """Within strata of constant chance, then combined; only units that are counted."""
    happened = bool(np.any(around.before[counted.here] != 0))
    before = counted.gap_of(around.before) if happened else None
    course = np.full(len(counted.here), np.nan)
    for here in counted.parts().values():
        sides = [here & side for side in (counted.treatment, ~counted.treatment)]
        arms = [PairMoments.from_values(around.opening[side], around.rest[side]) for side in sides]
        if change_of(arms[0], arms[1]) is None:
            continue
        for side, arm in zip(sides, arms, strict=True):
            course[side] = course_of(arm, around.opening[side], around.rest[side])
    told = counted.where(np.isfinite(course))
    if not told.n:
        return Unfolding(before=before)
    early, late = told.gap_of(around.opening), told.gap_of(around.rest)
    return Unfolding(told.gap_of(np.nan_to_num(course)), early.relative, late.relative, before)
