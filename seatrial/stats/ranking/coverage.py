"""How much of the catalogue is ever shown: a number of a whole variant, by units, not a mean over them.

What is never shown cannot be clicked, so a variant with a small coverage feeds on itself. Coverage grows with traffic,
so two variants are compared at the same number of units: the expected coverage of so many of them, drawn without
replacement, which has a closed form. Its error is the delete-one jackknife by unit, likewise in closed form: a unit's
lists stay together, so items that are shown together count as that. On average it is not too small (Efron and Stein);
for the rare items of a small sample it is somewhat large. One look.

References:
    Ge, Delgado-Battenfeld, Jannach (2010), Beyond accuracy: evaluating recommender systems by coverage and serendipity,
    RecSys.
    Colwell, Mao, Chang (2004), Interpolating, extrapolating, and comparing incidence-based species accumulation curves,
    Ecology 85(10) (the expected coverage of a smaller sample).
    Tukey (1958), Bias and confidence in not-quite large samples, Ann. Math. Statist. 29; Efron, Stein (1981), The
    jackknife estimate of variance, Ann. Statist. 9(3).
"""

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, TestResult, check_alpha

Floats = NDArray[np.float64]

METHOD = "delete-one jackknife by unit"


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Catalogue coverage.

    Attributes:
        share: Expected share of the catalogue shown to ``at`` units.
        se: Its jackknife error; NaN with one unit, or told for all.
        interval: At 1 - alpha, for one look; None without an error.
        at: The number of units that the share is told for.
        shown: Different items that were shown to anybody.
        units: Units of the variant.
    """

    share: float
    se: float
    interval: Interval | None
    at: int
    shown: int
    units: int


def catalogue_coverage(
    units: ArrayLike, items: ArrayLike, of: int, catalogue: int, *, at: int | None = None, alpha: float = 0.05
) -> Coverage:
    """Coverage from who was shown what.

    Args:
        units: Whose each showing is [m]: any labels.
        items: What was shown [m]: any labels; the same item to the same unit counts once.
        of: Units of the variant, those who were shown nothing too.
        catalogue: Items there are.
        at: Tell it for so many units, at most ``of`` (None: all, of which there is no jackknife error).
        alpha: The interval covers 1 - alpha.

    Raises:
        BadInput: Counts that cannot be.
    """
    check_alpha(alpha)
    owners, unit = np.unique(np.asarray(units).ravel(), return_inverse=True)
    things, item = np.unique(np.asarray(items).ravel(), return_inverse=True)
    size = of if at is None else at
    if unit.size != item.size or not (0 < size <= of and owners.size <= of and 0 < things.size <= catalogue):
        raise BadInput(
            f"{things.size} items shown of {catalogue} to {owners.size} units, told for {size} of {of} units, cannot "
            "be; count the whole catalogue, and every unit"
        )
    pairs = np.unique(unit * things.size + item)
    unit, item = pairs // things.size, pairs % things.size
    seen_by = np.bincount(item, minlength=things.size).astype(np.float64)
    share = float((1 - _missed(of - seen_by, of, size)).sum()) / catalogue
    se = _jackknife(unit, item, seen_by, of, size) / catalogue if size < of else math.nan
    half = float(ndtri(1 - alpha / 2)) * se
    return Coverage(
        share=share,
        se=se,
        interval=None if math.isnan(se) else Interval(max(0.0, share - half), min(1.0, share + half)),
        at=size,
        shown=int(things.size),
        units=of,
    )


def coverage_difference(treatment: Coverage, control: Coverage, alpha: float = 0.05) -> TestResult:
    """Of two variants' shares at the same number of units.

    Raises:
        BadInput: They are told for different numbers of units.
    """
    if treatment.at != control.at:
        raise BadInput(f"coverage of {treatment.at} and of {control.at} units are not comparable; tell both for one")
    effect, se = treatment.share - control.share, math.hypot(treatment.se, control.se)
    if not se > 0:
        return TestResult(method=METHOD, statistic=None, p_value=None, effect=effect, note="No error is known yet.")
    half = float(ndtri(1 - check_alpha(alpha) / 2)) * se
    return TestResult(
        method=METHOD,
        statistic=effect / se,
        p_value=2 * float(ndtr(-abs(effect) / se)),
        effect=effect,
        lower=effect - half,
        upper=effect + half,
        note=f"Of any {treatment.at} units of each; holds for one look (fixed), and is wide where items are rare.",
    )


def _jackknife(unit: NDArray[np.int64], item: NDArray[np.int64], seen_by: Floats, of: int, at: int) -> float:
    """Without a unit, the items that it alone or nearly alone saw are missed more often: a sum over what it saw."""
    still, fewer = _missed(of - 1 - seen_by, of - 1, at), _missed(of - seen_by, of - 1, at)
    lost = np.bincount(unit, weights=(fewer - still)[item], minlength=1)
    total, squares = float(lost.sum()), float((lost * lost).sum())  # units who saw nothing lose nothing
    return math.sqrt(max((of - 1) / of * (squares - total * total / of), 0.0))


def _missed(others: Floats, of: int, at: int) -> Floats:
    """The chance that ``at`` of ``of`` units, drawn without replacement, all come from the ``others`` [items]."""
    possible = others >= at
    inner = np.where(possible, others, at)
    log = gammaln(inner + 1) - gammaln(inner - at + 1) - gammaln(of + 1) + gammaln(of - at + 1)
    chance: Floats = np.exp(np.where(possible, log, -np.inf))
    return chance
