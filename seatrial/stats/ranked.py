"""Two samples by ranks, for one look: the Hodges-Lehmann shift, its interval, and Mann-Whitney's p-value."""

import numpy as np
from numpy.typing import ArrayLike

from seatrial.stats.contrast import Margin
from seatrial.stats.evidence import Evidence, Levels, words
from seatrial.stats.interval import Interval, Side
from seatrial.stats.mann_whitney import mann_whitney


def ranked_shift(treatment: ArrayLike, control: ArrayLike) -> float:
    """The Hodges-Lehmann shift of values [n] against [m]: the median of all differences, in their unit."""
    return mann_whitney(treatment, control).test.effect or 0.0


def ranked_evidence(treatment: ArrayLike, control: ArrayLike, levels: Levels) -> Evidence:
    """What ranks say of a shift; a relative margin is of the size of the control's mean.

    Raises:
        BadInput: An empty arm, or missing values.
    """
    t, c = np.asarray(treatment, dtype=np.float64), np.asarray(control, dtype=np.float64)
    low, high = (min(e.one_sided for e in end) for end in (levels.lower, levels.upper))
    found = mann_whitney(t, c, 2 * low)
    other = found if low == high else mann_whitney(t, c, 2 * high)
    interval = Interval(
        -np.inf if found.test.lower is None else found.test.lower,
        np.inf if other.test.upper is None else other.test.upper,
    )
    mean = abs(float(c.mean()))

    def by(shift: Margin) -> float:
        return shift.size * (mean if shift.scale == "relative" else 1.0)

    def beyond(shift: Margin) -> Interval:
        return Interval(interval.lower - by(shift), interval.upper - by(shift))

    def p_value(shift: Margin, side: Side) -> float:
        at = found if by(shift) == 0 else mann_whitney(t - by(shift), c)
        both = 1.0 if at.test.p_value is None else at.test.p_value
        if side == "two":
            return both
        return both / 2 if (at.p_above > 0.5) == (side == "lower") else 1 - both / 2

    return Evidence(
        method=words(levels, "by ranks (Mann-Whitney, Hodges-Lehmann) for one look"),
        absolute=interval,
        relative=None,
        beyond=beyond,
        p_value=p_value,
    )
