"""The ratio of two shares with its score interval: good in small samples, and defined when an arm has no events.

The ratios r that the score test of "treatment's share is r times the control's" does not refute.

References:
    Koopman (1984), Confidence intervals for the ratio of two binomial proportions, Biometrics 40(2).
    Miettinen, Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4(2).
"""

import math

from scipy.optimize import brentq
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, check_alpha

_FARTHEST = 60.0
"""|ln r| beyond which no end is looked for."""


def relative_risk(treatment: int, n_treatment: int, control: int, n_control: int, alpha: float = 0.05) -> Interval:
    """The interval of treatment's share over control's; (0, inf) where neither arm has events or units.

    Raises:
        BadInput: Counts that cannot be.
    """
    check_alpha(alpha)
    if not (0 <= treatment <= n_treatment and 0 <= control <= n_control):
        raise BadInput(f"{treatment} of {n_treatment} and {control} of {n_control} are not shares of units")
    if not n_treatment or not n_control or treatment + control == 0:
        return Interval(0.0, math.inf)
    level = float(ndtri(1 - alpha / 2))
    counts = treatment, n_treatment, control, n_control
    # Where all units of both arms have the event the test is flat at its middle, so the search starts off it.
    middle = math.log((treatment + 0.5) / (n_treatment + 0.5)) - math.log((control + 0.5) / (n_control + 0.5))

    def end(sign: float) -> float:
        def excess(x: float) -> float:
            return sign * _score(math.exp(x), *counts) - level

        far = middle - sign * _FARTHEST
        if excess(far) < 0:
            return 0.0 if sign > 0 else math.inf
        return math.exp(brentq(excess, min(far, middle), max(far, middle), xtol=1e-12))

    return Interval(end(1.0) if treatment else 0.0, end(-1.0) if control else math.inf)


def _score(ratio: float, x: int, n: int, y: int, m: int) -> float:
    """The signed score statistic: above 0 where the data lie above ``ratio``."""
    # The control's share that is likeliest under the ratio, the smaller root of a quadratic (Koopman, equation 5).
    a, b, c = (n + m) * ratio, -(n * ratio + x + m + y * ratio), x + y
    share = 2 * c / (-b + math.sqrt(max(b * b - 4 * a * c, 0.0)))
    first, second = min(ratio * share, 1.0), min(share, 1.0)
    variance = first * (1 - first) / n + ratio * ratio * second * (1 - second) / m
    gap = x / n - ratio * y / m
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap) if gap else 0.0
