"""Doubly robust scores of units that chance dealt: what each would have earned under every arm, but for noise.

The units are dealt into two halves. What is chosen is chosen on the first, whose scores are cross-fitted within it;
what is said is said of the second, whose scores come of a model of the first.

References:
    Robins, Rotnitzky, Zhao (1994), Estimation of regression coefficients when some regressors are not always observed.
    JASA 89(427). Athey, Wager (2021), Policy learning with observational data. Econometrica 89(1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from seatrial.bandits.logged import Logged
from seatrial.bandits.outcome_model import cross_fitted, predicted
from seatrial.bandits.overlap import LEAST_PROPENSITY, MOST_DEVIATIONS
from seatrial.bandits.policy_tree import Codes, Column
from seatrial.bandits.posterior import Floats
from seatrial.bandits.regression import Regression
from seatrial.spec.errors import BadInput

_RIDGE = 1e-3
HALVES = 2


class Mean(NamedTuple):
    """A mean a unit and its interval; NaN where there are fewer than two units."""

    value: float
    lower: float
    upper: float


NO_MEAN = Mean(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Half:
    """One half of the units.

    Attributes:
        rows: Which, shape [m].
        arms: What each got, shape [m].
        scores: Of every unit under every arm, shape [m, K].
    """

    rows: Codes
    arms: Codes
    scores: Floats


def halves(logged: Logged, contexts: Floats, count: int, seed: int) -> tuple[Half, Half]:
    """The half that chooses and the half that judges, each with its scores.

    Args:
        logged: One row a unit.
        contexts: What sharpens the scores, shape [n, d].
    """
    dealt = np.random.default_rng(seed).permutation(logged.units.size) % HALVES
    chosen, judged = (np.flatnonzero(dealt == number) for number in range(HALVES))
    first, second = (_rows(logged, contexts, rows) for rows in (chosen, judged))
    scores = _scores(first, predicted(first, cross_fitted(first, count, seed), count))
    return Half(chosen, first.arms, scores), Half(judged, second.arms, _scores(second, _model(first, count, second)))


def check_units(logged: Logged, columns: Sequence[Column]) -> None:
    """Raise BadInput where a unit has several rows, or a column is not of all units."""
    if logged.unit_count != logged.units.size:
        raise BadInput(f"{logged.units.size} rows are of {logged.unit_count} units; keep the first row of each unit")
    for column in columns:
        if column.values.shape != logged.units.shape:
            raise BadInput(f"column {column.name!r} has {column.values.size} values for {logged.units.size} units")


def cannot_tell(logged: Logged, names: Sequence[str], least: int) -> tuple[str, ...]:
    """Why these rows tell nothing of the arms, a sentence; empty: they do.

    Args:
        names: Of the arms.
        least: Units that each must have.
    """
    units = np.bincount(logged.arms, minlength=len(names))
    if units.min() < least:
        arm = int(units.argmin())
        return (f"{names[arm]} has {units[arm]} matured units and {least} are the least; wait for more.",)
    if logged.propensities.min() < LEAST_PROPENSITY:
        return (
            f"a unit got its arm with a chance of {logged.propensities.min():.2g}, below {LEAST_PROPENSITY:g}: "
            "such a unit stands for nobody.",
        )
    for arm, name in enumerate(names):
        weights = np.where(logged.arms == arm, 1 / logged.propensities, 0.0)
        away = float(abs(weights.mean() - 1)) * math.sqrt(weights.size) / max(float(weights.std()), 1e-12)
        if away > MOST_DEVIATIONS:
            return (
                f"the logged propensities are not what units were drawn by: the weights of {name} have the mean "
                f"{weights.mean():.4g}, {away:.1f} standard errors from 1.",
            )
    return ()


def mean_of(values: Floats, alpha: float) -> Mean:
    """A mean and its normal interval that covers 1 - alpha."""
    if values.size < 2:
        return NO_MEAN
    value, width = float(values.mean()), -float(ndtri(alpha / 2)) * float(values.std(ddof=1)) / math.sqrt(values.size)
    return Mean(value, value - width, value + width)


def _scores(logged: Logged, expected: Floats) -> Floats:
    """Shape [n, K]: the model's, and for the arm that was got what the model missed, over its chance."""
    found = expected.copy()
    rows = np.arange(logged.arms.size)
    found[rows, logged.arms] += (logged.rewards - expected[rows, logged.arms]) / logged.propensities
    return found


def _model(fitted: Logged, count: int, used: Logged) -> Floats:
    """Expected rewards of every arm on one half by lines of the other, shape [n, count]."""
    empty = Regression.empty(fitted.design.shape[1], _RIDGE)
    lines = [
        empty.with_rewards(fitted.design[fitted.arms == arm], fitted.rewards[fitted.arms == arm])
        for arm in range(count)
    ]
    return np.column_stack([used.design @ line.coefficients for line in lines])


def _rows(logged: Logged, contexts: Floats, rows: Codes) -> Logged:
    return Logged(
        np.arange(rows.size), logged.arms[rows], logged.rewards[rows], logged.propensities[rows], contexts[rows]
    )
