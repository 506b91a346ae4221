"""Whether a covariate may be taken for what it claims to be, and the effect adjusted for it.

A value from before the exposure cannot know the variant, so its mean, and how often it is missing, must be the same in
both arms. Where a sequence at 0.001 shows otherwise it is refused and the plain estimate stands; adjusting for what the
variant moved would take away a part of the effect.
"""

from typing import NamedTuple

import numpy as np

from seatrial.experiments.balance import differs
from seatrial.experiments.counted import Counted
from seatrial.experiments.judgement import Adjustment
from seatrial.releases.run import ReleaseRun
from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect
from seatrial.stats.impute import impute
from seatrial.stats.phases import combine_phases

IMBALANCE_ALPHA = 0.001
"""Over all looks: a covariate's mean and its missing share have half of it each."""


class Adjusted(NamedTuple):
    """The units to count with, adjusted or not, and what is to be said about it."""

    counted: Counted
    by_stratum: dict[int, Effect]
    adjustment: Adjustment | None


def adjusted(counted: Counted, covariate: str | None, run: ReleaseRun) -> Adjusted:
    """The effect with its covariate taken out where it has one that may be trusted."""
    bare = counted.without_covariate()
    plain = bare.by_stratum()
    if covariate is None or counted.z is None:
        return Adjusted(bare, plain, None)
    z = counted.z[counted.here]
    missing = float(np.isnan(z).mean()) if len(z) else 1.0
    why = _refused(counted, missing, run)
    try:
        found = plain if why else counted.by_stratum()
    except BadInput as error:
        why, found = str(error), plain
    if why:
        return Adjusted(bare, plain, Adjustment(covariate=covariate, missing=missing, refused=why))
    combined = combine_phases(list(plain.values())).effect
    before, after = combined.se_unpooled, combine_phases(list(found.values())).effect.se_unpooled
    said = Adjustment(
        covariate=covariate,
        missing=missing,
        variance_ratio=(after / before) ** 2 if before > 0 else None,
        unadjusted=combined.effect if before > 0 else None,
    )
    return Adjusted(counted, found, said)


def _refused(counted: Counted, missing: float, run: ReleaseRun) -> str:
    assert counted.z is not None
    if missing == 1:
        return "no unit has a value of it"
    filled, flags = impute(counted.z).T
    level = IMBALANCE_ALPHA / 2
    if differs(counted.gap_of(flags), level, run.plan_units):
        return "it is missing in one arm more often than in the other"
    if differs(counted.gap_of(filled), level, run.plan_units):
        return "its mean is not the same in both arms, so it was not known before the exposure"
    return ""
