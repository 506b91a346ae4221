"""Welch's t: two means with unequal variances, at one fixed look.

References:
    Welch (1947), The generalization of Student's problem when several different population variances are involved,
    Biometrika 34.
"""

from scipy.special import stdtr, stdtrit

from seatrial.stats.contrast import relative_interval
from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect
from seatrial.stats.interval import TestResult
from seatrial.stats.moments import Moments


def welch(treatment: Moments, control: Moments, alpha: float = 0.05) -> TestResult:
    """The difference of two means; statistic and p-value are None where neither arm varies."""
    return welch_of(Effect.of_means(treatment, control), alpha)


def welch_of(effect: Effect, alpha: float = 0.05) -> TestResult:
    """The same of an effect (also a ratio's, or several phases combined)."""
    se = effect.se_unpooled
    if not se > 0:
        return TestResult(method="Welch's t", statistic=None, p_value=None, note="Neither arm varies.")
    degrees = degrees_of(effect)
    t = effect.effect / se
    quantile = float(stdtrit(degrees, 1 - alpha / 2))
    half = quantile * se
    relative = relative_interval(effect.unpooled(), quantile, quantile)
    return TestResult(
        method="Welch's t",
        statistic=t,
        p_value=2 * float(stdtr(degrees, -abs(t))),
        effect=effect.effect,
        lower=effect.effect - half,
        upper=effect.effect + half,
        relative_effect=effect.relative if relative is not None else None,
        relative_lower=relative.lower if relative is not None else None,
        relative_upper=relative.upper if relative is not None else None,
        degrees=degrees,
        note="Holds for one look at a planned end.",
    )
