"""Two small samples' means without a model, for one look: which differences, and ratios, relabelling does not refute.

"The treatment adds d to everybody" (or multiplies by f) is undone, and then the labels mean nothing: of all ways to
deal them out, how many lie at least as far from no difference? Counted where they are few, else drawn. Each is measured
in its own standard errors, so that arms of unequal spread and size do no harm where the samples grow. Where they are
small they do some (15 units beside 60 with a third of their spread: 8.3 % claims without a difference), so of arms of
unequal size Welch's t must say so too.

References:
    Fisher (1935), The design of experiments.
    Janssen (1997), Studentized permutation tests for non-i.i.d. hypotheses and the generalized Behrens-Fisher problem,
    Statistics & Probability Letters 36(1).
    Chung, Romano (2013), Exact and asymptotically robust permutation tests, Ann. Stat. 41(2).
    Phipson, Smyth (2010), Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9(1).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import Margin, contrasts, control_is_solid
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Levels, agreed, fixed_evidence, words
from seatrial.stats.interval import Interval, Side
from seatrial.stats.relabelling import DRAWN, Floats, can_deal, deal

SEED = 1

UNEVEN = 1.5
"""Times as many units in one arm as in the other, from which on relabelling alone is not trusted."""

_STEPS = 14
"""Halvings of an interval's end."""


class Sums(NamedTuple):
    """Over the smaller arm's units of each relabelling: of a + s·b, what is needed for any s; arrays [ways]."""

    a: Floats
    b: Floats
    aa: Floats
    ab: Floats
    bb: Floats

    def at(self, s: float) -> tuple[Floats, Floats]:
        """Sums of a + s·b and of its squares."""
        return self.a + s * self.b, self.aa + 2 * s * self.ab + s * s * self.bb


class Relabelled:
    """All ways, or many, to deal the labels out to units' values.

    Args:
        treatment: Values [n].
        control: Values [m].
        seed: Of the draws, where not all are counted.
        drawn: How many then.

    Raises:
        BadInput: Fewer than two values in an arm, or one that is not finite.
    """

    def __init__(self, treatment: ArrayLike, control: ArrayLike, seed: int = SEED, drawn: int = DRAWN) -> None:
        t, c = _values(treatment), _values(control)
        self._t, self._c = t, c
        self._sign = 1.0 if t.size <= c.size else -1.0
        self._small = min(t.size, c.size)
        self._n = t.size + c.size
        self._dealt = deal(t, c, np.random.default_rng(seed), drawn)
        self.counted = self._dealt.every
        # Values about their common middle, and a factor about the arms' own, lose no digits far from 0.
        middle = np.concatenate([t, c]).mean()
        self._by_shift = self._summed(np.concatenate([t, c]) - middle, _beside(-np.ones(t.size), np.zeros(c.size)))
        self.ratio = float(t.mean() / c.mean()) if c.mean() else math.nan
        if c.mean():
            own = _beside(t - t.mean(), self.ratio * (c - c.mean()))
            self._by_factor = self._summed(own, _beside(np.zeros(t.size), c))

    @property
    def ways(self) -> int:
        """How many there are, or were drawn."""
        return len(self._dealt.table)

    def of_shift(self, shift: float, side: Side) -> float:
        """The p-value against "the treatment adds at most (``lower``) or at least (``upper``) ``shift``"."""
        return self._p_value(*self._by_shift, shift, side)

    def of_factor(self, factor: float, side: Side) -> float:
        """The same of "the treatment multiplies by ``factor``"; the control's mean must not be 0."""
        return self._p_value(*self._by_factor, factor - self.ratio, side)

    def _summed(self, a: Floats, b: Floats) -> tuple[Sums, Sums]:
        parts = (a, b, a * a, a * b, b * b)
        own = Sums(*(self._dealt.sums(part) for part in parts))
        whole = Sums(*(np.array(part.sum()) for part in parts))
        return own, whole

    def _p_value(self, own: Sums, whole: Sums, s: float, side: Side) -> float:
        if side == "two":
            return min(1.0, 2 * min(self._p_value(own, whole, s, "lower"), self._p_value(own, whole, s, "upper")))
        k, rest = self._small, self._n - self._small
        (sums, squares), (total, total_squares) = own.at(s), whole.at(s)
        gap = self._sign * (sums / k - (total - sums) / rest)
        variance = _spread(sums, squares, k) + _spread(total - sums, total_squares - squares, rest)
        scale = math.sqrt(max(float(total_squares), 1e-300) / self._n)
        gap = np.where(np.abs(gap) < 1e-12 * scale, 0.0, gap)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(gap == 0, 0.0, gap / np.sqrt(np.where(variance > 1e-24 * scale**2, variance, 0.0)))
        t = t if side == "lower" else -t
        seen = t[self._dealt.seen]
        return float(np.count_nonzero(t >= seen - 1e-9 * max(1.0, abs(seen) if math.isfinite(seen) else 1.0))) / t.size


