"""Two ratios of totals by unit whose denominators are uncertain, for one look: Fieller's interval of each, and of both.

The delta method takes the denominator for known. With a coefficient of variation of its mean of 0.1 it misses the ratio
on one side twice to four times as often as on the other; Fieller's interval leans as the ratio does. A difference d, or
a quotient, is refuted where no two ratios that differ so lie within a joint distance of what was seen (``reach``).

References:
    Fieller (1954), Some problems in interval estimation, JRSS B 16(2).
    Hinkley (1969), On the ratio of two correlated normal random variables, Biometrika 56(3).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from seatrial.stats.contrast import SOLID_CONTROL, ZERO, Margin
from seatrial.stats.evidence import Evidence, Level, Levels, words
from seatrial.stats.fieller import fieller_of
from seatrial.stats.interval import Interval, Side, TestResult, finite
from seatrial.stats.moments import PairMoments
from seatrial.stats.reach import End, distance_to_zero, lowest

Floats = NDArray[np.float64]

UNCERTAIN = 0.1
"""The standard error of a denominator's mean over that mean, from which on it is uncertain: 100 effective units."""


class Ratios(NamedTuple):
    """Both arms of one phase: x the numerator, y the denominator by unit; ``root``: the root of the ratio counts."""

    treatment: PairMoments
    control: PairMoments
    root: bool = False

    @property
    def weight(self) -> float:
        """n · m / (n + m)."""
        return self.treatment.n * self.control.n / (self.treatment.n + self.control.n)


def uncertainty(pair: PairMoments) -> float:
    """The coefficient of variation of the denominator's mean; infinite with fewer than two units or a mean of 0."""
    if pair.n < 2 or not pair.mean_y:
        return math.inf
    return math.sqrt(pair.m2_y / (pair.n - 1) / pair.n) / abs(pair.mean_y)


def is_uncertain(phases: Sequence[Ratios]) -> bool:
    """Whether some arm's denominator is; phases with fewer than two units in an arm carry no weight."""
    used = [phase for phase in phases if min(phase.treatment.n, phase.control.n) > 1]
    return any(max(uncertainty(phase.treatment), uncertainty(phase.control)) >= UNCERTAIN for phase in used)


def fieller_evidence(phases: Sequence[Ratios], degrees: float, levels: Levels) -> Evidence:
    """What is known of the difference of two ratios, phases weighted by their units.

    Args:
        phases: Both arms of each, two units or more in an arm of one of them.
        degrees: Of Student's t.
        levels: Error budgets of both ends.
    """
    used = [phase for phase in phases if min(phase.treatment.n, phase.control.n) > 1]
    low, high = (max(float(stdtrit(degrees, 1 - e.one_sided)) for e in end) for end in (levels.lower, levels.upper))

    def beyond(shift: Margin) -> Interval:
        found = [
            Interval(
                _lower(used, factor, low) - shift.size * (shift.scale == "absolute"),
                _upper(used, factor, high) - shift.size * (shift.scale == "absolute"),
            )
            for factor in _factors(used, shift)
        ]
        return Interval(min(one.lower for one in found), max(one.upper for one in found))

    def p_value(shift: Margin, side: Side) -> float:
        if side == "two":
            return min(1.0, 2 * min(p_value(shift, "lower"), p_value(shift, "upper")))
        by = shift.size if shift.scale == "absolute" else 0.0
        return max(_p_value(used, factor, by, side, degrees) for factor in _factors(used, shift))

    return Evidence(
        method=words(levels, "Fieller's for one look, as denominators are uncertain"),
        absolute=beyond(ZERO),
        relative=_relative(used[0], low, high) if len(used) == 1 else None,
        beyond=beyond,
        p_value=p_value,
    )


def fieller_test(phases: Sequence[Ratios], degrees: float, alpha: float = 0.05) -> TestResult:
    """The same to be shown beside, with each arm's own interval in the note."""
    both = (Level(alpha, 2),)
    known = fieller_evidence(phases, degrees, Levels(both, both))
    used = [phase for phase in phases if min(phase.treatment.n, phase.control.n) > 1]
    whole = sum(phase.weight for phase in used)
    t = sum(phase.weight * _value(phase.treatment, root=phase.root) for phase in used) / whole
    c = sum(phase.weight * _value(phase.control, root=phase.root) for phase in used) / whole
    z = float(stdtrit(degrees, 1 - alpha / 2))
    arms = (_of_arm(used, arm, z) for arm in ("treatment", "control"))
    relative = known.relative
    return TestResult(
        method="Fieller's, uncertain denominators",
        statistic=None,
        p_value=known.p_value(ZERO, "two"),
        effect=finite(t - c),
        lower=finite(known.absolute.lower),
        upper=finite(known.absolute.upper),
        relative_effect=None if relative is None else finite(t / c - 1),
        relative_lower=None if relative is None else finite(relative.lower),
        relative_upper=None if relative is None else finite(relative.upper),
        degrees=degrees,
        note=f"Holds for one look at a planned end; {' and '.join(arms)}.",
    )


