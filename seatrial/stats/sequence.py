"""Asymptotic confidence sequence: an interval that holds at every look together, not at one.

With SE the standard error of the effect, n the units of both arms and rho fixed before the first look,

    half-width = SE · sqrt( 2 (n rho² + 1) / (n rho²) · ln( sqrt(n rho² + 1) / alpha ) )

and, one-sided, ln(1 + sqrt(n rho² + 1) / (2 alpha)) in the place of the logarithm, with rho at 2 alpha. ``rho`` is
chosen so that the interval is narrowest at ``plan_units``; any other number of units is valid, only wider.

References:
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Time-uniform central limit theory and asymptotic confidence
    sequences, Annals of Statistics 52(6).
"""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, Side, check_alpha

PLAN_UNITS = 5000
"""Units of both arms at which the sequence is narrowest, unless the release plans another number."""


def mixture_scale(alpha: float, plan_units: float = PLAN_UNITS) -> float:
    """The rho that makes the two-sided sequence narrowest at ``plan_units`` units."""
    check_alpha(alpha)
    if plan_units <= 0:
        raise BadInput(f"plan_units {plan_units!r} is not a number of units; give for example {PLAN_UNITS}")
    level = -2 * math.log(alpha)
    return math.sqrt((level + math.log(level + 1)) / plan_units)


def multipliers(
    n: NDArray[np.float64], alpha: float = 0.05, plan_units: float = PLAN_UNITS, side: Side = "two"
) -> NDArray[np.float64]:
    """Half-widths in standard errors at each number of units in ``n`` (all positive)."""
    rho = mixture_scale(alpha if side == "two" else min(2 * alpha, 0.999), plan_units)
    x = n * rho**2
    inner = np.log(np.sqrt(x + 1) / alpha) if side == "two" else np.log1p(np.sqrt(x + 1) / (2 * alpha))
    return cast("NDArray[np.float64]", np.sqrt(2 * (x + 1) / x * inner))


def multiplier(n: float, alpha: float = 0.05, plan_units: float = PLAN_UNITS, side: Side = "two") -> float:
    """The half-width in standard errors at ``n`` units of both arms."""
    if n <= 0:
        return math.inf
    return float(multipliers(np.array([float(n)]), alpha, plan_units, side)[0])


def confidence_sequence(
    effect: float,
    se: float,
    n: float,
    alpha: float = 0.05,
    plan_units: float = PLAN_UNITS,
    side: Side = "two",
) -> Interval:
    """The interval of an effect after ``n`` units of both arms, valid at every look.

    Args:
        effect: Treatment minus control, or any contrast of the arms.
        se: Its standard error: the larger of unpooled and pooled.
        n: Units of both arms.
        alpha: Chance of ever excluding the truth.
        plan_units: Where the sequence is narrowest; fixed before the first look.
        side: Which ends are wanted.
    """
    half = multiplier(n, alpha, plan_units, side) * se
    return Interval(
        -math.inf if side == "upper" else effect - half,
        math.inf if side == "lower" else effect + half,
    )


def always_valid_p(
    effect: float, se: float, n: float, alpha: float = 0.05, plan_units: float = PLAN_UNITS, side: Side = "two"
) -> float:
    """The smallest level at which the sequence (its rho kept) excludes 0; 1 when none does.

    ``lower`` is evidence that the effect is above 0, ``upper`` that it is below. The smallest p-value of all looks so
    far is valid too.
    """
    if n <= 0 or not se > 0:
        return 1.0
    z = effect / se if side != "upper" else -effect / se
    rho = mixture_scale(alpha if side == "two" else min(2 * alpha, 0.999), plan_units)
    x = n * rho**2
    exponent = z * z * x / (2 * (x + 1))
    if side == "two":
        return min(1.0, math.exp(0.5 * math.log1p(x) - exponent))
    if z <= 0:
        return 1.0
    log_below = exponent + math.log1p(-math.exp(-exponent)) if exponent > 1e-12 else math.log(max(exponent, 1e-300))
    return min(1.0, 0.5 * math.exp(min(0.5 * math.log1p(x) - log_below, 1.0)))
