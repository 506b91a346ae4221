"""Where each unit stands for a metric: of no arm that is compared, moved, waiting, or matured."""

from typing import NamedTuple

import numpy as np

from seatrial.experiments.counted import Mask
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun


class Standing(NamedTuple):
    """Masks [n] over units.

    Attributes:
        eligible: Of the champion or the challenger, in a phase of the release.
        censored: Of them, those whose variant changed while their window was open.
        waiting: Of the others, those whose window or grace is still open.
        matured: The rest.
    """

    eligible: Mask
    censored: Mask
    waiting: Mask
    matured: Mask


def standing(units: Units, within: int, matures: int, run: ReleaseRun, now: int) -> Standing:
    """Of units, for a metric with such a window and so long to maturity, at a moment; all in microseconds."""
    eligible = units.of(run.champion) | units.of(run.challenger)
    eligible &= np.isin(units.phase, [phase.number for phase in run.phases])
    censored = eligible & (units.moved_at < units.first_at + within)
    waiting = eligible & ~censored & (units.first_at + matures > now)
    return Standing(eligible, censored, waiting, eligible & ~censored & ~waiting)
