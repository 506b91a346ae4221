"""Off-policy evaluation: what another policy would have earned, from what was done and the chances it was done by.

    ips              rewards weighted by target / logged chance: unbiased, noisy
    snips            the same, divided by the weights' own mean
    direct           the outcome model alone: quiet, and wrong where the model is
    doubly-robust    the model, corrected by weighted residuals: right where either the model or the propensities are
    switch           doubly robust up to a weight chosen by its error, beyond it the model alone

Intervals are of units: rows of one unit are summed first. Where the past cannot answer, there is no estimate but the
reasons (see ``overlap``).

References:
    Dudík, Langford, Li (2011), Doubly robust policy evaluation and learning. ICML. Swaminathan, Joachims (2015), The
    self-normalized estimator for counterfactual learning. NeurIPS. Wang, Agarwal, Dudík (2017), Optimal and adaptive
    off-policy evaluation in contextual bandits. ICML, section 3 (switch).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from seatrial.bandits.logged import Logged, by_unit, check_target
from seatrial.bandits.outcome_model import Part, cross_fitted, predicted
from seatrial.bandits.overlap import Overlap, overlap, weights_of
from seatrial.bandits.posterior import Floats
from seatrial.spec.errors import BadInput

Method = Literal["ips", "snips", "direct", "doubly-robust", "switch"]
_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Estimate:
    """One estimate of a policy's mean reward a row.

    Attributes:
        method: How.
        value: In the reward's unit.
        se: Its standard error, by unit.
        lower, upper: Interval with the coverage asked for.
    """

    method: Method
    value: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True)
class OffPolicy:
    """What a policy would have earned.

    Attributes:
        rows, units: How many were evaluated.
        earned: Mean reward a row of what was done.
        overlap: How much of what the policy would do was done.
        estimates: One a method; empty where it is refused.
        refusals: Why it is, a sentence each.
    """

    rows: int
    units: int
    earned: float
    overlap: Overlap
    estimates: tuple[Estimate, ...]
    refusals: tuple[str, ...]

    def estimate(self, method: Method) -> Estimate:
        """That of one method.

        Raises:
            BadInput: It was refused.
        """
        for one in self.estimates:
            if one.method == method:
                return one
        raise BadInput("there is no estimate: " + " ".join(self.refusals))


def off_policy(
    logged: Logged,
    target: Floats,
    *,
    alpha: float = 0.05,
    seed: int = 0,
    model: Floats | None = None,
    names: Sequence[str] = (),
) -> OffPolicy:
    """Evaluates another policy on what was logged.

    Args:
        logged: What was done.
        target: What the other policy would have done: chances of the arms, shape [n, K].
        alpha: Intervals cover 1 - alpha.
        seed: Of the folds.
        model: Expected reward of every arm by a model of the caller's, fitted on other rows, shape [n, K]; None: ridge
            lines in the contexts, cross-fitted by unit.
        names: What refusals call the arms; empty: by number, from 0.

    Raises:
        BadInput: Columns or target that are not what they should be.
    """
    check_target(logged, target)
    units = logged.unit_count
    found = overlap(logged, target, names)
    earned = float(logged.rewards.mean()) if logged.rewards.size else 0.0
    if found.refusals:
        return OffPolicy(logged.rewards.size, units, earned, found, (), found.refusals)
    if model is not None and model.shape != target.shape:
        raise BadInput(f"the model has the shape {model.shape}; expected {target.shape}")
    parts = cross_fitted(logged, target.shape[1], seed) if model is None else []
    expected = predicted(logged, parts, target.shape[1]) if model is None else model
    weights = weights_of(logged, target)
    ours = (expected * target).sum(axis=1)
    residuals = logged.rewards - expected[np.arange(logged.arms.size), logged.arms]
    plain = (
        _mean("ips", logged, weights * logged.rewards),
        _self_normalised(logged, weights),
        _direct(logged, target, expected, parts),
        _mean("doubly-robust", logged, ours + weights * residuals),
        _switch(logged, ours, weights, residuals),
    )
    width = float(ndtri(1 - alpha / 2))
    estimates = tuple(
        Estimate(method, value, se, value - width * se, value + width * se) for method, value, se in plain
    )
    return OffPolicy(logged.rewards.size, units, earned, found, estimates, ())


def _mean(method: Method, logged: Logged, scores: Floats) -> tuple[Method, float, float]:
    value = float(scores.mean())
    return method, value, _se(logged, scores - value)


def _self_normalised(logged: Logged, weights: Floats) -> tuple[Method, float, float]:
    value = float((weights * logged.rewards).sum() / weights.sum())
    return "snips", value, _se(logged, weights * (logged.rewards - value) / weights.mean())


def _direct(logged: Logged, target: Floats, expected: Floats, parts: list[Part]) -> tuple[Method, float, float]:
    """The model alone; its error is that of its coefficients (a sandwich by unit) and of the contexts seen."""
    scores = (expected * target).sum(axis=1)
    value = float(scores.mean())
    influence = scores - value
    for part in parts:
        line, used = part.line, logged.design[part.used]
        wanted = target[part.held, part.arm] @ logged.design[part.held]
        pull = line.spread.T @ (line.spread @ wanted)
        influence[part.used] += (used @ pull) * (logged.rewards[part.used] - used @ line.coefficients)
    return "direct", value, _se(logged, influence)


def _switch(logged: Logged, ours: Floats, weights: Floats, residuals: Floats) -> tuple[Method, float, float]:
    """Doubly robust, but rows with a weight over τ left to the model; τ of the smallest variance + squared bias.

    The bias of leaving them out is at most the target's chance of such rows times the largest residual.
    """
    worst = float(np.abs(residuals).max())
    best: tuple[float, float, float] | None = None
    for limit in sorted({float(np.quantile(weights, q)) for q in _QUANTILES}):
        kept = weights <= limit
        scores = ours + np.where(kept, weights * residuals, 0.0)
        value = float(scores.mean())
        se = _se(logged, scores - value)
        bias = worst * float(np.where(kept, 0.0, weights).mean())
        error = se * se + bias * bias
        if best is None or error < best[0]:
            best = (error, value, se)
    assert best is not None
    return "switch", best[1], best[2]


def _se(logged: Logged, deviations: Floats) -> float:
    """Of a mean whose rows deviate so, by unit."""
    sums = by_unit(logged.units, deviations)
    units = logged.unit_count
    return math.sqrt(float((sums * sums).sum()) * units / max(units - 1, 1)) / logged.rewards.size
