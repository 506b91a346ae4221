"""What a window's performance is thought to be before any label is there."""

import math

import msgspec
from scipy.special import ndtri

BLIND = (
    "It sees other inputs coming, not the same inputs coming to mean something else: where labels changed and inputs "
    "did not, it says that nothing happened."
)
"""What an estimate without labels cannot see; said wherever one is shown."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A metric estimated without labels.

    Attributes:
        value: The estimate, in the metric's unit.
        lower, upper: What the metric will be once the labels of these very rows are there, at ``level``.
        n: Rows of the window.
        level: Of the interval.
        sampling_se: Standard error of chance: rows of one chance come out differently.
        calibration_se: Standard error of what was learnt on the holdout, as these rows weigh it.
    """

    value: float
    lower: float
    upper: float
    n: int
    level: float
    sampling_se: float
    calibration_se: float

    @property
    def se(self) -> float:
        """Both errors together."""
        return math.hypot(self.sampling_se, self.calibration_se)

    def holds(self, realised: float) -> bool:
        """Whether the metric, once known, is inside the interval."""
        return self.lower <= realised <= self.upper


def normal_half(se: float, level: float) -> float:
    """Half the width of a normal interval."""
    return float(ndtri(0.5 + level / 2)) * se
