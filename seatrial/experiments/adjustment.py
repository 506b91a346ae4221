"""Whether covariates may be taken for what they claim to be, and the effect adjusted for them.

A value from before the exposure cannot know the variant, so its mean, and how often it is missing, must be the same in
both arms. Where a sequence at 0.001 shows otherwise of any, the plain estimate stands; adjusting for what the variant
moved would take away a part of the effect.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seatrial.experiments.balance import differs
from seatrial.experiments.counted import Counted, Values
from seatrial.experiments.covariates import known_as
from seatrial.experiments.judgement import Adjustment
from seatrial.releases.run import ReleaseRun
from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect
from seatrial.stats.impute import impute
from seatrial.stats.phases import combine_phases

IMBALANCE_ALPHA = 0.001
"""Over all looks: shared alike by the means and missing shares of a metric's covariates."""


class Adjusted(NamedTuple):
    """The units to count with, adjusted or not, and what is to be said about it."""

    counted: Counted
    by_stratum: dict[int, Effect]
    adjustment: Adjustment | None


def adjusted(counted: Counted, covariates: Sequence[str], run: ReleaseRun) -> Adjusted:
    """The effect with its covariates taken out where it has some, all of which may be trusted."""
    bare = counted.without_covariate()
    plain = bare.by_stratum()
    if not covariates or counted.z is None:
        return Adjusted(bare, plain, None)
    holes = np.isnan(counted.z[counted.here])
    missing = float(holes.any(axis=1).mean()) if len(holes) else 1.0
    why = _refused(counted, covariates, run)
    try:
        found = plain if why else counted.by_stratum()
    except BadInput as error:
        why, found = str(error), plain
    if why:
        return Adjusted(bare, plain, Adjustment(covariates=tuple(covariates), missing=missing, refused=why))
    combined = combine_phases(list(plain.values())).effect
    before, after = combined.se_unpooled, combine_phases(list(found.values())).effect.se_unpooled
    said = Adjustment(
        covariates=tuple(covariates),
        missing=missing,
        variance_ratio=(after / before) ** 2 if before > 0 else None,
        unadjusted=combined.effect if before > 0 else None,
    )
    return Adjusted(counted, found, said)


def _refused(counted: Counted, covariates: Sequence[str], run: ReleaseRun) -> str:
    """What is wrong with the first that cannot be trusted, by its name where there are several."""
    assert counted.z is not None
    level = IMBALANCE_ALPHA / 2 / len(covariates)
    for name, z in zip(covariates, counted.z.T, strict=True):
        why = _distrusted(counted, z, level, run)
        if why:
            it = known_as([name]) if len(covariates) > 1 else "it"
            return why.format(it=it, its=f"{it}'s" if len(covariates) > 1 else "its")
    return ""


def _distrusted(counted: Counted, z: Values, level: float, run: ReleaseRun) -> str:
    here = z[counted.here]
    if np.isnan(here).all():
        return "no unit has a value of {it}"
    filled, flags = impute(z).T
    if differs(counted.gap_of(flags), level, run.plan_units):
        return "{it} is missing in one arm more often than in the other"
    if differs(counted.gap_of(filled), level, run.plan_units):
        return "{its} mean is not the same in both arms, so it was not known before the exposure"
    return ""
