"""How many units one look by ranks needs, told by past values that are moved as the effect says.

What counts is the chance that a moved value lies above one that was not (equal ones counted half), and its spread: that
of the placements, and in the test itself that of two arms alike, or where values are tied the larger of both, as in
``brunner_munzel``. Without ties and for small effects this is Noether's formula.

References:
    Noether (1987), Sample size determination for some common nonparametric tests, JASA 82(398).
    Brunner, Munzel (2000), The nonparametric Behrens-Fisher problem: asymptotic theory and a small-sample
    approximation, Biometrical Journal 42(1).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.by_ranks import TIED
from seatrial.stats.contrast import Margin
from seatrial.stats.few_power import least_relabelled
from seatrial.stats.power import DEFAULT, MOST_UNITS, Design

Floats = NDArray[np.float64]


class Moved(NamedTuple):
    """Past values beside themselves moved.

    Attributes:
        above: The chance that a moved one lies above another's that was not, equal ones counted half.
        equal: The chance that they are equal.
        spread_moved: Variance of the moved ones' places among the others, 0 to 1/4.
        spread: That of the others' among the moved.
        alike: That if both were alike: 1/12 without ties.
    """

    above: float
    equal: float
    spread_moved: float
    spread: float
    alike: float


def move(values: ArrayLike, by: Margin) -> Moved:
    """Past values [n], two or more, moved: ``relative`` multiplies by 1 + size, ``absolute`` adds the size.

    No unit is compared with itself.
    """
    own = np.sort(np.asarray(values, dtype=np.float64).ravel())
    moved = own * (1 + by.size) if by.scale == "relative" else own + by.size
    n = own.size
    below, until = (np.searchsorted(own, moved, end) for end in ("left", "right"))
    back = (np.searchsorted(moved, own, "left") + np.searchsorted(moved, own, "right")) / (2 * n)
    themselves = np.count_nonzero(moved > own) + np.count_nonzero(moved == own) / 2
    pairs = n * (n - 1)
    _, sizes = np.unique(np.concatenate([own, moved]), return_counts=True)
    return Moved(
        above=float((float((below + until).sum()) / 2 - themselves) / pairs),
        equal=float((float((until - below).sum()) - np.count_nonzero(moved == own)) / pairs),
        spread_moved=float(((below + until) / (2 * n)).var()),
        spread=float(back.var()),
        alike=(1 - float((sizes / (2 * n)) @ (sizes / (2 * n)) ** 2) if np.any(sizes > 1) else 1.0) / 12,
    )


def equal_pairs(values: ArrayLike) -> float:
    """The chance that two of the values [n] are equal."""
    _, sizes = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    n = int(sizes.sum())
    return float((sizes.astype(np.float64) * (sizes - 1)).sum()) / (n * (n - 1))


def move_for_effect(values: ArrayLike, by: Margin, metric: str) -> Moved:
    """The same for an effect that is to be seen.

    Raises:
        BadInput: It is none, or equal values would no longer be equal: what an effect does to those is not known.
    """
    if by.size == 0:
        raise BadInput("a difference of 0 needs infinitely many units; say which effect matters")
    found, before = move(values, by), equal_pairs(values)
    if before - found.equal > TIED:
        how = "adding to" if by.scale == "absolute" else "multiplying"
        other = "as relative:…, or " if by.scale == "absolute" else ""
        raise BadInput(
            f"{before:.0%} of the pairs of {metric!r} are equal, and {how} every value would part them, which no real "
            f"effect does; ask {other}without compare=ranks"
        )
    if found.above == 0.5:
        raise BadInput(
            f"no value of {metric!r} passes another's by such an effect, and ranks do not see it; ask a larger"
        )
    return found


def move_for_margin(values: ArrayLike, by: float, metric: str) -> Moved:
    """The same for a margin, in the metric's unit, that is to be kept by two arms alike.

    Raises:
        BadInput: Too many values are equal for the judge to tell a shift of them.
    """
    if equal_pairs(values) > TIED:
        raise BadInput(
            f"{equal_pairs(values):.0%} of the pairs of {metric!r} are equal, and ranks tell no margin of such values; "
            "ask without compare=ranks"
        )
    return move(values, Margin("absolute", by))


def power_of_ranks(moved: Moved, units: float, design: Design = DEFAULT) -> float:
    """The chance that one look shows it with so many units of all arms, 0 to 1."""
    tested, true = _spreads(moved, design)
    far = abs(moved.above - 0.5) * math.sqrt(units) - _z(design) * tested
    return float(ndtr(far / true)) if true > 0 else float(far > 0)


def units_of_ranks(moved: Moved, design: Design = DEFAULT) -> int:
    """Units of all arms with which one look shows it with the design's power.

    Raises:
        BadInput: More than anybody has are needed.
    """
    tested, true = _spreads(moved, design)
    reach = _z(design) * tested + float(ndtri(design.power)) * true
    gap = abs(moved.above - 0.5)
    units = (reach / gap) ** 2 if gap else math.inf
    if units > MOST_UNITS:
        raise BadInput(f"showing this takes more than {MOST_UNITS:g} units; ask for a larger effect or margin")
    return max(math.ceil(units), least_relabelled((design.share, design.control), design.each / design.sides))


def _spreads(moved: Moved, design: Design) -> tuple[float, float]:
    """Standard errors of the chance times the root of the units of all arms: the test's, and the true one."""
    a, b = design.share, design.control
    true = moved.spread_moved / a + moved.spread / b
    alike = moved.alike * (1 / a + 1 / b)
    return math.sqrt(max(alike, true) if moved.equal > 0 else alike), math.sqrt(true)


def _z(design: Design) -> float:
    return float(ndtri(1 - design.each / design.sides))
