"""How many degrees of freedom an effect's standard error has, for one look.

References:
    Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics Bulletin 2(6).
    Welch (1947), The generalization of Student's problem when several different population variances are involved,
    Biometrika 34.
"""

import math

from seatrial.stats.effect import Effect


def degrees_of(effect: Effect) -> float:
    """The effect's own where it was adjusted, else Welch's; NaN where neither arm varies."""
    if effect.degrees is not None:
        return effect.degrees
    return satterthwaite(effect.treatment_variance, effect.n_treatment, effect.control_variance, effect.n_control)


def satterthwaite(a: float, n: int, b: float, m: int) -> float:
    """Of a + b, variances of means of n and m units; NaN when both are 0."""
    both = a + b
    if not 0 < both < math.inf:
        return math.nan
    share = a / both  # and not squares of variances, which pass the largest number long before the values do
    return 1 / (share * share / (n - 1) + (1 - share) ** 2 / (m - 1))
