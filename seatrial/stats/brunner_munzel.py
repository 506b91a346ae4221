"""How often is a unit of the treatment above one of the control, equal ones counted half? For tied values. One look.

The chance P(T > C) + P(T = C) / 2 is one half where neither arm tends to larger values, whatever the shapes and ties.
Its standard error is that of the placements (each unit's share of the other arm below it), or where that is larger, the
one that holds where both arms are alike: a small arm has next to no spread of its own while its rare values have not
come (of 200 units beside 4 000, 1 % of which buy, 13 % claims without a difference).

References:
    Brunner, Munzel (2000), The nonparametric Behrens-Fisher problem: asymptotic theory and a small-sample
    approximation, Biometrical Journal 42(1).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from seatrial.stats.contrast import Margin
from seatrial.stats.degrees import satterthwaite
from seatrial.stats.evidence import Evidence, Levels, words
from seatrial.stats.interval import Interval, Side

Floats = NDArray[np.float64]


class Placed(NamedTuple):
    """Two arms' placements in each other.

    Attributes:
        above: P(treatment > control) + P(equal) / 2, 0 to 1.
        equal: P(equal), 0 to 1.
        variance: Of ``above``, each arm's own; NaN with fewer than two units in an arm.
        variance_pooled: The same if both arms are alike.
        degrees: Degrees of freedom of the first.
        others: Units with another than the most common value, in the arm with fewer of them.
    """

    above: float
    equal: float
    variance: float
    variance_pooled: float
    degrees: float
    others: int

    @property
    def se(self) -> float:
        """The standard error of ``above``: the larger one."""
        return math.sqrt(max(self.variance, self.variance_pooled))


def placed(treatment: ArrayLike, control: ArrayLike) -> Placed:
    """Of values [n] against [m], one or more each, none missing."""
    t, c = (np.sort(np.asarray(values, dtype=np.float64).ravel()) for values in (treatment, control))
    below, above = np.searchsorted(c, t, "left"), np.searchsorted(c, t, "right")
    of_t, of_c = (below + above) / (2 * c.size), _middle(c, t)
    values, sizes = np.unique(np.concatenate([t, c]), return_counts=True)
    n, whole = t.size * c.size, t.size + c.size
    tied = float((sizes.astype(np.float64) ** 3 - sizes).sum())
    common = values[sizes.argmax()]
    v, w = _variance(of_t), _variance(of_c)
    return Placed(
        above=float(of_t.mean()),
        equal=float((above - below).sum()) / n,
        variance=v + w,
        variance_pooled=(whole + 1 - tied / (whole * (whole - 1))) / (12 * n),
        degrees=satterthwaite(v, t.size, w, c.size) if min(t.size, c.size) > 1 else math.nan,
        others=min(int(np.count_nonzero(arm != common)) for arm in (t, c)),
    )


def above_evidence(found: Placed, levels: Levels) -> Evidence:
    """What is known of ``above`` - 1/2, from two units an arm; margins other than 0 have no meaning on its scale."""
    low, high = (
        max(float(stdtrit(found.degrees, 1 - e.one_sided)) for e in end) for end in (levels.lower, levels.upper)
    )
    effect = found.above - 0.5
    interval = Interval(max(effect - low * found.se, -0.5), min(effect + high * found.se, 0.5))
    t = effect / found.se

    def p_value(_shift: Margin, side: Side) -> float:
        if side == "two":
            return min(1.0, 2 * float(stdtr(found.degrees, -abs(t))))
        return float(stdtr(found.degrees, -t if side == "lower" else t))

    return Evidence(
        method=words(levels, "by ranks of tied values (Brunner-Munzel) for one look"),
        absolute=interval,
        relative=None,
        beyond=lambda _shift: interval,
        p_value=p_value,
    )


def _middle(values: Floats, others: Floats) -> Floats:
    below, above = np.searchsorted(others, values, "left"), np.searchsorted(others, values, "right")
    found: Floats = (below + above) / (2 * others.size)
    return found


def _variance(placements: Floats) -> float:
    return float(placements.var(ddof=1)) / placements.size if placements.size > 1 else math.nan
