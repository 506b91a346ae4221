"""The difference of two arms' quantiles, one observation a unit, over phases of constant chance.

At every look: each arm's interval from order statistics (``quantile``), with half of the error each, and over phases
6/(pi k)² of it on the k-th; all phases' intervals hold together, so they may be weighted as a mean would be.

For one look each arm has the order statistics that miss its quantile with a binomial chance, whatever the ties. Where
few values near the quantile are tied both arms' ends are put together by their squared distances from the quantiles
(Zou and Donner's square-and-add, which for symmetric ends is the normal interval). Where many are, an end is a step and
its distance says nothing: the interval is then what quantiles within a joint distance of the seen ones allow
(``reach``), which is valid for steps and wider.

References:
    Howard, Ramdas (2022), Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification, Bernoulli 28(3).
    Kosorok (1999), Two-sample quantile tests under general conditions, Biometrika 86(4).
    Zou, Donner (2008), Construction of confidence limits about effect measures: a general approach, Stat. Med. 27(10).
    Thompson (1936), On confidence ranges for the median and other expectation distributions, Ann. Math. Stat. 7(3).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Level, Levels, Method, words
from seatrial.stats.interval import Interval, Side, TestResult, finite
from seatrial.stats.quantile import lower_rank, quantile, ranks_at
from seatrial.stats.reach import End, lowest

Floats = NDArray[np.float64]

TIED = 0.1
"""Of the values between the ends of an arm's own interval: with one value more often than this, ties are many."""

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

    @property
    def weight(self) -> float:
        """n · m / (n + m): how precisely the arms can be compared."""
        return self.treatment.size * self.control.size / (self.treatment.size + self.control.size)


def quantile_effect(arms: Arms, q: float) -> Effect:
    """Both quantiles with squared standard errors for one look; NaN where there are none.

    They are half the outer interval's width in standard normal quantiles; where an end is a tied value, the whole width
    to the next other values, for how far within a step a quantile may lie is not known.
    """
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
    """What order statistics know of two arms in each phase; ``fixed`` for one look."""
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


