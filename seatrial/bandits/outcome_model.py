"""A model of the reward of every arm at every context, fitted on other units than those that it is used for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits.logged import Logged
from seatrial.bandits.posterior import Floats
from seatrial.bandits.regression import Regression

FOLDS = 5
_RIDGE = 1e-3


def folds_of(units: NDArray[np.int64], seed: int, folds: int = FOLDS) -> NDArray[np.int64]:
    """In which fold each row is: whole units, in equal parts, by chance; shape [n]."""
    count = int(units.max(initial=-1)) + 1
    shuffled = np.random.default_rng(seed).permutation(count)
    found: NDArray[np.int64] = (shuffled % folds)[units]
    return found


@dataclass(frozen=True)
class Part:
    """The line of one arm for one fold.

    Attributes:
        arm: Which.
        held: Rows that it is used for, shape [n].
        used: Rows that it was fitted on, shape [n]: the arm's in the other folds; without any, all of theirs.
        line: What was fitted.
    """

    arm: int
    held: NDArray[np.bool_]
    used: NDArray[np.bool_]
    line: Regression


def cross_fitted(logged: Logged, count: int, seed: int) -> list[Part]:
    """A ridge line an arm and fold. A wrong line costs the doubly robust estimate precision, not truth.

    References:
        Chernozhukov et al. (2018), Double/debiased machine learning. The Econometrics Journal 21 (cross-fitting).
    """
    design, fold = logged.design, folds_of(logged.units, seed)
    empty = Regression.empty(design.shape[1], _RIDGE)
    parts = []
    for number in range(FOLDS):
        held = fold == number
        for arm in range(count):
            own = ~held & (logged.arms == arm)
            used = own if own.any() else ~held
            parts.append(Part(arm, held, used, empty.with_rewards(design[used], logged.rewards[used])))
    return parts


def predicted(logged: Logged, parts: list[Part], count: int) -> Floats:
    """Expected reward of every arm, shape [n, count]."""
    found = np.zeros((logged.units.size, count))
    for part in parts:
        found[part.held, part.arm] = logged.design[part.held] @ part.line.coefficients
    return found
