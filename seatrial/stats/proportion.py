"""Shares of units: Wilson's interval for one, Newcombe's for a difference, and the two-proportion z-test. One look.

References:
    Wilson (1927), JASA 22.
    Newcombe (1998), Interval estimation for the difference between independent proportions: comparison of eleven
    methods, Statistics in Medicine 17(8), method 10.
"""

import math

from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, TestResult, check_alpha, finite
from seatrial.stats.relative_risk import relative_risk


def wilson(successes: float, n: float, alpha: float = 0.05) -> Interval:
    """The score interval of a share; (0, 1) with no units. ``n`` need not be whole: dependent rows count for fewer."""
    check_alpha(alpha)
    if not 0 <= successes <= n:
        raise BadInput(f"{successes} successes in {n} units cannot be; give 0 <= successes <= n")
    if n == 0:
        return Interval(0.0, 1.0)
    z = float(ndtri(1 - alpha / 2))
    share, z2 = successes / n, z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Interval(0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def newcombe(treatment: int, n_treatment: int, control: int, n_control: int, alpha: float = 0.05) -> Interval:
    """The interval of the difference of shares, treatment minus control, from both Wilson intervals."""
    if not n_treatment or not n_control:
        return Interval(-1.0, 1.0)
    p, q = treatment / n_treatment, control / n_control
    a, b = wilson(treatment, n_treatment, alpha), wilson(control, n_control, alpha)
    return Interval(
        p - q - math.hypot(p - a.lower, b.upper - q),
        p - q + math.hypot(a.upper - p, q - b.lower),
    )


def two_proportion_z(treatment: int, n_treatment: int, control: int, n_control: int, alpha: float = 0.05) -> TestResult:
    """Pooled z-test of equal shares, with Newcombe's interval; no statistic where nothing varies."""
    interval = newcombe(treatment, n_treatment, control, n_control, alpha)
    n = n_treatment + n_control
    pooled = (treatment + control) / n if n else 0.0
    if not n_treatment or not n_control or pooled in (0.0, 1.0):
        return TestResult(method="two-proportion z", statistic=None, p_value=None, note="Nothing varies yet.")
    effect = treatment / n_treatment - control / n_control
    ratio = relative_risk(treatment, n_treatment, control, n_control, alpha)
    z = effect / math.sqrt(pooled * (1 - pooled) * (1 / n_treatment + 1 / n_control))
    return TestResult(
        method="two-proportion z",
        statistic=z,
        p_value=2 * float(ndtr(-abs(z))),
        effect=effect,
        lower=interval.lower,
        upper=interval.upper,
        relative_effect=treatment / n_treatment / (control / n_control) - 1 if control else None,
        relative_lower=ratio.lower - 1,
        relative_upper=finite(ratio.upper - 1),
        note="Holds for one look at a planned end; the interval is Newcombe's, the relative one Koopman's.",
    )
