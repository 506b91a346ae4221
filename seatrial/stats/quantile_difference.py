"""The difference of two arms' quantiles, one observation a unit, over phases of constant chance.

At every look: each arm's interval from order statistics (``quantile``), with half of the error each, and over phases
6/(pi k)² of it on the k-th; all phases' intervals hold together, so they may be weighted as a mean would be. For one
look: the outer interval's standard error (``clustered_quantile``), and the normal approximation.

References:
    Howard, Ramdas (2022), Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification, Bernoulli 28(3).
    Deng, Knoblich, Lu (2018), Applying the delta method in metric analytics, KDD, section 4.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.clustered_quantile import clustered_quantile
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Levels, Method, words
from seatrial.stats.interval import Interval, Side
from seatrial.stats.quantile import lower_rank, quantile

Floats = NDArray[np.float64]

_STEPS = 13
"""Halvings by which a p-value is found, on the log scale from 1 down to ``_SMALLEST``."""

_SMALLEST = 1e-12


class Arms(NamedTuple):
    """Both arms' values [n], [m] in one phase, in ascending order."""

    treatment: Floats
    control: Floats

    @classmethod
    def of(cls, treatment: ArrayLike, control: ArrayLike) -> "Arms":
        """From values in any order; raises BadInput for missing ones."""
        arms = [np.sort(np.asarray(values, dtype=np.float64).ravel()) for values in (treatment, control)]
        if any(np.isnan(values).any() for values in arms):
            raise BadInput("a quantile of missing values (NaN) is not defined; leave those units out")
        return cls(arms[0], arms[1])

    @property
    def fewest(self) -> int:
        """Units of the smaller arm."""
        return min(self.treatment.size, self.control.size)


def quantile_effect(arms: Arms, q: float) -> Effect:
    """Both quantiles with the squared standard errors that hold for one look; NaN where there are none."""
    (t, t_variance), (c, c_variance) = (_one(values, q) for values in arms)
    return Effect(
        n_treatment=int(arms.treatment.size),
        n_control=int(arms.control.size),
        treatment_mean=t,
        control_mean=c,
        treatment_variance=t_variance,
        control_variance=c_variance,
        treatment_variance_pooled=t_variance,
        control_variance_pooled=c_variance,
    )


def quantile_evidence(phases: Sequence[Arms], q: float, levels: Levels, method: Method = "always-valid") -> Evidence:
    """What order statistics know of two arms in each phase; ``fixed`` for one look, of a single phase."""
    fixed = method == "fixed"

    def contrast(factors: Sequence[float], at: Levels) -> Interval:
        found = [_contrast(phases, q, at, factor, fixed=fixed) for factor in factors]
        return Interval(min(one.lower for one in found), max(one.upper for one in found))

    absolute = contrast([1.0], levels)

    def beyond(shift: Margin, at: Levels = levels) -> Interval:
        if shift.scale == "relative":
            return contrast(_factors(phases, shift.size), at)
        whole = absolute if at is levels else contrast([1.0], at)
        return Interval(whole.lower - shift.size, whole.upper - shift.size)

    def p_value(shift: Margin, side: Side) -> float:
        """The smallest alpha at which the contrast is shown to lie on one side; to within half a percent."""

        def excluded(log_alpha: float) -> bool:
            at = _at(levels, math.exp(log_alpha), 2 if side == "two" else 1)
            bounds = beyond(shift, at)
            return (side != "upper" and bounds.lower > 0) or (side != "lower" and bounds.upper < 0)

        low, high = math.log(_SMALLEST), 0.0
        if excluded(low):
            return _SMALLEST
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if excluded(middle) else (middle, high)
        return math.exp(high)

    return Evidence(
        method=words(levels, f"from order statistics, {'for one look' if fixed else 'valid at every look'}"),
        absolute=absolute,
        relative=None,
        beyond=beyond,
        p_value=p_value,
    )


def _at(levels: Levels, alpha: float, sides: int) -> Levels:
    one = levels.lower[0]._replace(alpha=min(alpha, 1 - 1e-9), sides=2 if sides == 2 else 1)
    return Levels((one,), (one,))


def _factors(phases: Sequence[Arms], size: float) -> tuple[float, ...]:
    """A relative margin is of the size of the control's quantile: of either sign where its values are."""
    controls = [arms.control for arms in phases if arms.control.size]
    if all(values[0] >= 0 for values in controls):
        return (1 + size,)
    return (1 - size,) if all(values[-1] <= 0 for values in controls) else (1 + size, 1 - size)


def _contrast(phases: Sequence[Arms], q: float, levels: Levels, factor: float, *, fixed: bool) -> Interval:
    """Of treatment - factor · control (factor above 0), phases with a finite end weighted by their units."""
    lows, highs = [], []
    for k, arms in enumerate(phases, start=1):
        if not arms.fewest:
            continue
        part = 6 / (math.pi * k) ** 2 if len(phases) > 1 else 1.0
        weight = arms.treatment.size * arms.control.size / (arms.treatment.size + arms.control.size)
        if fixed:
            ends = _normal(arms, q, levels, factor)
        else:
            down = min(end.one_sided for end in levels.lower) * part / 2
            up = min(end.one_sided for end in levels.upper) * part / 2
            t, c = arms
            ends = Interval(
                _end(t, q, down, upper=False) - factor * _end(c, q, down, upper=True),
                _end(t, q, up, upper=True) - factor * _end(c, q, up, upper=False),
            )
        lows.append((ends.lower, weight))
        highs.append((ends.upper, weight))
    return Interval(_weighted(lows, -math.inf), _weighted(highs, math.inf))


def _end(values: Floats, q: float, alpha: float, *, upper: bool) -> float:
    """One end of an arm's quantile at a one-sided ``alpha``; infinite where no rank reaches it."""
    rank = lower_rank(int(values.size), 1 - q if upper else q, alpha)
    if rank == 0:
        return math.inf if upper else -math.inf
    return float(values[-rank] if upper else values[rank - 1])


def _normal(arms: Arms, q: float, levels: Levels, factor: float) -> Interval:
    effect = quantile_effect(arms, q)
    value = effect.treatment_mean - factor * effect.control_mean
    se = math.sqrt(effect.treatment_variance + factor**2 * effect.control_variance)
    down, up = (max(float(ndtri(1 - end.one_sided)) for end in ends) for ends in levels)
    return Interval(value - down * se, value + up * se) if math.isfinite(se) else Interval(-math.inf, math.inf)


def _weighted(ends: Sequence[tuple[float, float]], otherwise: float) -> float:
    known = [(end, weight) for end, weight in ends if math.isfinite(end)]
    return sum(end * weight for end, weight in known) / sum(weight for _, weight in known) if known else otherwise


def _one(values: Floats, q: float) -> tuple[float, float]:
    if values.size < 2:
        return (quantile(values, q) if values.size else math.nan), math.nan
    found = clustered_quantile(values, np.arange(values.size), q)
    return found.value, found.se**2
