"""Exact sequence for two arms' sparse events: of each event one asks only which arm it fell in.

While units fall in the treatment with probability w, an event falls there with probability
theta(r) = w r / (w r + 1 - w), where r is the ratio of the two arms' event probabilities; how frequent events are
drops out. Against the ratio r0 the evidence is the likelihood ratio mixed over a fixed list of larger ratios r0·s
(or smaller ones r0/s): a finite mixture, so no quadrature and no approximation, shared by all phases, so that a ramp
does not restart it. Exact for independent units with at most one event each, and for Poisson counts.

Only units drawn by ``weight`` may be counted: leave out a phase in which the change of weights censored one arm more
than the other, or give the weight that was left.

References:
    Lindon, Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import Interval, Side, check_alpha

Direction = Literal["greater", "less"]

_LOG_SPACING = 1.3
_LOG_RATIOS: NDArray[np.float64] = 6.9 * np.exp(-math.log(_LOG_SPACING) * np.arange(34, dtype=np.float64))
"""ln s from 6.9 (a thousandfold) down to 0.0012, evenly on a log scale: some ratio is always near the true one."""
_RATIOS_LESS_ONE: NDArray[np.float64] = np.expm1(_LOG_RATIOS)
_WEIGHTS: NDArray[np.float64] = np.sqrt(_LOG_RATIOS / (1 + _LOG_RATIOS**2))
_LOG_WEIGHTS: NDArray[np.float64] = np.log(_WEIGHTS / _WEIGHTS.sum())
"""Between even and half-Cauchy: large ratios must be cheap, because sparse harm is large harm."""

_SEARCH = 30.0
"""|ln r| beyond which no interval end is looked for."""

_HAIR = 1e-11
"""How closely |ln r| is found (Brent's method, 1973), and the half of what is then given away."""


class PhaseCounts(NamedTuple):
    """One phase's events.

    Attributes:
        treatment_events: Units of the treatment with the event (or its count of events).
        treatment_units: Its units.
        control_events: The same for the control.
        control_units: Its units.
        weight: The treatment's share of the units of these two arms, as configured, above 0 and below 1.
    """

    treatment_events: int
    treatment_units: int
    control_events: int
    control_units: int
    weight: float

    def checked(self) -> "PhaseCounts":
        """Itself; raises BadInput for a weight that is no share or a negative count."""
        if not 0 < self.weight < 1:
            raise BadInput(f"weight {self.weight!r} must lie between 0 and 1: with one arm alone nothing is compared")
        if min(self[:4]) < 0:
            raise BadInput(f"counts {self[:4]} must be 0 or more")
        return self


def log_evidence(phases: Sequence[PhaseCounts], direction: Direction, ratio: float = 1.0) -> float:
    """ln of the e-value against "treatment's events over control's are at most (``greater``) ``ratio``".

    At a true ratio on the null's side it exceeds ln(1/alpha) at any look ever with probability at most alpha.
    """
    terms = _LOG_WEIGHTS + _log_likelihood_ratios(phases, direction, ratio)
    largest = float(terms.max())  # by hand: scipy's logsumexp costs 30 times this sum
    return largest + math.log(float(np.exp(terms - largest).sum()))


def conditional_p(phases: Sequence[PhaseCounts], side: Side = "two", ratio: float = 1.0) -> float:
    """The always-valid p-value; ``lower`` is evidence that the ratio is above ``ratio``, ``upper`` below."""
    greater = math.exp(min(-log_evidence(phases, "greater", ratio), 0.0))
    less = math.exp(min(-log_evidence(phases, "less", ratio), 0.0))
    if side == "two":
        return min(1.0, 2 * min(greater, less))
    return greater if side == "lower" else less


def ratio_sequence(phases: Sequence[PhaseCounts], alpha: float = 0.05, side: Side = "two") -> Interval:
    """The interval of the ratio of event probabilities, treatment over control, valid at every look."""
    check_alpha(alpha)
    level = math.log((2 if side == "two" else 1) / alpha)
    lower, upper = 0.0, math.inf
    if side != "upper" and any(p.treatment_events for p in phases):
        lower = _edge(lambda r: log_evidence(phases, "greater", r) - level)
    if side != "lower" and any(p.control_events for p in phases):
        upper = 1 / _edge(lambda r: log_evidence(phases, "less", 1 / r) - level)
    return Interval(lower, upper)


def _log_likelihood_ratios(phases: Sequence[PhaseCounts], direction: Direction, ratio: float) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.zeros_like(_LOG_RATIOS)
    for phase in phases:
        x, _, y, _, w = phase.checked()
        r = ratio
        if direction == "less":
            x, y, w, r = y, x, 1 - w, 1 / ratio
        share = w * r / (w * r + 1 - w)
        total += x * _LOG_RATIOS - (x + y) * np.log1p(share * _RATIOS_LESS_ONE)
    return total


def _edge(excess: Callable[[float], float]) -> float:
    """Where the evidence, falling in the ratio, meets the level, on ln r; a hair on the safe side."""

    def at(x: float) -> float:
        return excess(math.exp(x))

    if at(-_SEARCH) < 0:
        return math.exp(-_SEARCH)
    if at(_SEARCH) >= 0:
        return math.exp(_SEARCH)
    return math.exp(brentq(at, -_SEARCH, _SEARCH, xtol=_HAIR, rtol=_HAIR) - 2 * _HAIR)
