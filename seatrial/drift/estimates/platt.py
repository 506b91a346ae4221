"""Calibration by a logistic curve over the score's log-odds: two numbers, for holdouts too small for steps."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from seatrial.drift.estimates.scores import pairs_of, scores_of

Floats = NDArray[np.float64]
NEAREST = 1e-6
"""Scores are taken as at least this far from 0 and 1, where log-odds are infinite."""

_STEPS, _ENOUGH = 100, 1e-10


class Platt(msgspec.Struct, frozen=True, kw_only=True, tag="platt"):
    """P(it happens) = 1 / (1 + exp(−(slope · log-odds + intercept))).

    Attributes:
        slope, intercept: The curve; 1 and 0 where scores are chances already.
        covariance: Of (slope, intercept): variance, covariance, variance.
        rows: Rows of the holdout.

    References:
        J. Platt, Probabilistic Outputs for Support Vector Machines, 1999 (the targets that keep the curve finite);
        over log-odds: M. Kull, T. Silva Filho and P. Flach, Beyond Sigmoids, Electron. J. Stat. 11(2), 2017.
    """

    slope: float
    intercept: float
    covariance: tuple[float, float, float]
    rows: int

    @classmethod
    def fit(cls, scores: ArrayLike, happened: ArrayLike) -> "Platt":
        """Learn from the holdout by Newton's method: scores [n] in [0, 1], and whether it happened [n]."""
        x, y = pairs_of(scores, happened)
        events = y.sum()
        targets = np.where(y == 1, (events + 1) / (events + 2), 1 / (x.size - events + 2))
        design = _design(x)
        at = np.array([1.0, 0.0])
        for _ in range(_STEPS):
            step = np.linalg.solve(_information(design, at), design.T @ (targets - expit(design @ at)))
            at = _improved(design, targets, at, step)
            if np.abs(step).max() < _ENOUGH:
                break
        spread = np.linalg.inv(_information(design, at))
        return cls(
            slope=float(at[0]),
            intercept=float(at[1]),
            covariance=(float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1])),
            rows=int(x.size),
        )

    def apply(self, scores: ArrayLike) -> Floats:
        """The chance behind each score; shape [n]."""
        chances: Floats = expit(_design(scores_of(scores)) @ np.array([self.slope, self.intercept]))
        return chances

    def variance(self, scores: ArrayLike, weights: ArrayLike) -> float:
        """Variance of Σ weight · chance over rows, as the holdout's own chance makes it (delta method)."""
        design, chances = _design(scores_of(scores)), self.apply(scores)
        slope = design.T @ (np.asarray(weights) * chances * (1 - chances))
        a, ab, b = self.covariance
        return float(a * slope[0] ** 2 + 2 * ab * slope[0] * slope[1] + b * slope[1] ** 2)


def _design(scores: Floats) -> Floats:
    odds: Floats = logit(np.clip(scores, NEAREST, 1 - NEAREST))
    return np.column_stack([odds, np.ones_like(odds)])


def _information(design: Floats, at: Floats) -> Floats:
    """Fisher's, with a ridge so small that it matters only where every score is the same."""
    chances = expit(design @ at)
    information: Floats = (design * (chances * (1 - chances))[:, None]).T @ design + 1e-9 * np.eye(2)
    return information


def _improved(design: Floats, targets: Floats, at: Floats, step: Floats) -> Floats:
    """A Newton step, halved until the likelihood does not fall."""
    before = _loss(design, targets, at)
    for _ in range(30):
        if _loss(design, targets, at + step) <= before + 1e-12:
            return at + step
        step = step / 2
    return at


def _loss(design: Floats, targets: Floats, at: Floats) -> float:
    z = design @ at
    return float((np.logaddexp(0, z) - targets * z).sum())
