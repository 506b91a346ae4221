"""What was done and what came of it: the columns from which other policies are evaluated."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits.posterior import Floats
from seatrial.spec.errors import BadInput


@dataclass(frozen=True)
class Logged:
    """Decisions in order, one row a unit and epoch (more rows of one unit are not more evidence).

    Attributes:
        units: Who, numbered from 0; shape [n].
        arms: Which arm each got, from 0; shape [n].
        rewards: Shape [n], finite.
        propensities: The chance that it got that arm, in (0, 1]; shape [n].
        contexts: What was known of each, shape [n, d]; None: nothing.
        chances: Of every arm for each row, shape [n, K], of which the propensity is the one of the arm it got; None:
            they are not known, and that an arm had no chance in some rows shows only where it was got nowhere.
    """

    units: NDArray[np.int64]
    arms: NDArray[np.int64]
    rewards: Floats
    propensities: Floats
    contexts: Floats | None = None
    chances: Floats | None = None

    def __post_init__(self) -> None:
        shapes = {self.units.shape, self.arms.shape, self.rewards.shape, self.propensities.shape}
        if len(shapes) != 1 or self.units.ndim != 1:
            raise BadInput(f"columns have the shapes {sorted(shapes)}; all must be [n]")
        if self.contexts is not None and self.contexts.shape[:1] != self.units.shape:
            raise BadInput(f"{self.contexts.shape[0]} contexts for {self.units.size} rows; give one a row")
        if self.chances is not None and self.chances.shape[:1] != self.units.shape:
            raise BadInput(f"{self.chances.shape[0]} rows of chances for {self.units.size} rows; give one a row")
        if not np.isfinite(self.rewards).all():
            raise BadInput(f"reward {self.rewards[~np.isfinite(self.rewards)][0]} is not a finite number; leave it out")
        bad = ~((self.propensities >= 0) & (self.propensities <= 1))
        if bad.any():
            raise BadInput(f"a logged propensity of {self.propensities[bad][0]:g} is not a chance between 0 and 1")

    @cached_property
    def unit_count(self) -> int:
        """How many different units there are."""
        return int(np.unique(self.units).size)

    @cached_property
    def design(self) -> Floats:
        """Contexts with a first column of ones, shape [n, 1 + d]."""
        ones = np.ones((self.units.size, 1))
        return ones if self.contexts is None else np.hstack([ones, self.contexts])


def check_target(logged: Logged, target: Floats) -> None:
    """Whether ``target`` says what another policy would have done with every row: chances [n, K] that sum to 1.

    Raises:
        BadInput: It does not.
    """
    if target.ndim != 2 or target.shape[0] != logged.units.size:
        raise BadInput(f"the target policy has the shape {target.shape}; expected [{logged.units.size}, arms]")
    if logged.arms.size and not 0 <= int(logged.arms.min()) <= int(logged.arms.max()) < target.shape[1]:
        raise BadInput(f"a row is of arm {int(logged.arms.max())}; the target policy knows {target.shape[1]}")
    if logged.chances is not None and logged.chances.shape != target.shape:
        raise BadInput(f"the chances have the shape {logged.chances.shape}, the target policy {target.shape}")
    if not ((target >= 0).all() and np.abs(target.sum(axis=1) - 1).max(initial=0.0) < 1e-6):
        raise BadInput("the target policy's chances are not all at least 0 with a sum of 1 in every row")


def fixed(logged: Logged, arm: int, count: int) -> Floats:
    """The policy that gives everybody one arm, shape [n, count]."""
    chances = np.zeros((logged.units.size, count))
    chances[:, arm] = 1.0
    return chances


def by_unit(units: NDArray[np.int64], values: Floats) -> Floats:
    """Sums of ``values`` over each unit's rows, shape [units]."""
    found: Floats = np.bincount(units, weights=values).astype(np.float64, copy=False)
    return found
