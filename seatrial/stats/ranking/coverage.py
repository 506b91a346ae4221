"""How much of the catalogue is ever shown: by one variant, with the interval that its number of units allows.

What is never shown cannot be clicked, so a variant with a small coverage feeds on itself. Coverage grows with traffic:
variants are compared at the same number of units, which is what the interval's resamples without replacement do.

References:
    Ge, Delgado-Battenfeld, Jannach (2010), Beyond accuracy: evaluating recommender systems by coverage and serendipity,
    RecSys.
    Politis, Romano, Wolf (1999), Subsampling.
    Colwell, Mao, Chang (2004), Interpolating, extrapolating, and comparing incidence-based species accumulation curves,
    Ecology 85(10) (the expected coverage of a smaller sample, and its variance).
"""

import math
from collections.abc import Hashable, Iterable, Mapping

import msgspec
import numpy as np
from scipy.special import gammaln, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, check_alpha


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Catalogue coverage.

    Attributes:
        share: Expected share of the catalogue shown to ``units`` units.
        interval: At 1 - alpha, for one look.
        shown: Different items that were shown to anybody.
        units: The number of units that the share is told for.
    """

    share: float
    interval: Interval
    shown: int
    units: int


def catalogue_coverage(
    shown_to: Mapping[Hashable, int] | Iterable[int],
    units: int,
    catalogue: int,
    *,
    at: int | None = None,
    alpha: float = 0.05,
) -> Coverage:
    """Coverage from how many units each item was shown to.

    Args:
        shown_to: Units that saw each item, items shown to nobody left out.
        units: Units of the variant.
        catalogue: Items there are.
        at: Tell it for so many units, at most ``units`` (None: all): the smaller arm's number makes arms comparable.
        alpha: The interval covers 1 - alpha.

    Raises:
        BadInput: Counts that cannot be.
    """
    counts = np.array(list(shown_to.values() if isinstance(shown_to, Mapping) else shown_to), dtype=np.float64)
    counts = counts[counts > 0]
    size = units if at is None else at
    if not (0 < size <= units and counts.size <= catalogue and (not counts.size or counts.max() <= units)):
        raise BadInput(
            f"{counts.size} items shown of {catalogue}, told for {size} of {units} units, cannot be; "
            "count units an item, not requests"
        )
    missed = np.exp(_log_miss(counts, units, size))
    expected = float((1 - missed).sum())
    # Colwell's: unseen items widen it, by the incidence-based Chao estimate of how many there are.
    once, twice = float((counts == 1).sum()), float((counts == 2).sum())
    unseen = (units - 1) / units * (once * once / (2 * twice) if twice else once * (once - 1) / 2)
    everything = min(counts.size + unseen, float(catalogue))
    variance = max(float(((1 - missed) ** 2).sum()) - expected**2 / everything, 0.0) if everything else 0.0
    half = float(ndtri(1 - check_alpha(alpha) / 2)) * math.sqrt(variance) / catalogue
    share = expected / catalogue
    return Coverage(
        share=share,
        interval=Interval(max(0.0, share - half), min(1.0, share + half)),
        shown=int(counts.size),
        units=size,
    )


def _log_miss(
    counts: "np.ndarray[tuple[int], np.dtype[np.float64]]", units: int, size: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """ln of the chance that none of ``size`` units drawn without replacement saw the item."""
    left = units - counts
    possible = left >= size
    inner = np.where(possible, left, size)
    log = gammaln(inner + 1) - gammaln(inner - size + 1) - gammaln(units + 1) + gammaln(units - size + 1)
    return np.where(possible, log, -np.inf)
