"""Ratios from a stratified sample: each stratum's labelled members stand for all of it, by their probability.

A ratio of totals Y / X over a population in strata of known sizes, estimated by the combined ratio of weighted totals;
a share is the ratio whose X is 1. Unlabelled members are taken to be missing at random inside their stratum.

References:
    Cochran (1977), Sampling Techniques, 3rd edition, sections 5.4 and 6.11 (the combined ratio estimate).
"""

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import check_alpha


class Weighted(msgspec.Struct, frozen=True, kw_only=True):
    """A weighted ratio.

    Attributes:
        value: Y / X; None where X is 0.
        lower, upper: 1 - alpha interval, normal approximation; None where a stratum has one label of many members.
        labelled: Members that it rests on.
    """

    value: float | None
    lower: float | None
    upper: float | None
    labelled: int


def weighted_ratio(
    y: ArrayLike, x: ArrayLike, strata: ArrayLike, sizes: Mapping[str, int], alpha: float = 0.05
) -> Weighted:
    """The ratio over the whole population.

    Args:
        y: Above the line, one a labelled member [n].
        x: Below it [n].
        strata: The stratum of each [n].
        sizes: Members of each stratum in the population; strata without a label are left out of it.
        alpha: The interval's.

    Raises:
        BadInput: More labels than members in a stratum, or a stratum of unknown size.
    """
    above, below = np.asarray(y, dtype=np.float64), np.asarray(x, dtype=np.float64)
    names = np.asarray(strata).astype(str)
    present = sorted(set(names.tolist()))
    for name in present:
        n = int((names == name).sum())
        if n > sizes.get(name, 0):
            raise BadInput(f"stratum {name!r} has {n} labels of {sizes.get(name, 0)} members; check the file")
    total_y = sum(sizes[name] * float(above[names == name].mean()) for name in present)
    total_x = sum(sizes[name] * float(below[names == name].mean()) for name in present)
    if not total_x:
        return Weighted(value=None, lower=None, upper=None, labelled=len(names))
    ratio = total_y / total_x
    left = above - ratio * below
    parts = [_variance(left[names == name], sizes[name]) for name in present]
    half = float(ndtri(1 - check_alpha(alpha) / 2)) * math.sqrt(sum(parts)) / abs(total_x)
    known = math.isfinite(half)
    return Weighted(
        value=ratio, lower=ratio - half if known else None, upper=ratio + half if known else None, labelled=len(names)
    )


def _variance(left: np.ndarray[tuple[int], np.dtype[np.float64]], size: int) -> float:
    """Of a stratum's estimated total; infinite where one label stands for several members."""
    n = len(left)
    if n == size:
        return 0.0
    return math.inf if n < 2 else size * size * (1 - n / size) * float(left.var(ddof=1)) / n


def allocate(sizes: Mapping[str, int], wanted: int, least: int = 2) -> dict[str, int]:
    """How many to draw of each stratum: in proportion, at least ``least`` of each (all of smaller ones)."""
    total = sum(sizes.values())
    return {
        name: min(size, max(least, math.floor(wanted * size / total + 0.5))) for name, size in sizes.items() if size > 0
    }
