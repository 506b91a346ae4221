"""Whether the past can answer for another policy at all: how much of it that policy would have repeated.

It cannot where the target would do what was never done, where a handful of rows carries all the weight, where one unit
does, or where the weights do not average 1 (then the logged propensities are not what was drawn by).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.bandits.logged import Logged, by_unit
from seatrial.bandits.posterior import Floats

LEAST_PROPENSITY = 1e-4
LEAST_EFFECTIVE = 100.0
MOST_OF_ONE_UNIT = 0.1
MOST_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Overlap:
    """How the target's chances compare with the logged ones.

    Attributes:
        effective_sample: (Σ w)² / Σ w² with the weights summed by unit: as many equally weighted units would tell as
            much.
        largest_weight: The largest w = target / logged of a row.
        largest_unit: The largest share of all weight that one unit carries, 0 to 1.
        mean_weight: Of the rows; 1 but for chance.
        mean_weight_se: Its standard error, by unit.
        unsupported: Rows in which an arm that the target would have used had a chance below 1e-4 (where the chances of
            the other arms are not logged: the arm that the row got, or all others together).
        refusals: Why no estimate is given, a sentence each; empty: it may be.
    """

    effective_sample: float
    largest_weight: float
    largest_unit: float
    mean_weight: float
    mean_weight_se: float
    unsupported: int
    refusals: tuple[str, ...]


def weights_of(logged: Logged, target: Floats) -> Floats:
    """w = target chance / logged chance of the arm that each row got; infinite where that had no chance."""
    chances = target[np.arange(logged.arms.size), logged.arms]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights: Floats = np.where(chances > 0, chances / logged.propensities, 0.0)
    return weights


def overlap(logged: Logged, target: Floats, names: Sequence[str] = ()) -> Overlap:
    """How much of what ``target`` would do was done.

    Args:
        logged: What was done.
        target: Chances of the other policy, shape [n, K].
        names: What refusals call the arms; empty: by number, from 0.

    References:
        Kong (1992), A note on importance sampling using standardized weights (effective sample size).
    """
    if not logged.arms.size:
        return Overlap(0.0, 0.0, 0.0, 0.0, 0.0, 0, ("There is no row to evaluate; wait for some.",))
    weights = weights_of(logged, target)
    unsupported = _unsupported(logged, target)
    finite = np.where(np.isfinite(weights), weights, 0.0)
    sums, rows = by_unit(logged.units, finite), by_unit(logged.units, np.ones(finite.size))
    total = float(sums.sum())
    mean = total / finite.size
    se = _cluster_se(sums - mean * rows, finite.size)
    squares = float((sums * sums).sum())
    found = Overlap(
        effective_sample=total * total / squares if squares > 0 else 0.0,
        largest_weight=float(weights.max()),
        largest_unit=float(sums.max()) / total if total > 0 else 0.0,
        mean_weight=mean,
        mean_weight_se=se,
        unsupported=unsupported,
        refusals=(),
    )
    never = [f"`{names[arm]}`" if names else f"arm {arm}" for arm in _never_tried(logged, target)]
    return Overlap(**{**found.__dict__, "refusals": tuple(_refusals(found, never))})


def _unsupported(logged: Logged, target: Floats) -> int:
    chances = target[np.arange(logged.arms.size), logged.arms]
    found = (logged.propensities < LEAST_PROPENSITY) & (chances > 0)
    # Whatever the other arms' chances are, together they are what the propensity leaves.
    found |= (1 - logged.propensities < LEAST_PROPENSITY) & (target.sum(axis=1) - chances > 1e-9)
    if logged.chances is not None:
        found |= ((logged.chances < LEAST_PROPENSITY) & (target > 0)).any(axis=1)
    return int(found.sum())


def _never_tried(logged: Logged, target: Floats) -> tuple[int, ...]:
    """Arms that the target wants and nobody got: their rows would be missing, whatever the propensities say."""
    wanted = np.flatnonzero(target.sum(axis=0) > 0)
    return tuple(int(arm) for arm in wanted if not (logged.arms == arm).any())


def _refusals(found: Overlap, never: Sequence[str]) -> list[str]:
    said = []
    if never:
        said.append(f"The target policy uses {', '.join(never)}, which nobody got; give it a floor and wait.")
    if found.unsupported:
        said.append(
            f"In {found.unsupported} rows an arm that the target policy would have used had a chance of 0 or below "
            f"{LEAST_PROPENSITY:g}; nothing is known of how it would fare there."
        )
    if found.effective_sample < LEAST_EFFECTIVE:
        said.append(
            f"The effective sample is {found.effective_sample:.0f} units, below {LEAST_EFFECTIVE:.0f}; "
            "the target policy is too far from what was done, or there is too little of it."
        )
    if found.largest_unit > MOST_OF_ONE_UNIT:
        said.append(
            f"One unit carries {100 * found.largest_unit:.0f}% of the weight, over 10%; the rest hardly counts."
        )
    away = abs(found.mean_weight - 1)
    if not found.unsupported and away > MOST_DEVIATIONS * found.mean_weight_se + 1e-9:
        said.append(
            f"The weights average {found.mean_weight:.4g} instead of 1, by more than 4 standard errors "
            f"({found.mean_weight_se:.2g}); the logged propensities are not what was drawn by."
        )
    return said


def _cluster_se(deviations: Floats, rows: int) -> float:
    units = deviations.size
    if units < 2:
        return 0.0
    return math.sqrt(float((deviations * deviations).sum()) * units / (units - 1)) / rows