def can_be_relabelled(treatment: ArrayLike, control: ArrayLike) -> bool:
    """Whether that takes seconds: of large arms, most of whose values differ, it does not."""
    return can_deal(_values(treatment), _values(control))


def permuted_evidence(
    treatment: ArrayLike, control: ArrayLike, effect: Effect, levels: Levels, seed: int = SEED, drawn: int = DRAWN
) -> Evidence:
    """What is known of two means, for one look; from two units an arm.

    Args:
        treatment: Values [n].
        control: Values [m].
        effect: Of the same units; its standard error only says where to begin to look.
        levels: Error budgets of both ends.
        seed: Of the draws.
        drawn: How many ways are drawn where not all are counted.
    """
    found = Relabelled(treatment, control, seed, drawn)
    low, high = min(e.one_sided for e in levels.lower), min(e.one_sided for e in levels.upper)

    def of(shift: Margin, side: Side) -> float:
        if shift.scale == "absolute":
            return found.of_shift(shift.size, side)
        if math.isnan(found.ratio):
            return 1.0
        return max(found.of_factor(1 + sign * shift.size, side) for sign in _signs(effect, shift))

    def p_value(shift: Margin, side: Side) -> float:
        return min(1.0, 2 * min(of(shift, "lower"), of(shift, "upper"))) if side == "two" else of(shift, side)

    ways = f"{'all' if found.counted else 'by'} {found.ways} relabellings"
    evidence = Evidence(
        method=words(levels, f"by permutation for one look, as units are few ({ways})"),
        absolute=_ends(found.of_shift, (effect.effect, 0.0), effect.se_unpooled, low, high),
        relative=_relative(found, effect, low, high),
        beyond=lambda shift: Interval(
            1.0 if of(shift, "lower") <= low else -1.0, -1.0 if of(shift, "upper") <= high else 1.0
        ),
        p_value=p_value,
    )
    sizes = np.size(treatment), np.size(control)
    if max(sizes) < UNEVEN * min(sizes):
        return evidence
    method = words(levels, f"by permutation and Welch's t for one look, as units are few and uneven ({ways})")
    return agreed(method, evidence, fixed_evidence(effect.unpooled(), levels))


def _signs(effect: Effect, shift: Margin) -> tuple[float, ...]:
    """Both where the sign of the control's mean is uncertain, as in ``contrasts``."""
    both = (1.0, -1.0)
    return both if len(contrasts(effect, shift)) > 1 else (math.copysign(1.0, effect.control_mean),)


def _relative(found: Relabelled, effect: Effect, low: float, high: float) -> Interval | None:
    if not control_is_solid(effect):
        return None
    mean = effect.control_mean
    ends = (low, high) if mean > 0 else (high, low)

    # Of a control below 0, more than f times it is less: sides change as the ends do.
    def p_value(factor: float, side: Side) -> float:
        return found.of_factor(factor, side if mean > 0 else "upper" if side == "lower" else "lower")

    interval = _ends(p_value, (found.ratio, 1.0), effect.se_unpooled / abs(mean), *ends)
    return Interval(interval.lower - 1, interval.upper - 1) if mean > 0 else Interval(
        1 - interval.upper, 1 - interval.lower
    )  # fmt: skip


def _ends(
    p_value: Callable[[float, Side], float], about: tuple[float, float], step: float, low: float, high: float
) -> Interval:
    """Where the p-values pass their levels; infinite where there are too few relabellings to refute anything.

    ``about`` is the middle, and what words are about: on which side of an end that lies is exact.
    """
    middle, line = about
    return Interval(
        middle - _reach(lambda by: p_value(middle - by, "lower"), step, low, middle - line),
        middle + _reach(lambda by: p_value(middle + by, "upper"), step, high, line - middle),
    )


def _reach(p_value: Callable[[float], float], step: float, level: float, line: float) -> float:
    """How far from the middle a p-value that falls passes ``level``."""
    inside, outside = 0.0, max(step, 1e-300)
    for _ in range(40):
        if p_value(outside) <= level:
            break
        inside, outside = outside, 2 * outside
    else:
        return math.inf
    if inside < line < outside:
        inside, outside = (line, outside) if p_value(line) > level else (inside, line)
    for _ in range(_STEPS):
        between = (inside + outside) / 2
        inside, outside = (between, outside) if p_value(between) > level else (inside, between)
    return outside


def _spread(sums: Floats, squares: Floats, n: int) -> Floats:
    """The variance of a mean, from sums of n values and of their squares."""
    found: Floats = np.maximum(squares - sums * sums / n, 0.0) / ((n - 1) * n)
    return found


def _beside(first: Floats, second: Floats) -> Floats:
    return np.concatenate([first, second])


def _values(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    if x.size < 2 or not np.isfinite(x).all():
        raise BadInput(f"{x.size} values, or one that is not finite: relabelling needs two finite numbers in each arm")
    return x
