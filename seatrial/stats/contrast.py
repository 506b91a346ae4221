"""Margins as contrasts: is treatment beyond (1 + x) · control, asked without dividing by an uncertain mean.

A relative interval is Fieller's: the ratios r for which the interval of treatment - r·control covers 0.

References:
    Fieller (1954), Some problems in interval estimation, JRSS B 16(2).
"""

import math
from typing import Literal, NamedTuple

from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect
from seatrial.stats.interval import Interval

SOLID_CONTROL = 3.0
"""A control mean nearer to zero than this many standard errors gives no relative interval."""


class Margin(NamedTuple):
    """How much of a difference matters: ``relative`` to the size of the control's mean, or ``absolute`` in its unit."""

    scale: Literal["relative", "absolute"]
    size: float

    def checked(self) -> "Margin":
        """Itself; raises BadInput for a negative or infinite size."""
        if not (math.isfinite(self.size) and self.size >= 0):
            raise BadInput(f"margin {self.size!r} must be a finite number, 0 or more; the direction comes from `want`")
        return self

    def flipped(self) -> "Margin":
        """The same distance on the other side."""
        return Margin(self.scale, -self.size)


ZERO = Margin("absolute", 0.0)


class Contrast(NamedTuple):
    """A linear contrast of two arms: its value and its standard error (the larger of unpooled and pooled)."""

    value: float
    se: float


def contrasts(effect: Effect, shift: Margin) -> tuple[Contrast, ...]:
    """The contrasts that ask whether effect - shift is above or below 0, in the metric's unit.

    A relative shift of x is x · |control mean|; while the sign of the control's mean is uncertain there is one
    contrast per sign, and a claim must hold for both.
    """
    if shift.scale == "absolute":
        return (Contrast(effect.effect - shift.size, effect.se),)
    factors = (1.0 + sign * shift.size for sign in _control_signs(effect))
    return tuple(Contrast(effect.contrast(f), effect.contrast_se(f)) for f in factors)


def shifted_bounds(effect: Effect, shift: Margin, lower_multiplier: float, upper_multiplier: float) -> Interval:
    """Ends of the interval of effect - shift, in the metric's unit; multipliers are half-widths in standard errors."""
    asked = contrasts(effect, shift)
    return Interval(
        min(c.value - lower_multiplier * c.se for c in asked), max(c.value + upper_multiplier * c.se for c in asked)
    )


def relative_interval(effect: Effect, lower_multiplier: float, upper_multiplier: float) -> Interval | None:
    """The interval of effect / |control mean|; None when the control's mean is too close to zero for one."""
    mean = effect.control_mean
    if not abs(mean) > max(SOLID_CONTROL, lower_multiplier, upper_multiplier) * effect.control_se:
        return None
    variances = (
        (effect.treatment_variance, effect.control_variance, effect.covariance),
        (effect.treatment_variance_pooled, effect.control_variance_pooled, effect.covariance_pooled),
    )
    below, above = (lower_multiplier, upper_multiplier) if mean > 0 else (upper_multiplier, lower_multiplier)
    smallest = min(_fieller(effect, *three, below)[0] for three in variances)
    largest = max(_fieller(effect, *three, above)[1] for three in variances)
    return Interval(smallest - 1, largest - 1) if mean > 0 else Interval(1 - largest, 1 - smallest)


def control_is_solid(effect: Effect) -> bool:
    """Whether the control's mean is at least three standard errors from zero."""
    return abs(effect.control_mean) > SOLID_CONTROL * effect.control_se


def _control_signs(effect: Effect) -> tuple[float, ...]:
    if control_is_solid(effect):
        return (math.copysign(1.0, effect.control_mean),)
    return (1.0, -1.0)


def _fieller(effect: Effect, v_treatment: float, v_control: float, covariance: float, multiplier: float) -> Interval:
    t, c, m2 = effect.treatment_mean, effect.control_mean, multiplier * multiplier
    scale = c * c - m2 * v_control
    inner = v_treatment * scale + v_control * t * t - 2 * t * c * covariance + m2 * covariance * covariance
    middle, root = t * c - m2 * covariance, multiplier * math.sqrt(max(inner, 0.0))
    ends = (middle - root) / scale, (middle + root) / scale
    return Interval(min(ends), max(ends))
