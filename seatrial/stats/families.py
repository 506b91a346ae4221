"""Several hypotheses as one family: at which level each is tested, and which are kept.

``holm`` holds the chance of any false claim; ``e-bh`` the share of claims that are false, under any dependence, from
e-values, which always-valid p-values become by a calibrator.

References:
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).
    Wang, Ramdas (2022), False discovery rate control with e-values, JRSS B 84(3).
    Xu, Wang, Ramdas (2024), Post-selection inference for e-value based confidence intervals, Electronic Journal of
    Statistics 18(1) (the level of the intervals of those that are kept).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from seatrial.stats.e_values import e_bh, e_from_p
from seatrial.stats.holm import holm
from seatrial.stats.interval import check_alpha

FamilyName = Literal["holm", "e-bh"]


class Member(NamedTuple):
    """One hypothesis of a family.

    Attributes:
        level: At which its interval is told.
        kept: Whether it is refuted as one of all.
        p_value: Adjusted by Holm; None for e-BH, which adjusts none.
    """

    level: float
    kept: bool
    p_value: float | None


def as_family(p_values: Mapping[str, float | None], alpha: float = 0.05, how: FamilyName = "holm") -> dict[str, Member]:
    """Every hypothesis' place, by name.

    Args:
        p_values: From 0 to 1; valid at every look where they are looked at often. None: of one that is not decided yet,
            which counts as one of the family all the same, as if it were 1.
        alpha: Chance of any false claim, or the share of claims that may be false.
        how: The method.
    """
    check_alpha(alpha)
    known = {name: 1.0 if p is None else p for name, p in p_values.items()}
    if how == "holm":
        levels = holm_alphas(known, alpha)
        adjusted: dict[str, float] = dict(zip(known, holm(list(known.values())), strict=True))
        return {
            name: Member(levels[name], p <= levels[name], None if p_values[name] is None else adjusted[name])
            for name, p in known.items()
        }
    kept = dict(zip(known, e_bh([e_from_p(p) for p in known.values()], alpha), strict=True))
    level = alpha * max(sum(kept.values()), 1) / max(len(kept), 1)
    return {name: Member(level, kept[name], None) for name in p_values}


def holm_alphas(p_values: Mapping[str, float], alpha: float) -> dict[str, float]:
    """The level at which each of several hypotheses is tested by Holm's steps, in the order given."""
    levels, left, rejecting = {}, len(p_values), True
    for name in sorted(p_values, key=lambda n: p_values[n]):
        levels[name] = alpha / left
        rejecting = rejecting and p_values[name] <= levels[name]
        if rejecting:
            left -= 1
    return {name: levels[name] for name in p_values}
