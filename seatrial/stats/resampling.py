"""Small samples without a model: permutation of the variants, and the bootstrap. One look; the seed is an argument.

Reads one column a unit.

References:
    Fisher (1935), The design of experiments (permutation).
    Phipson, Smyth (2010), Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9(1).
    Efron (1987), Better bootstrap confidence intervals, JASA 82 (bias-corrected and accelerated).
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, TestResult, check_alpha

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From samples along the last axis to their statistics, such as ``np.mean(x, axis=-1)``."""

MOST_ENUMERATED = 100_000
"""With at most as many ways to deal out the units all of them are counted."""

MOST_BOOTSTRAPPED = 1000
"""Units of both arms up to which a bootstrap is shown beside a verdict."""

SEED = 1
"""Of what is shown beside a verdict, so that the same data say the same."""

_AT_ONCE = 2_000_000
"""Numbers held at once while resampling."""


def permutation_test(treatment: ArrayLike, control: ArrayLike, *, seed: int, resamples: int = 9999) -> TestResult:
    """The difference of means of [n] and [m] against "the variant makes no difference to anybody".

    All ways to deal out the units are counted where there are few, else ``resamples`` of them are drawn with ``seed``.
    """
    t, c = _values(treatment), _values(control)
    both, n = np.concatenate([t, c]), t.size
    effect = float(t.mean() - c.mean())
    ways = math.comb(both.size, n)
    if ways <= MOST_ENUMERATED:
        chosen = np.array(list(itertools.combinations(range(both.size), n)))
        count, drawn = _as_extreme(both[chosen].sum(axis=1), both, n, effect), ways
    else:
        rng = np.random.default_rng(seed)
        count, drawn = 1, resamples + 1
        for size in _portions(resamples, both.size):
            shuffled = rng.permuted(np.broadcast_to(both, (size, both.size)), axis=1)
            count += _as_extreme(shuffled[:, :n].sum(axis=1), both, n, effect)
    return TestResult(
        method="permutation",
        statistic=effect,
        p_value=count / drawn,
        effect=effect,
        note=f"Holds for one look at a planned end; {drawn} ways to deal the units out.",
    )


def bootstrap(
    values: ArrayLike, statistic: Statistic, *, seed: int, resamples: int = 9999, alpha: float = 0.05
) -> Interval:
    """The interval of a statistic of values [n], bias-corrected and accelerated (BCa)."""
    x = _values(values)
    return _bca([x], lambda samples: statistic(samples[0]), seed, resamples, alpha)


def bootstrap_difference(
    treatment: ArrayLike,
    control: ArrayLike,
    statistic: Statistic,
    *,
    seed: int,
    resamples: int = 9999,
    alpha: float = 0.05,
) -> TestResult:
    """The difference of a statistic of [n] and [m], treatment less control, with its BCa interval."""
    arms = [_values(treatment), _values(control)]
    interval = _bca(arms, lambda s: statistic(s[0]) - statistic(s[1]), seed, resamples, alpha)
    return TestResult(
        method="bootstrap (BCa)",
        statistic=None,
        p_value=None,
        effect=float(statistic(arms[0]) - statistic(arms[1])),
        lower=interval.lower,
        upper=interval.upper,
        note=f"Holds for one look at a planned end; {resamples} resamples with seed {seed}.",
    )


def bootstrap_of_few(treatment: ArrayLike, control: ArrayLike, alpha: float = 0.05) -> tuple[TestResult, ...]:
    """The bootstrap of a difference of means, to be shown beside where units are few; none where that takes seconds.

    Equal values give equal numbers, in whatever order they come: they are sorted, and the seed is ``SEED``.
    """
    t, c = (np.sort(np.asarray(values, dtype=np.float64).ravel()) for values in (treatment, control))
    if min(t.size, c.size) < 2 or t.size + c.size > MOST_BOOTSTRAPPED:
        return ()
    return (bootstrap_difference(t, c, lambda x: x.mean(axis=-1), seed=SEED, alpha=alpha),)


def _values(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    if x.size < 2 or not np.isfinite(x).all():
        raise BadInput(f"{x.size} values, or one that is not finite: resampling needs two finite numbers in each arm")
    return x


def _as_extreme(totals: Floats, both: Floats, n: int, effect: float) -> int:
    m = both.size - n
    differences = totals / n - (both.sum() - totals) / m
    tolerance = 1e-12 * max(1.0, float(np.abs(both).max()))
    return int((np.abs(differences) >= abs(effect) - tolerance).sum())


def _portions(resamples: int, width: int) -> list[int]:
    size = max(1, _AT_ONCE // max(width, 1))
    return [min(size, resamples - start) for start in range(0, resamples, size)]


def _bca(arms: list[Floats], of: Callable[[list[Floats]], Floats], seed: int, resamples: int, alpha: float) -> Interval:
    check_alpha(alpha)
    rng = np.random.default_rng(seed)
    seen = float(of(arms))
    drawn = np.sort(
        np.concatenate(
            [
                of([arm[rng.integers(0, arm.size, (size, arm.size))] for arm in arms])
                for size in _portions(resamples, sum(arm.size for arm in arms))
            ]
        )
    )
    below = float((drawn < seen).sum() + (drawn == seen).sum() / 2) / drawn.size
    if not 0 < below < 1 or drawn[0] == drawn[-1]:
        return Interval(float(drawn[0]), float(drawn[-1]))
    bias, speed = float(ndtri(below)), _acceleration(arms, of)
    ends = []
    for z in (float(ndtri(alpha / 2)), float(ndtri(1 - alpha / 2))):
        share = float(ndtr(bias + (bias + z) / (1 - speed * (bias + z))))
        ends.append(float(np.quantile(drawn, share)))
    return Interval(ends[0], ends[1])


def _acceleration(arms: list[Floats], of: Callable[[list[Floats]], Floats]) -> float:
    """From the influence of each unit, found by leaving it out."""
    above = below = 0.0
    for number, arm in enumerate(arms):
        left_out = np.array(
            [float(of([np.delete(a, i) if k == number else a for k, a in enumerate(arms)])) for i in range(arm.size)]
        )
        influence = (arm.size - 1) * (left_out.mean() - left_out)
        above += float((influence**3).sum()) / arm.size**3
        below += float((influence**2).sum()) / arm.size**2
    return above / (6 * below**1.5) if below > 0 else 0.0
