"""The effect in each segment, drawn towards the whole: what is left of it when chance is taken off. Never a verdict.

Of many segments some look good by chance. Each effect is shrunk towards the common one by how much segments truly
differ, which all of them tell together; what they cannot tell of that stays in the interval. A segment is marked as
different only after false-discovery control over all segments.

References:
    Daniels (1999), A prior for the variance in hierarchical models, Canadian Journal of Statistics 27(3): the share by
    which a typical segment is shrunk is as likely to be anything from 0 to 1.
    Gelman et al. (2013), Bayesian Data Analysis, 3rd edition, section 5.4.
    Cochran (1954), The combination of estimates from different experiments, Biometrics 10(1).
    Benjamini, Hochberg (1995), Controlling the false discovery rate, JRSS B 57(1).
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import chdtrc, ndtr

from seatrial.stats.effect import Effect
from seatrial.stats.false_discovery import benjamini_hochberg
from seatrial.stats.interval import Interval, check_alpha

Floats = NDArray[np.float64]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment.

    Attributes:
        name: Its name.
        effect: Its own effect, in the metric's unit.
        se: That effect's standard error.
        shrunk: What is believed of it beside the others.
        interval: Of that, at 1 - alpha, for one look.
        p_value: Against the common effect, adjusted over all segments.
        differs: Whether it is shown to differ from the others, at the false-discovery rate.
    """

    name: str
    effect: float
    se: float
    shrunk: float
    interval: Interval
    p_value: float
    differs: bool


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """All segments.

    Attributes:
        common: The effect that they are drawn towards (posterior mean); None with no segment that says anything.
        spread: Standard deviation of the true effects between segments (posterior median).
        p_value: Cochran's Q: against "all segments have one effect".
        segments: In the given order, those with too few units left out.
        left_out: Names of segments with too few units, or without a standard error.
        note: What they may not be used for.
    """

    common: float | None
    spread: float
    p_value: float
    segments: tuple[Segment, ...]
    left_out: tuple[str, ...]
    note: str = "Segments are for learning, read once; they never decide."


def compare_segments(effects: Mapping[str, Effect], alpha: float = 0.05) -> Segments:
    """From each segment's effect; ``alpha`` is the intervals' and the false-discovery rate."""
    check_alpha(alpha)
    known = {name: (e.effect, e.se) for name, e in effects.items() if e.se > 0 and math.isfinite(e.effect)}
    left_out = tuple(name for name in effects if name not in known)
    if not known:
        return Segments(common=None, spread=0.0, p_value=1.0, segments=(), left_out=left_out)
    spreads = _spreads(list(known.values()))
    adjusted = benjamini_hochberg([_against_the_rest(name, known) for name in known])
    segments = []
    for (name, (effect, se)), p_value in zip(known.items(), adjusted, strict=True):
        own = _posterior(effect, se, spreads)
        segments.append(
            Segment(
                name=name,
                effect=effect,
                se=se,
                shrunk=own.mean,
                interval=Interval(own.quantile(alpha / 2), own.quantile(1 - alpha / 2)),
                p_value=p_value,
                differs=p_value <= alpha,
            )
        )
    order = np.argsort(spreads.between)
    middle = order[np.searchsorted(np.cumsum(spreads.weight[order]), 0.5)]
    return Segments(
        common=float(spreads.weight @ spreads.common),
        spread=math.sqrt(float(spreads.between[middle])),
        p_value=_one_effect(list(known.values())),
        segments=tuple(segments),
        left_out=left_out,
    )


class _Spreads(NamedTuple):
    """Possible variances between segments, how probable each is, and the common effect under each, [nodes] each."""

    between: Floats
    weight: Floats
    common: Floats
    common_variance: Floats


class _Mixture(NamedTuple):
    """Normal distributions, weighted."""

    weight: Floats
    means: Floats
    sds: Floats

    @property
    def mean(self) -> float:
        return float(self.weight @ self.means)

    def quantile(self, share: float) -> float:
        low = float((self.means - 12 * self.sds).min())
        high = float((self.means + 12 * self.sds).max())
        return float(brentq(lambda x: float(self.weight @ ndtr((x - self.means) / self.sds)) - share, low, high))


def _spreads(known: list[tuple[float, float]]) -> _Spreads:
    """The posterior over the variance between segments, at Gauss-Legendre nodes of the typical shrinkage."""
    effects, variances = np.array([e for e, _ in known]), np.array([se * se for _, se in known])
    nodes, weights = np.polynomial.legendre.leggauss(64)
    shrinkage = (nodes + 1) / 2
    between = len(variances) / (1 / variances).sum() * (1 - shrinkage) / shrinkage
    precision = 1 / (variances + between[:, None])
    total = precision.sum(axis=1)
    common = precision @ effects / total
    log = 0.5 * (np.log(precision).sum(axis=1) - np.log(total))
    log -= 0.5 * (precision * (effects - common[:, None]) ** 2).sum(axis=1)
    weight = weights * np.exp(log - log.max())
    return _Spreads(between, weight / weight.sum(), common, 1 / total)


def _posterior(effect: float, se: float, spreads: _Spreads) -> _Mixture:
    kept = spreads.between / (spreads.between + se * se)
    means = kept * effect + (1 - kept) * spreads.common
    return _Mixture(spreads.weight, means, np.sqrt(kept * se * se + (1 - kept) ** 2 * spreads.common_variance))


def _one_effect(known: list[tuple[float, float]]) -> float:
    """Cochran's Q's p-value; 1 for one segment."""
    if len(known) < 2:
        return 1.0
    weights = [1 / (se * se) for _, se in known]
    centre = sum(w * effect for w, (effect, _) in zip(weights, known, strict=True)) / sum(weights)
    q = sum(w * (effect - centre) ** 2 for w, (effect, _) in zip(weights, known, strict=True))
    return float(chdtrc(len(known) - 1, q))


def _against_the_rest(name: str, known: Mapping[str, tuple[float, float]]) -> float:
    """The p-value against the precision-weighted effect of the other segments; 1 where there are none."""
    others = [(effect, se) for other, (effect, se) in known.items() if other != name]
    if not others:
        return 1.0
    total = sum(1 / (se * se) for _, se in others)
    rest = sum(effect / (se * se) for effect, se in others) / total
    effect, se = known[name]
    return 2 * float(ndtr(-abs(effect - rest) / math.sqrt(se * se + 1 / total)))
