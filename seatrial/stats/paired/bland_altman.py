"""Bland and Altman's limits: between which bounds do two regressions' answers to one input differ, 95 times in 100?

Supposes that differences are about normal; the limits' intervals are then exact (the noncentral t). One look.

References:
    Bland, Altman (1986), Statistical methods for assessing agreement between two methods of clinical measurement,
    Lancet 327.
    Carkeet (2015), Exact parametric confidence intervals for Bland-Altman limits of agreement, Optometry and Vision
    Science 92(3).
"""

import math
from typing import NamedTuple

from scipy.special import nctdtrit, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, check_alpha
from seatrial.stats.moments import Moments


class Limits(NamedTuple):
    """Limits of agreement, in the unit of the answers.

    Attributes:
        bias: Mean difference, treatment less control.
        lower: Below which a share (1 - coverage) / 2 of differences lies.
        upper: Above which as many lie.
        lower_interval: The lower limit's interval at 1 - alpha.
        upper_interval: The upper limit's.
    """

    bias: float
    lower: float
    upper: float
    lower_interval: Interval
    upper_interval: Interval


def bland_altman(differences: Moments, coverage: float = 0.95, alpha: float = 0.05) -> Limits:
    """The limits from the moments of one difference an input.

    Raises:
        BadInput: Fewer than two inputs, or a coverage outside 0 to 1.
    """
    check_alpha(alpha)
    if not 0 < coverage < 1:
        raise BadInput(f"coverage {coverage!r} must lie between 0 and 1; give for example 0.95")
    n = differences.n
    if n < 2:
        raise BadInput(f"{n} pairs have no spread; wait for two at least")
    z, sd, mean = float(ndtri((1 + coverage) / 2)), math.sqrt(differences.variance), differences.mean
    near, far = (
        float(nctdtrit(n - 1, z * math.sqrt(n), share)) * sd / math.sqrt(n) for share in (alpha / 2, 1 - alpha / 2)
    )
    return Limits(
        bias=mean,
        lower=mean - z * sd,
        upper=mean + z * sd,
        lower_interval=Interval(mean - far, mean - near),
        upper_interval=Interval(mean + near, mean + far),
    )
