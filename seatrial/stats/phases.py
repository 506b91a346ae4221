"""Phases of constant weights as one effect, weighted by precision; and whether they tell the same story.

Adding the phases up as if they were one confounds the variant with time: a ramp from 5 to 50 % meets a different
day in each arm. Weighting by traffic avoids that at four times the variance of the weights here.

References:
    Mantel, Haenszel (1959), Statistical aspects of the analysis of data from retrospective studies, JNCI 22(4).
    Cochran (1954), The combination of estimates from different experiments, Biometrics 10(1).
"""

import math
from collections.abc import Callable, Sequence

import msgspec
from scipy.special import chdtrc

from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect, Events

HETEROGENEITY_ALPHA = 0.001
"""Cochran's Q below this p-value is a warning."""


class Phases(msgspec.Struct, frozen=True, kw_only=True):
    """Several phases and what they say together.

    Attributes:
        effect: All phases combined.
        phases: The effect of each phase, as given.
        left_out: Phases with fewer than two units in an arm: they carry no weight.
        q: Cochran's Q between the phases used.
        p_value: Its p-value (1 with fewer than two phases).
    """

    effect: Effect
    phases: tuple[Effect, ...]
    left_out: int
    q: float
    p_value: float

    @property
    def heterogeneous(self) -> bool:
        """Whether the phases contradict each other: a warning, not a verdict."""
        return self.p_value < HETEROGENEITY_ALPHA


def combine_phases(phases: Sequence[Effect]) -> Phases:
    """Sum of w_k·effect_k over sum of w_k, with w_k = n_T·n_C / (n_T + n_C), variances accordingly."""
    used = [phase for phase in phases if phase.n_treatment > 1 and phase.n_control > 1]
    q, p_value = _cochran(used)
    return Phases(
        effect=_weighted(used) if used else _nothing(phases),
        phases=tuple(phases),
        left_out=len(phases) - len(used),
        q=q,
        p_value=p_value,
    )


def _weighted(phases: Sequence[Effect]) -> Effect:
    weights = [p.n_treatment * p.n_control / p.n for p in phases]
    total = sum(weights)

    def mean(of: Callable[[Effect], float]) -> float:
        return sum(w * of(p) for w, p in zip(weights, phases, strict=True)) / total

    def variance(of: Callable[[Effect], float]) -> float:
        return sum(w * w * of(p) for w, p in zip(weights, phases, strict=True)) / total**2

    return Effect(
        n_treatment=sum(p.n_treatment for p in phases),
        n_control=sum(p.n_control for p in phases),
        treatment_mean=mean(lambda p: p.treatment_mean),
        control_mean=mean(lambda p: p.control_mean),
        treatment_variance=variance(lambda p: p.treatment_variance),
        control_variance=variance(lambda p: p.control_variance),
        treatment_variance_pooled=variance(lambda p: p.treatment_variance_pooled),
        control_variance_pooled=variance(lambda p: p.control_variance_pooled),
        events=_events(phases),
        covariance=variance(lambda p: p.covariance),
        covariance_pooled=variance(lambda p: p.covariance_pooled),
        degrees=_degrees(weights, phases),
        carriers=_summed([phase.carriers for phase in phases]),
        denominators=_summed([phase.denominators for phase in phases]),
    )


def _degrees(weights: Sequence[float], phases: Sequence[Effect]) -> float | None:
    """Satterthwaite's, of the weighted sum, where phases say their own degrees of freedom; else None."""
    if not any(phase.degrees for phase in phases):
        return None
    parts = [(w * p.se_unpooled) ** 2 for w, p in zip(weights, phases, strict=True)]
    below = sum(v * v / degrees_of(p) for v, p in zip(parts, phases, strict=True) if v > 0)
    return sum(parts) ** 2 / below if below > 0 else math.nan


def _events(phases: Sequence[Effect]) -> Events | None:
    total: Events | None = None
    for phase in phases:
        if phase.events is None:
            return None
        total = phase.events if total is None else total.plus(phase.events)
    return total


def _summed(pairs: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    known = [pair for pair in pairs if pair is not None]
    return (sum(t for t, _ in known), sum(c for _, c in known)) if len(known) == len(pairs) else None


def _nothing(phases: Sequence[Effect]) -> Effect:
    """No phase can be used: the units are counted, the rest is undefined."""
    nan = math.nan
    return Effect(
        n_treatment=sum(p.n_treatment for p in phases),
        n_control=sum(p.n_control for p in phases),
        treatment_mean=nan,
        control_mean=nan,
        treatment_variance=nan,
        control_variance=nan,
        treatment_variance_pooled=nan,
        control_variance_pooled=nan,
        events=_events(phases),
    )


def _cochran(phases: Sequence[Effect]) -> tuple[float, float]:
    known = [p for p in phases if p.se > 0]
    if len(known) < 2:
        return 0.0, 1.0
    precision = [1 / p.se**2 for p in known]
    centre = sum(w * p.effect for w, p in zip(precision, known, strict=True)) / sum(precision)
    q = sum(w * (p.effect - centre) ** 2 for w, p in zip(precision, known, strict=True))
    return q, float(chdtrc(len(known) - 1, q))
