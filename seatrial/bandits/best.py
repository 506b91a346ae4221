"""P(arm is best): the chance, under independent posteriors, that an arm's mean is the highest of all.

It is the integral over the arm's own probability u of Π F_b(Q_a(u)) over the others. A fixed grid does not do: among
millions of rewards every posterior is narrower than its step. So panels are cut at the quantiles of the arms
themselves, as finely as any of them needs, and each is integrated by Gauss and Legendre's rule.

Weights that are these chances are Thompson sampling: a unit drawn by them goes where a draw of all posteriors would
have sent it (Thompson 1933).

References:
    Thompson (1933), On the likelihood that one unknown probability exceeds another. Biometrika 25.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from seatrial.bandits.posterior import Floats, Posterior
from seatrial.spec.errors import BadInput, SeatrialError

MOST_ARMS = 50
TOLERANCE = 1e-9
"""How far the chances may be from a sum of 1 before they are made to."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_REACH = 7.5
"""Standard deviations: what lies beyond has a chance below 1e-13."""
_MARKS = ndtr(np.arange(-_REACH, _REACH + 0.125, 0.375))
_STEP = 0.5
"""No panel is wider than this on any arm's own normal scale."""


def best(posteriors: Sequence[Posterior], penalties: Sequence[float] | None = None) -> Floats:
    """The chance of each arm to be the best one.

    Args:
        posteriors: Of each arm's mean reward, at least one and at most 50.
        penalties: What each arm's reward is lessened by, in the reward's unit; None: nothing.

    Returns:
        Chances, shape [K], that sum to 1. Arms with the same posterior have the same chance.

    Raises:
        BadInput: No arm, or too many.
        SeatrialError: The chances sum to something else than 1 by more than 1e-9.
    """
    count = len(posteriors)
    if not 1 <= count <= MOST_ARMS:
        raise BadInput(f"{count} arms cannot be compared; give between 1 and {MOST_ARMS}")
    moved = np.zeros(count) if penalties is None else np.asarray(penalties, dtype=np.float64)
    quantiles = np.stack([posterior.quantile(_MARKS) for posterior in posteriors]) - moved[:, None]
    # An arm whose highest quantile lies under another's lowest never is the best; nor does it matter to the others.
    live = np.flatnonzero(quantiles[:, -1] >= quantiles[:, 0].max())
    chances = np.zeros(count)
    if live.size == 1:
        chances[live] = 1.0
        return chances
    arms = [(posteriors[index], float(moved[index])) for index in live.tolist()]
    cuts = _cuts(arms, quantiles[live])
    for index, (arm, penalty) in zip(live.tolist(), arms, strict=True):
        others = [other for other in arms if other != (arm, penalty)]
        same = len(arms) - len(others) - 1
        chances[index] = _chance(arm, penalty, others, same, cuts)
    return normalised(chances)


def normalised(chances: Floats) -> Floats:
    """Chances divided by their sum, which must be 1 to within 1e-9 before.

    Raises:
        SeatrialError: It is not: the quadrature failed.
    """
    total = math.fsum(chances.tolist())
    if not abs(total - 1) <= TOLERANCE:
        raise SeatrialError(
            f"the chances of {len(chances)} arms to be the best sum to {total:.12g} instead of 1, an error of ours; "
            "the weights stay as they are"
        )
    return chances / total


def _cuts(arms: list[tuple[Posterior, float]], quantiles: Floats) -> Floats:
    """Places at which to cut: every arm's quantiles, but no more of them than the most demanding arm needs."""
    lowest = quantiles[:, 0].max()
    places = np.unique(quantiles[quantiles >= lowest])
    depths = np.stack(
        [ndtri(arm.below(places + penalty).clip(1e-16, 1 - 1e-16)) for arm, penalty in arms]
    )  # [arms, places]
    kept = [0]
    for place in range(1, places.size - 1):
        if (depths[:, place + 1] - depths[:, kept[-1]]).max() > _STEP:
            kept.append(place)
    cuts: Floats = places[[*kept, places.size - 1]]
    return cuts


def _chance(arm: Posterior, penalty: float, others: list[tuple[Posterior, float]], same: int, cuts: Floats) -> float:
    edges = np.concatenate([[0.0], arm.below(cuts + penalty), [1.0]])
    edges = np.unique(edges)
    low, high = edges[:-1, None], edges[1:, None]
    at = ((high + low) / 2 + (high - low) / 2 * _NODES).ravel()
    weights = ((high - low) / 2 * _WEIGHTS).ravel()
    places = arm.quantile(at) - penalty
    integrand = weights * at**same
    for other, theirs in others:
        integrand = integrand * other.below(places + theirs)
    return float(integrand.sum())