def quantile_test(phases: Sequence[Arms], q: float, alpha: float = 0.05) -> TestResult:
    """The difference of two quantiles for one look, to be shown beside."""
    both = (Level(alpha, 2),)
    found = quantile_evidence(phases, q, Levels(both, both), "fixed")
    used = [arms for arms in phases if arms.fewest]
    known = bool(used) and math.isfinite(found.absolute.lower) and math.isfinite(found.absolute.upper)
    effect = _weighted([(quantile(t, q) - quantile(c, q), Arms(t, c).weight) for t, c in used], math.nan)
    return TestResult(
        method="quantiles, outer interval",
        statistic=None,
        p_value=found.p_value(ZERO, "two") if known else None,
        effect=finite(effect),
        lower=finite(found.absolute.lower),
        upper=finite(found.absolute.upper),
        note="Holds for one look at a planned end, and for tied values."
        if known
        else "Too few units for an interval of so extreme a quantile.",
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
    if fixed:
        low, high = (max(float(ndtri(1 - end.one_sided)) for end in ends) for ends in levels)
        flipped = [Arms(-arms.treatment[::-1], -arms.control[::-1]) for arms in phases]
        end = _lowest if any(is_tied(values, q) for arms in phases for values in arms) else _squared
        return Interval(end(phases, q, low, factor), -end(flipped, 1 - q, high, factor))
    lows, highs = [], []
    for k, arms in enumerate(phases, start=1):
        if not arms.fewest:
            continue
        part = 6 / (math.pi * k) ** 2 if len(phases) > 1 else 1.0
        down = min(end.one_sided for end in levels.lower) * part / 2
        up = min(end.one_sided for end in levels.upper) * part / 2
        t, c = arms
        ends = Interval(
            _end(t, q, down, upper=False) - factor * _end(c, q, down, upper=True),
            _end(t, q, up, upper=True) - factor * _end(c, q, up, upper=False),
        )
        lows.append((ends.lower, arms.weight))
        highs.append((ends.upper, arms.weight))
    return Interval(_weighted(lows, -math.inf), _weighted(highs, math.inf))


def is_tied(values: Floats, q: float) -> bool:
    """Whether many of the ascending values near their ``q`` quantile are the same one."""
    n, at = int(values.size), np.array([float(ndtri(0.975))])
    low, high = int(ranks_at(n, q, at)[0]), n + 1 - int(ranks_at(n, 1 - q, at)[0])
    near = values[max(low - 1, 0) : high]
    most = int(np.unique(near, return_counts=True)[1].max(initial=0))
    return most > max(1.0, TIED * near.size)


class _Terms(NamedTuple):
    """Lower ends, and values, of weighted treatments and -factor · controls."""

    ends: list[End]
    values: list[float]


def _terms(phases: Sequence[Arms], q: float, distance: float, factor: float) -> _Terms:
    """Phases weigh by their units; those in which an arm has no end are not waited for."""
    at = np.array([max(distance, 0.0)])

    def pair(arms: Arms, weight: float) -> list[End]:
        return [_low(arms.treatment, q, weight), _low(-arms.control[::-1], 1 - q, factor * weight)]

    used = [arms for arms in phases if arms.fewest and all(math.isfinite(end(at)[0]) for end in pair(arms, 1.0))]
    whole = sum(arms.weight for arms in used)
    found = _Terms([], [])
    for arms in used:
        weight = arms.weight / whole
        found.ends.extend(pair(arms, weight))
        found.values.extend((weight * _middle(arms.treatment, q), -factor * weight * _middle(arms.control, q)))
    return found


def _lowest(phases: Sequence[Arms], q: float, distance: float, factor: float) -> float:
    """The lower end for one look, whatever the ties."""
    ends = _terms(phases, q, distance, factor).ends
    return lowest(ends, distance) if ends else -math.inf


def _squared(phases: Sequence[Arms], q: float, distance: float, factor: float) -> float:
    """The lower end for one look, where few values are tied."""
    ends, values = _terms(phases, q, distance, factor)
    at = np.array([max(distance, 0.0)])
    away = [value - float(end(at)[0]) for end, value in zip(ends, values, strict=True)]
    return sum(values) - math.hypot(*away) if ends else -math.inf


def _middle(values: Floats, q: float) -> float:
    """The quantile of ascending values; from either end the same one, where rank q·n is a whole number too."""
    n = int(values.size)
    first, last = max(math.ceil(q * n - 1e-9) - 1, 0), min(math.floor(q * n + 1e-9), n - 1)
    return float(values[first] + values[last]) / 2


def _low(values: Floats, q: float, weight: float) -> End:
    """The lower end of weight · the ``q`` quantile of ascending values, by distance."""

    def end(distance: Floats) -> Floats:
        ranks = ranks_at(int(values.size), q, distance)
        return np.where(ranks > 0, weight * values[np.maximum(ranks, 1) - 1], -math.inf)

    return end


def _end(values: Floats, q: float, alpha: float, *, upper: bool) -> float:
    """One end of an arm's quantile at a one-sided ``alpha``; infinite where no rank reaches it."""
    rank = lower_rank(int(values.size), 1 - q if upper else q, alpha)
    if rank == 0:
        return math.inf if upper else -math.inf
    return float(values[-rank] if upper else values[rank - 1])


def _weighted(ends: Sequence[tuple[float, float]], otherwise: float) -> float:
    known = [(end, weight) for end, weight in ends if math.isfinite(end)]
    return sum(end * weight for end, weight in known) / sum(weight for _, weight in known) if known else otherwise


def _one(values: Floats, q: float) -> tuple[float, float]:
    if values.size < 2:
        return (quantile(values, q) if values.size else math.nan), math.nan
    z = float(ndtri(0.975))
    low, high = _low(values, q, 1.0)(np.array([z]))[0], -_low(-values[::-1], 1 - q, 1.0)(np.array([z]))[0]
    below, above = _beyond(values, low)[0], _beyond(values, high)[1]
    wide = (high - low) / 2 if (below, above) == (low, high) else above - below
    return quantile(values, q), (wide / z) ** 2


def _beyond(values: Floats, end: float) -> tuple[float, float]:
    """The next values on either side of a tied one, as far as there are any; itself where it is not tied."""
    first, last = (int(at) for at in (np.searchsorted(values, end, "left"), np.searchsorted(values, end, "right")))
    if not math.isfinite(end) or last - first < 2:
        return end, end
    return float(values[max(first - 1, 0)]), float(values[min(last, values.size - 1)])
