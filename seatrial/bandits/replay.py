"""What a bandit that chooses by context would earn, from past records played again; no model makes up rewards.

The units are dealt into two halves. On one the bandit plays: whoever comes is a record of that half, drawn again with a
chance of 1 / propensity; where the bandit chooses by its context what the record got, the record's reward is the
bandit's, else another comes. What each epoch's choices are worth is then said by the other half, of which it learned
nothing, by doubly robust scores; and the halves change places. So what it learned by heart (records come again where
the past is short) is worth nothing here: the answer is rather too low than too high.

Taken for granted: units come as they came, what an arm earns does not change, and a unit's arm changes no other's.

References:
    Li, Chu, Langford, Wang (2011), Unbiased offline evaluation of contextual-bandit-based news article recommendation
    algorithms. WSDM (the rejection). Mary, Preux, Nicol (2014), Improving offline evaluation of contextual bandit
    algorithms via bootstrapping techniques. ICML (records that come again).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits.logged import Logged, by_unit
from seatrial.bandits.outcome_model import cross_fitted, predicted
from seatrial.bandits.posterior import Floats
from seatrial.bandits.scores import mean_of
from seatrial.bandits.simulation import Arm, split_epochs
from seatrial.spec.errors import BadInput

Chosen = NDArray[np.int64]
Choice = Callable[[Floats, np.random.Generator], Chosen]
"""Arms for contexts, shape [n, 1 + d] with a first column of ones, drawn by the policy's chances."""
Learn = Callable[[Floats, Chosen, Floats], Choice | None]
"""From matured contexts [n, 1 + d], arms [n] and rewards [n] to the choice of the next epoch; None: an even one."""

WINDOW = 5
"""Epochs over which its earnings are averaged before they are compared."""
_ROUNDS, _MOST_A_ROUND = 200, 20_000


