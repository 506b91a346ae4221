"""Welch's t: two means with unequal variances, at one fixed look.

References:
    Welch (1947), The generalization of Student's problem when several different population variances are involved,
    Biometrika 34.
"""

import math

from scipy.special import stdtr, stdtrit

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
    degrees = welch_degrees(effect)
    t = effect.effect / se
    half = float(stdtrit(degrees, 1 - alpha / 2)) * se
    return TestResult(
        method="Welch's t",
        statistic=t,
        p_value=2 * float(stdtr(degrees, -abs(t))),
        effect=effect.effect,
        lower=effect.effect - half,
        upper=effect.effect + half,
        degrees=degrees,
        note="Holds for one look at a planned end.",
    )


def welch_degrees(effect: Effect) -> float:
    """Welch's and Satterthwaite's degrees of freedom; NaN where neither arm varies."""
    a, b = effect.treatment_variance, effect.control_variance
    below = a * a / (effect.n_treatment - 1) + b * b / (effect.n_control - 1)
    return (a + b) ** 2 / below if below > 0 else math.nan
