"""How many units a question about a quantile needs, from how past values lie about it.

The treatment's values are taken to be the control's, all of them shifted by the effect. Looking at any time, the claim
is that of order statistics of known ranks (Howard and Ramdas), whose places among the past values are beta distributed:
the chance is added up over both arms'. At one look it is the normal one, with the standard error that the judge would
find: by the width of the past values between the ranks that bracket the quantile, which is where their density counts.
It is as good as the past tells that density: from few past values the units are that much less sure.

References:
    Howard, Ramdas (2022), Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification, Bernoulli 28(3).
    David, Nagaraja (2003), Order Statistics, 3rd edition, section 2.1.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.evidence import Method
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.power import DEFAULT, Design, Plan, least_units
from seatrial.stats.quantile import lower_rank, quantile

Floats = NDArray[np.float64]

_PARTS: Floats = (np.arange(200) + 0.5) / 200
"""Equally likely places of an order statistic, by their middles."""

_OUTER = float(ndtri(0.975))
"""Standard errors between a quantile and the ranks whose width tells its own (``clustered_quantile``)."""


class Past(NamedTuple):
    """Past values [n] of units in ascending order, and which quantile is asked about."""

    values: Floats
    q: float

    @classmethod
    def of(cls, values: ArrayLike, q: float) -> "Past":
        """From values in any order; raises BadInput where they are fewer than 100, missing, or all the same."""
        ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
        if ordered.size < MINIMUM_UNITS or np.isnan(ordered).any():
            raise BadInput(f"{ordered.size} past values tell too little of a quantile; give {MINIMUM_UNITS} at least")
        if ordered[0] == ordered[-1]:
            raise BadInput("every unit of the past has the same value, so how dense they are is not known; give more")
        if not 0 < q < 1:
            raise BadInput(f"quantile {q!r} must lie between 0 and 1; give for example 0.9")
        return cls(ordered, q)

    @property
    def value(self) -> float:
        """The quantile."""
        return quantile(self.values, self.q)

    def at(self, share: Floats | float) -> Floats:
        """The values at shares of units, between order statistics; infinite outside of 0 to 1."""
        asked, last = np.asarray(share, dtype=np.float64), self.values.size - 1
        place = np.clip(asked * self.values.size - 0.5, 0, last)
        below = np.minimum(place.astype(np.int64), last - 1)
        found = self.values[below] + (place - below) * (self.values[below + 1] - self.values[below])
        inside: Floats = np.where(asked <= 0, -math.inf, np.where(asked >= 1, math.inf, found))
        return inside

    def factor(self, line: Margin, *, above: bool) -> float:
        """Of the contrast treatment - factor · control; of values of either sign the one that is harder to show."""
        if line.scale == "absolute":
            return 1.0
        if self.values[0] >= 0:
            return 1 + line.size
        if self.values[-1] <= 0:
            return 1 - line.size
        return 1 + abs(line.size) * (1 if (self.value > 0) == above else -1)


class QuantileClaim(NamedTuple):
    """What is to be shown: that the treatment's quantile, ``effect`` above the control's, lies beyond a line."""

    effect: float
    line: Margin = ZERO


def plan_quantiles(past: Past, claim: QuantileClaim, design: Design = DEFAULT) -> Plan:
    """Units to show a claim, at one look and looking at any time.

    Raises:
        BadInput: The effect lies on the line, or no number of units is enough.
    """
    design = design.checked()

    def units(method: Method) -> int:
        return least_units(lambda n: power_of_quantiles(past, claim, n, design, method), design.power)

    return Plan(units("fixed"), units("always-valid"))


def power_of_quantiles(
    past: Past, claim: QuantileClaim, units: float, design: Design = DEFAULT, method: Method = "always-valid"
) -> float:
    """The chance that a claim is shown with so many units of all arms, 0 to 1."""
    n, m = round(units * design.share), round(units * design.control)
    shift = claim.line.size if claim.line.scale == "absolute" else 0.0
    above = claim.effect - shift - _relative(past, claim) > 0
    if claim.effect - shift - _relative(past, claim) == 0:
        raise BadInput("the effect lies on the line itself, which no number of units shows; say which effect matters")
    factor = past.factor(claim.line, above=above)
    if (past.value * (1 - factor) + claim.effect - shift > 0) != above:
        raise BadInput("of values of either sign no relative margin is shown to be kept; give an absolute one")
    if min(n, m) < MINIMUM_UNITS:
        return 0.0
    if method == "fixed":
        return _once(past, claim.effect - shift, factor, (n, m), design)
    q, each = past.q, design.each / design.sides / 2
    ranks = (lower_rank(n, q, each), lower_rank(m, 1 - q, each)) if above else (
        lower_rank(n, 1 - q, each), lower_rank(m, q, each)
    )  # fmt: skip
    if not min(ranks):
        return 0.0
    own, theirs = (betaincinv(rank, size - rank + 1, _PARTS) for rank, size in zip(ranks, (n, m), strict=True))
    treated = past.at(own if above else 1 - own) + claim.effect - shift
    control = np.sort(factor * past.at(1 - theirs if above else theirs))
    beaten = (
        np.searchsorted(control, treated, "left")
        if above
        else control.size - np.searchsorted(control, treated, "right")
    )
    return float(beaten.mean()) / control.size


def _relative(past: Past, claim: QuantileClaim) -> float:
    return claim.line.size * abs(past.value) if claim.line.scale == "relative" else 0.0


def _once(past: Past, effect: float, factor: float, arms: tuple[int, int], design: Design) -> float:
    variances = []
    for size in arms:
        error = math.sqrt(past.q * (1 - past.q) / size)
        low, high = (float(past.at(past.q + sign * _OUTER * error)) for sign in (-1, 1))
        variances.append(((high - low) / 2 / _OUTER) ** 2)
    se = math.sqrt(variances[0] + factor**2 * variances[1])
    if not math.isfinite(se):
        return 0.0
    distance = abs(past.value * (1 - factor) + effect)
    return float(ndtr(distance / se - ndtri(1 - design.each / design.sides))) if se > 0 else 1.0