@dataclass(frozen=True)
class Worth:
    """A mean a unit and its interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class Replayed:
    """What came of it, in rewards a unit; intervals of 95 % are of units.

    Attributes:
        bandit: Mean over all epochs.
        split: Mean of an even split that gives everything to its better arm once it knows it.
        gain: The first less the second.
        best_arm: Position of the arm that earned the most by itself.
        alone: What that arm earns a unit.
        by_epoch: What the bandit's choices of each epoch are worth, shape [epochs].
        ahead: The first epoch from which on the bandit is worth more than that arm alone (averaged over five); None:
            not at the end.
        split_epochs: Epochs until the even split knows its better arm (two-sided 5 %, power 80 %), maturing included.
        pays: Whether the gain's whole interval is above 0.
    """

    bandit: Worth
    split: Worth
    gain: Worth
    best_arm: int
    alone: float
    by_epoch: tuple[float, ...]
    ahead: int | None
    split_epochs: int
    pays: bool


def replay(
    logged: Logged,
    count: int,
    learn: Learn,
    *,
    units: int,
    delay: int,
    epochs: int = 100,
    deals: int = 2,
    seed: int = 0,
) -> Replayed:
    """Plays a bandit on records, and works out an even split on the same ones.

    Args:
        logged: Records with contexts, as the ledger has them.
        count: Arms, at least two.
        learn: The bandit.
        units: That come in an epoch, at least one.
        delay: Whole epochs from a unit to its matured reward.
        epochs: How long.
        deals: How often units are dealt anew into halves.
        seed: Of all draws.

    Raises:
        BadInput: No traffic, all rewards the same, or choices that no record was given.
    """
    if units < 1:
        raise BadInput(f"{units} units an epoch are too few to learn from; make epochs longer (`every`)")
    if not np.ptp(logged.rewards):
        raise BadInput("all records have earned the same so far, so there is nothing to learn; wait for more rewards")
    scores = predicted(logged, cross_fitted(logged, count, seed), count)
    rows = np.arange(logged.arms.size)
    scores[rows, logged.arms] += (logged.rewards - scores[rows, logged.arms]) / logged.propensities
    arms = _arms(logged, scores)
    known = split_epochs(arms, np.array([arm.mean for arm in arms]), units, delay)
    earned, split, by_epoch = np.zeros(rows.size), np.zeros(rows.size), np.zeros(epochs)
    for deal in range(deals):
        rng = np.random.default_rng([seed, deal])
        half = rng.permutation(logged.unit_count)[logged.units] % 2
        for side in (0, 1):
            past, judged = np.flatnonzero(half == side), np.flatnonzero(half != side)
            best = int(scores[past].mean(axis=0).argmax())
            even = min(known, epochs) / epochs
            split[judged] += (even * scores[judged].mean(axis=1) + (1 - even) * scores[judged, best]) / deals
            world = _World(logged, past, rng, count)
            for epoch, choice in enumerate(world.choices(learn, units, delay, epochs)):
                got = scores[judged, choice(logged.design[judged], rng)]
                earned[judged] += got / (deals * epochs)
                by_epoch[epoch] += float(got.sum()) / (deals * rows.size)
    top = int(scores.mean(axis=0).argmax())
    gain = _mean(logged, earned - split)
    alone = arms[top].mean
    return Replayed(
        bandit=_mean(logged, earned),
        split=_mean(logged, split),
        gain=gain,
        best_arm=top,
        alone=alone,
        by_epoch=tuple(by_epoch.tolist()),
        ahead=_ahead(by_epoch, alone),
        split_epochs=known,
        pays=gain.lower > 0,
    )


class _World:
    """One half of the records, from which the bandit plays."""

    def __init__(self, logged: Logged, past: Chosen, rng: np.random.Generator, count: int) -> None:
        self._logged, self._past, self._rng, self._count = logged, past, rng, count
        self._drawn = np.cumsum(1 / logged.propensities[past])

    def choices(self, learn: Learn, units: int, delay: int, epochs: int) -> list[Choice]:
        """The choice of every epoch."""
        found: list[Choice] = []
        came: list[Chosen] = []
        choice: Choice = self._evenly
        for epoch in range(epochs):
            found.append(choice)
            came.append(self._play(choice, units))
            if epoch >= delay:
                matured = np.concatenate(came[: epoch - delay + 1])
                its = self._logged
                choice = learn(its.design[matured], its.arms[matured], its.rewards[matured]) or self._evenly
        return found

    def _play(self, choice: Choice, units: int) -> Chosen:
        """The records of an epoch."""
        found: list[Chosen] = []
        left = units
        for _ in range(_ROUNDS):
            size = min(left * self._count + 10, _MOST_A_ROUND)
            places = np.searchsorted(self._drawn, self._rng.random(size) * self._drawn[-1])
            records = self._past[np.minimum(places, self._past.size - 1)]
            same: Chosen = records[choice(self._logged.design[records], self._rng) == self._logged.arms[records]][:left]
            found.append(same)
            left -= same.size
            if not left:
                return np.concatenate(found)
        raise BadInput("the bandit chooses what hardly any record was given; let a `split` run for longer first")

    def _evenly(self, contexts: Floats, rng: np.random.Generator) -> Chosen:
        found: Chosen = rng.integers(0, self._count, contexts.shape[:1])
        return found


def _arms(logged: Logged, scores: Floats) -> list[Arm]:
    """Each alone: what it earns a unit, and how much a unit's reward varies."""
    means = scores.mean(axis=0).tolist()
    return [Arm(mean, float(logged.rewards[logged.arms == arm].std())) for arm, mean in enumerate(means)]


def _mean(logged: Logged, values: Floats) -> Worth:
    """Of a value a record, with its interval by unit."""
    value = float(values.mean())
    sums = by_unit(logged.units, values - value)
    found = mean_of(sums * logged.unit_count / values.size, 0.05)
    return Worth(value, value + found.lower, value + found.upper)


def _ahead(by_epoch: Floats, alone: float) -> int | None:
    window = min(WINDOW, by_epoch.size)
    means = np.convolve(by_epoch, np.ones(window) / window, "valid")
    behind = np.flatnonzero(means <= alone)
    if not behind.size:
        return 1
    last = int(behind[-1])
    return None if last == means.size - 1 else last + 2
