"""Bayesian comparisons: the chance that the treatment is better, and what choosing it would cost if it is not.

Shown beside the verdict, never acted on: stopping when the chance is high does not hold alpha. Priors are stated in
the result: Beta(1, 1) on each share unless told otherwise, a flat prior on means.

References:
    Stucchio (2015), Bayesian A/B testing at VWO (expected loss).
    Gelman et al. (2013), Bayesian Data Analysis, 3rd edition, chapter 2.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, ndtr, ndtri, xlog1py, xlogy

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(40)
_TAILS: NDArray[np.float64] = np.array([1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 0.003, 0.03, 0.2])
_PANELS: NDArray[np.float64] = np.concatenate([_TAILS, [0.5], 1 - _TAILS[::-1]])
ENOUGH = 500.0
"""With so many events, and others, in both arms the interval of shares is the normal one: the exact one costs 0.2 s."""

NOTE = "Bayesian: it holds no error rate, and stopping on it does not hold alpha."


class BetaPrior(NamedTuple):
    """Beta(a, b) on a share: as if a successes and b failures had been seen before."""

    a: float = 1.0
    b: float = 1.0


class Bayesian(msgspec.Struct, frozen=True, kw_only=True):
    """A posterior comparison; better means higher.

    Attributes:
        p_better: P(treatment's true value is above control's), 0 to 1.
        loss_treatment: Expected loss, in the metric's unit, of choosing the treatment.
        loss_control: Expected loss of staying with the control.
        lower: The point of the posterior difference with alpha / 2 below it; of shares with ``ENOUGH`` events and
            others in both arms by the normal approximation, which is then within a fiftieth of its standard deviation.
        upper: That with alpha / 2 above it.
        p_same: P(the difference lies inside the region of practical equivalence); None where none was given.
        prior: The prior in words.
        note: What it may not be used for.
        alpha: The interval covers 1 - alpha.
    """

    p_better: float
    loss_treatment: float
    loss_control: float
    lower: float
    upper: float
    prior: str
    p_same: float | None = None
    note: str = NOTE
    alpha: float = 0.05


def compare_shares(
    treatment: int,
    n_treatment: int,
    control: int,
    n_control: int,
    prior: BetaPrior = BetaPrior(),
    alpha: float = 0.05,
    rope: float | None = None,
) -> Bayesian:
    """Two shares with independent beta posteriors; exact to 1e-9.

    Args:
        treatment: Its units with the event.
        n_treatment: Its units.
        control: The control's units with the event.
        n_control: The control's units.
        prior: On each share.
        alpha: The interval covers 1 - alpha.
        rope: Differences smaller than this, as a share, are the same in practice.
    """
    if not (0 <= treatment <= n_treatment and 0 <= control <= n_control):
        raise BadInput(f"{treatment} of {n_treatment} and {control} of {n_control} are not shares of units")
    if not (prior.a > 0 and prior.b > 0):
        raise BadInput(f"prior Beta({prior.a}, {prior.b}) needs both numbers above 0")
    t = BetaPrior(prior.a + treatment, prior.b + n_treatment - treatment)
    c = BetaPrior(prior.a + control, prior.b + n_control - control)
    p_better = p_above(t, c)
    mean_t, mean_c = t.a / (t.a + t.b), c.a / (c.a + c.b)
    # E[t; t > c] = mean_t * P(t' > c) where t' has one success more (and likewise for c).
    gain = mean_t * p_above(BetaPrior(t.a + 1, t.b), c) - mean_c * p_above(t, BetaPrior(c.a + 1, c.b))
    gain = max(gain, 0.0)
    gap = _Gap(t, c)
    ends = [gap.quantile(p) for p in (alpha / 2, 1 - alpha / 2)] if min(*t, *c) < ENOUGH else _normal_ends(t, c, alpha)
    return Bayesian(
        p_better=p_better,
        loss_treatment=max(gain - (mean_t - mean_c), 0.0),
        loss_control=gain,
        lower=ends[0],
        upper=ends[1],
        p_same=None if rope is None else max(0.0, gap.above(-_half(rope)) - gap.above(rope)),
        prior=f"Beta({prior.a:g}, {prior.b:g}) on each share",
        alpha=alpha,
    )


def compare_normal(
    effect: Effect,
    prior_sd: float | None = None,
    alpha: float = 0.05,
    *,
    prior_mean: float = 0.0,
    rope: float | None = None,
) -> Bayesian:
    """A difference of means (or ratios) with a normal likelihood; closed forms throughout.

    Args:
        effect: The arms.
        prior_sd: Standard deviation of a normal prior on the difference, in the metric's unit; None: flat.
        alpha: The interval covers 1 - alpha.
        prior_mean: The prior's mean; without ``prior_sd`` it has no say.
        rope: Differences smaller than this, in the metric's unit, are the same in practice.
    """
    if prior_sd is not None and not prior_sd > 0:
        raise BadInput(f"a prior's standard deviation {prior_sd!r} must be above 0; leave it out for a flat prior")
    se = effect.se_unpooled
    if not se > 0:
        raise BadInput("neither arm varies, so there is no posterior; wait for more units")
    shrink = 1.0 if prior_sd is None else prior_sd**2 / (prior_sd**2 + se**2)
    mean, sd = shrink * effect.effect + (1 - shrink) * prior_mean, math.sqrt(shrink) * se
    z = mean / sd
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    half = float(ndtri(1 - alpha / 2)) * sd
    return Bayesian(
        p_better=float(ndtr(z)),
        loss_treatment=max(sd * density - mean * float(ndtr(-z)), 0.0),
        loss_control=max(sd * density + mean * float(ndtr(z)), 0.0),
        lower=mean - half,
        upper=mean + half,
        p_same=None if rope is None else float(ndtr((_half(rope) - mean) / sd) - ndtr((-rope - mean) / sd)),
        prior="flat on the difference"
        if prior_sd is None
        else f"Normal({prior_mean:g}, {prior_sd:g}) on the difference",
        alpha=alpha,
    )


def region(margin: Margin | None, control_mean: float) -> float | None:
    """The region of practical equivalence about 0, in the metric's unit: the smallest effect cared about, if any.

    A relative one is of the size of the control's mean. None where there is none, or it is empty.
    """
    if margin is None:
        return None
    size = margin.size * abs(control_mean) if margin.scale == "relative" else margin.size
    return size if math.isfinite(size) and size > 0 else None


def told(found: Bayesian, *, share: bool = False, names: tuple[str, str] = ("the treatment", "the control")) -> str:
    """The posterior in words, to follow a metric's name.

    Args:
        found: Of better meaning what the metric wants.
        share: Its unit is a share, told in points.
        names: What treatment and control are called.
    """
    scale, unit = (100, " points") if share else (1, "")
    same = "" if found.p_same is None else f", {found.p_same:.1%} that it differs by less than you care about"
    ends = f"{scale * found.lower:+.3g} to {scale * found.upper:+.3g}{unit} ({100 * (1 - found.alpha):.4g}% credible)"
    losses = f"{names[0]} {scale * found.loss_treatment:.2g}{unit}, {names[1]} {scale * found.loss_control:.2g}{unit}"
    return (
        f"a posterior ({found.prior}) gives {found.p_better:.1%} that {names[0]} is better{same}; the difference is "
        f"{ends}. Expected loss of choosing: {losses}. {found.note}"
    )


def p_above(first: BetaPrior, second: BetaPrior) -> float:
    """P(X > Y) for independent X ~ Beta(first), Y ~ Beta(second): the mean of Y's distribution function over X.

    Gauss-Legendre over X's probability, cut at quantiles of both: a fixed grid misses narrow posteriors. From
    ``ENOUGH`` on over X's density, which then is smooth at both ends, and asks for no inverse of all those points.
    """
    if min(*first, *second) >= ENOUGH:
        return _Gap(first, second).above(0.0)
    cuts = _cuts(first, second)
    low, high = cuts[:-1, None], cuts[1:, None]
    u = (high + low) / 2 + (high - low) / 2 * _NODES
    values = betainc(second.a, second.b, betaincinv(first.a, first.b, u))
    return min(1.0, float((values * _NODE_WEIGHTS * (high - low) / 2).sum()))


def _cuts(first: BetaPrior, second: BetaPrior) -> NDArray[np.float64]:
    """Where to cut the unit interval: at fixed tails, and where the second's quantiles lie in the first."""
    theirs = betainc(first.a, first.b, betaincinv(second.a, second.b, _PANELS))
    cuts: NDArray[np.float64] = np.unique(np.concatenate([[0.0, 1.0], _PANELS, theirs]))
    return cuts


