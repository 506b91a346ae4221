"""Values that every method gives back: an interval, and a classical test shown beside a verdict."""

import math
from typing import Literal, NamedTuple

import msgspec

from seatrial.spec.errors import BadInput

Side = Literal["two", "lower", "upper"]
"""``two``: both ends, together at alpha. ``lower``: only a lower end, at alpha. ``upper``: only an upper end."""


class Interval(NamedTuple):
    """From ``lower`` to ``upper``; infinite where there is no end."""

    lower: float
    upper: float

    def contains(self, value: float) -> bool:
        """Whether the value lies inside, ends included."""
        return self.lower <= value <= self.upper


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed-horizon or Bayesian result: shown, never acted on.

    Attributes:
        method: Its name in words.
        statistic: t, z, chi-squared, or P(treatment is better) for the Bayesian ones.
        p_value: Two-sided; None for the Bayesian ones.
        effect: Treatment minus control.
        lower: Lower end of the 1 - alpha interval of the effect.
        upper: Upper end.
        relative_effect: The effect over the size of the control's mean; None where that is not told.
        relative_lower: Lower end of its interval (Fieller's); None where the control's mean is too close to zero.
        relative_upper: Upper end.
        degrees: Degrees of freedom, where it has them.
        note: What a reader must know, in one sentence.
    """

    __test__ = False  # not a test class, whatever its name says to pytest

    method: str
    statistic: float | None
    p_value: float | None
    effect: float | None = None
    lower: float | None = None
    upper: float | None = None
    relative_effect: float | None = None
    relative_lower: float | None = None
    relative_upper: float | None = None
    degrees: float | None = None
    note: str = ""


def finite(value: float | None) -> float | None:
    """The value, or None where it is infinite or undefined (JSON has neither)."""
    return value if value is not None and math.isfinite(value) else None


def check_alpha(alpha: float) -> float:
    """Raises BadInput unless 0 < alpha < 1."""
    if not 0 < alpha < 1:
        raise BadInput(f"alpha {alpha!r} is not a share between 0 and 1; give for example 0.05")
    return alpha