def _of_arm(phases: Sequence[Ratios], arm: str, z: float) -> str:
    """One arm's own interval, in words."""
    whole = sum(phase.weight for phase in phases)
    at = np.array([z])
    parts = [(phase.weight / whole, _ends(phase, arm)) for phase in phases]
    lower = lowest([lambda d, w=w, e=e: w * e(d)[0] for w, e in parts], z)  # type: ignore[misc]
    upper = -lowest([lambda d, w=w, e=e: -w * e(d)[1] for w, e in parts], z)  # type: ignore[misc]
    if len(phases) == 1:
        lower, upper = (float(end[0]) for end in parts[0][1](at))
    return f"{arm} {lower:.4g} to {upper:.4g}"


def _value(pair: PairMoments, *, root: bool) -> float:
    ratio = pair.mean_x / pair.mean_y if pair.mean_y else math.nan
    return math.sqrt(max(ratio, 0.0)) if root else ratio


def _ends(phase: Ratios, arm: str) -> Callable[[Floats], tuple[Floats, Floats]]:
    """One arm's Fieller ends [k] at distances [k]: the wider of its own spread's and both arms' together; infinite
    where the denominator is not clear of 0."""
    own, other = (phase.treatment, phase.control) if arm == "treatment" else (phase.control, phase.treatment)
    k, both = (own.n - 1) * own.n, (own.n + other.n - 2) * own.n
    spreads = (
        (own.m2_x / k, own.m2_y / k, own.c_xy / k),
        ((own.m2_x + other.m2_x) / both, (own.m2_y + other.m2_y) / both, (own.c_xy + other.c_xy) / both),
    )

    def at(distance: float) -> tuple[float, float]:
        found = [fieller_of(own.mean_x, own.mean_y, *spread, distance) for spread in spreads]
        if any(one.shape != "interval" for one in found):
            return -math.inf, math.inf
        ends = min(one.interval.lower for one in found), max(one.interval.upper for one in found)
        return (math.sqrt(max(ends[0], 0.0)), math.sqrt(max(ends[1], 0.0))) if phase.root else ends

    def ends(distances: Floats) -> tuple[Floats, Floats]:
        found = np.array([at(float(distance)) for distance in distances])
        return found[:, 0], found[:, 1]

    return ends


def _lower(phases: Sequence[Ratios], factor: float, distance: float) -> float:
    """The lowest treatment - factor · control within a distance."""
    return lowest(_terms(phases, factor, 1.0), distance)


def _upper(phases: Sequence[Ratios], factor: float, distance: float) -> float:
    return -lowest(_terms(phases, factor, -1.0), distance)


def _terms(phases: Sequence[Ratios], factor: float, sign: float) -> list[End]:
    whole = sum(phase.weight for phase in phases)
    found: list[End] = []
    for phase in phases:
        weight = phase.weight / whole
        found.append(_scaled(_ends(phase, "treatment"), sign * weight))
        found.append(_scaled(_ends(phase, "control"), -sign * factor * weight))
    return found


def _scaled(ends: Callable[[Floats], tuple[Floats, Floats]], by: float) -> End:
    def end(distance: Floats) -> Floats:
        low, high = ends(distance)
        if by == 0:
            return np.zeros_like(low)
        return by * (low if by > 0 else high)

    return end


def _factors(phases: Sequence[Ratios], shift: Margin) -> tuple[float, ...]:
    """A relative margin is of the size of the control's ratio, of either sign while that is uncertain."""
    if shift.scale == "absolute":
        return (1.0,)
    whole = sum(phase.weight for phase in phases)
    control = [_scaled(_ends(phase, "control"), phase.weight / whole) for phase in phases]
    if lowest(control, SOLID_CONTROL) > 0:
        return (1 + shift.size,)
    flipped = [_scaled(_ends(phase, "control"), -phase.weight / whole) for phase in phases]
    return (1 - shift.size,) if lowest(flipped, SOLID_CONTROL) > 0 else (1 + shift.size, 1 - shift.size)


def _p_value(phases: Sequence[Ratios], factor: float, by: float, side: Side, degrees: float) -> float:
    """Of one side: from how far the end on that side can go, or if it is beyond already, the other one."""

    def above(distance: float) -> float:
        return _lower(phases, factor, distance) - by

    def below(distance: float) -> float:
        return by - _upper(phases, factor, distance)

    on, off = (above, below) if side == "lower" else (below, above)
    if on(0.0) > 0:
        return float(stdtr(degrees, -distance_to_zero(on)))
    return float(stdtr(degrees, distance_to_zero(off)))


def _relative(phase: Ratios, low: float, high: float) -> Interval | None:
    """Of treatment / control - 1; None unless the control's ratio is clear of 0 from above."""
    t, c = _ends(phase, "treatment"), _ends(phase, "control")
    if not c(np.array([max(SOLID_CONTROL, low, high)]))[0][0] > 0:
        return None
    angle = np.linspace(0, math.pi / 2, 65)

    def parts(distance: float) -> tuple[Floats, Floats, Floats, Floats]:
        z = max(distance, 0.0) / math.cos(math.pi / 256)
        return (*t(z * np.cos(angle)), *c(z * np.sin(angle)))

    t_low, _, c_low, c_high = parts(low)
    lower = float(np.where(t_low >= 0, t_low / c_high, t_low / c_low).min())
    _, t_high, c_low, c_high = parts(high)
    upper = float(np.where(t_high >= 0, t_high / c_low, t_high / c_high).max())
    return Interval(lower - 1, upper - 1)