class _Gap:
    """The difference X - Y of two independent betas: its upper tail and its quantiles, to 1e-9.

    By X's density, which is brought to mass 1 by the same rule, so that its constant costs no digits; many tails of
    one pair cost a fraction of ``p_above`` each.
    """

    def __init__(self, first: BetaPrior, second: BetaPrior) -> None:
        self._first, self._second = first, second
        self._own = betaincinv(first.a, first.b, _PANELS)
        self._theirs = np.concatenate([[0.0], betaincinv(second.a, second.b, _PANELS), [1.0]])

    def above(self, by: float) -> float:
        """P(X - Y > by)."""
        cuts = np.unique(np.clip(np.concatenate([[0.0, 1.0], self._own, self._theirs + by]), 0.0, 1.0))
        low, high = cuts[:-1, None], cuts[1:, None]
        x = (high + low) / 2 + (high - low) / 2 * _NODES
        log = xlogy(self._first.a - 1, x) + xlog1py(self._first.b - 1, -x)
        mass = np.exp(log - log.max()) * _NODE_WEIGHTS * (high - low)
        below = betainc(self._second.a, self._second.b, np.clip(x - by, 0.0, 1.0))
        return float((mass * below).sum() / mass.sum())

    def quantile(self, share: float) -> float:
        """The d with P(X - Y < d) = ``share``."""
        return float(brentq(lambda d: self.above(d) - (1 - share), -1.0, 1.0, xtol=1e-10))


def _normal_ends(t: BetaPrior, c: BetaPrior, alpha: float) -> list[float]:
    middle = t.a / (t.a + t.b) - c.a / (c.a + c.b)
    half = float(ndtri(1 - alpha / 2)) * math.sqrt(_variance(t) + _variance(c))
    return [middle - half, middle + half]


def _variance(beta: BetaPrior) -> float:
    total = beta.a + beta.b
    return beta.a * beta.b / (total * total * (total + 1))


def _half(rope: float) -> float:
    """Itself; raises BadInput unless it is above 0."""
    if not rope > 0:
        raise BadInput(f"a region of practical equivalence of ± {rope!r} is empty; give a size above 0")
    return rope
