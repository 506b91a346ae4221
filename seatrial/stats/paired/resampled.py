"""Any metric of two models on the same rows, by resampling units: what has no formula, as the difference of two F1s.

At one look; there is no sequence for it. Reads one row an answer; the seed is an argument.

References:
    Efron, Tibshirani (1993), An introduction to the bootstrap, chapters 8 and 13.
    Field, Welsh (2007), Bootstrapping clustered data, JRSS B 69(3).
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import TestResult, check_alpha

Difference = Callable[[NDArray[np.int64]], float]
"""From positions of rows (with repeats) to treatment's metric on them less control's; NaN where it is not defined."""

LEAST_DEFINED = 0.95
"""With a smaller share of resamples on which the metric is defined there is no interval."""


def paired_bootstrap(
    units: ArrayLike, difference: Difference, *, seed: int, resamples: int = 1999, alpha: float = 0.05
) -> TestResult:
    """The difference on all rows, with its bias-corrected interval; ``units`` [n] say whose each row is."""
    check_alpha(alpha)
    labels = np.asarray(units).ravel()
    unit = np.unique(labels, return_inverse=True)[1]
    size = int(unit.max()) + 1 if unit.size else 0
    if size < 2:
        raise BadInput(f"{size} units cannot be resampled; wait for two at least")
    order = np.argsort(unit, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(unit))[:-1]) if size < labels.size else None
    seen = difference(np.arange(labels.size))
    rng = np.random.default_rng(seed)

    def resample() -> NDArray[np.int64]:
        chosen = rng.integers(0, size, size)
        return order[chosen] if rows is None else np.concatenate([rows[i] for i in chosen])

    drawn = np.array([difference(resample()) for _ in range(resamples)])
    defined = np.sort(drawn[~np.isnan(drawn)])
    if math.isnan(seen) or defined.size < LEAST_DEFINED * resamples:
        return TestResult(
            method="paired bootstrap",
            statistic=None,
            p_value=None,
            effect=None if math.isnan(seen) else seen,
            note=f"The metric is defined on {defined.size} of {resamples} resamples: no interval yet.",
        )
    below = ((defined < seen).sum() + (defined == seen).sum() / 2) / defined.size
    bias = float(ndtri(min(max(below, 1 / resamples), 1 - 1 / resamples)))
    shares = [float(ndtr(2 * bias + float(ndtri(p)))) for p in (alpha / 2, 1 - alpha / 2)]
    lower, upper = np.quantile(defined, shares)
    return TestResult(
        method="paired bootstrap",
        statistic=None,
        p_value=None,
        effect=seen,
        lower=float(lower),
        upper=float(upper),
        note=f"Holds for one look (fixed), not for every look; {resamples} resamples of units with seed {seed}.",
    )


def most_different(treatment: ArrayLike, control: ArrayLike, most: int) -> NDArray[np.int64]:
    """Positions of the at most ``most`` rows whose answers [n] differ most, the furthest first, earlier rows first."""
    gap = np.abs(np.asarray(treatment, dtype=np.float64) - np.asarray(control, dtype=np.float64))
    order = np.argsort(-gap, kind="stable")
    found: NDArray[np.int64] = order[gap[order] > 0][:most]
    return found
