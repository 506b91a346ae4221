"""How long a bandit, and a plain even split, take to find the better arm: worlds made from what arms have earned.

Rewards arrive ``delay`` epochs after the units that earn them: when an even split has its answer before the first
rewards of a bandit have changed anything, a bandit has nothing to give.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from seatrial.bandits.learning import Options, Rewards, remembered, weigh
from seatrial.bandits.policy import Policy
from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally
from seatrial.bandits.thompson import Thompson
from seatrial.bandits.top_two import TopTwo
from seatrial.spec.errors import BadInput

MOST_RECORDS = 1_000_000
"""Of a world, where each is kept because old ones are forgotten."""
SURE = 0.9
"""A bandit has found an arm when it gives it such a share of the traffic that floors leave."""


@dataclass(frozen=True)
class Arm:
    """What is known of an arm.

    Attributes:
        mean: Of a unit's reward.
        sd: Of a unit's reward, at least 0; rewards of 0 and 1 have √(mean (1 − mean)).
        positive: Share of units with a reward above 0, in (0, 1]; used where rewards are zero or positive (`hurdle`).
    """

    mean: float
    sd: float
    positive: float = 1.0


@dataclass(frozen=True)
class Simulated:
    """What came of the simulated worlds.

    Attributes:
        bandit_epochs: Median epochs until the bandit gives the best arm nearly everything; None: not within the limit
            in half of the worlds.
        bandit_found: Share of worlds in which it did so within the limit.
        bandit_lost: Reward lost a unit on the way, against the best arm from the start, over the limit.
        split_epochs: Epochs until an even split shows the best arm better than the second (two-sided 5 %, power 80 %),
            maturing included.
        split_lost: Reward lost a unit by an even split until then, and the best arm after it, over the same limit.
        pays: Whether the bandit loses less.
    """

    bandit_epochs: float | None
    bandit_found: float
    bandit_lost: float
    split_epochs: int
    split_lost: float
    pays: bool


def simulate(
    arms: Sequence[Arm],
    policy: Policy,
    options: Options,
    *,
    units: int,
    delay: int,
    epochs: int = 100,
    worlds: int = 30,
    seed: int = 0,
) -> Simulated:
    """Plays a bandit, and works out an even split, on arms as good as these.

    Args:
        arms: At least two, not all equally good, penalties included.
        policy, options: Of the bandit; an arm is as good as its mean less its penalty.
        units: That come in an epoch.
        delay: Whole epochs from a unit to its matured reward.
        epochs: After so many the bandit is given up.
        worlds: How often it is played.
        seed: Of the draws.

    Raises:
        BadInput: Arms that have earned the same, penalties for others than these, no traffic, or more than a million
            records a world where each must be kept (`half_life`, `change_reset`).
    """
    worth = _worth(arms, options)
    if len(arms) < 2 or worth.max() == worth.min():
        raise BadInput("all arms have earned the same so far, so there is no better one to find; wait for more rewards")
    if units < 1:
        raise BadInput(f"{units} units an epoch are too few to learn from; make epochs longer (`every`)")
    if _forgets(options) and units * epochs > MOST_RECORDS:
        raise BadInput(
            f"{units} units an epoch over {epochs} epochs are over {MOST_RECORDS} records, too many to play with "
            "`half_life` or `change_reset`; make epochs shorter (`every`), or simulate it without them"
        )
    gaps = worth.max() - worth
    played = [_play(arms, policy, options, units, delay, epochs, gaps, [seed, world]) for world in range(worlds)]
    found = [epoch for epoch, _ in played if epoch is not None]
    split = split_epochs(arms, worth, units, delay)
    lost = float(np.mean([loss for _, loss in played]))
    split_lost = float(gaps.mean()) * min(split, epochs) / epochs
    return Simulated(
        bandit_epochs=float(np.median(found)) if 2 * len(found) >= worlds else None,
        bandit_found=len(found) / worlds,
        bandit_lost=lost,
        split_epochs=split,
        split_lost=split_lost,
        pays=lost < split_lost,
    )


def _play(
    arms: Sequence[Arm],
    policy: Policy,
    options: Options,
    units: int,
    delay: int,
    epochs: int,
    gaps: Floats,
    seed: Sequence[int],
) -> tuple[int | None, float]:
    """The first epoch in which the best arm got nearly everything, and what was lost a unit."""
    rng = np.random.default_rng(seed)
    count = len(arms)
    sure = SURE * (1 - options.floor * (count - 1))
    past = _Past(count, options, bounded=policy.bounded)
    waiting: list[list[Floats]] = []
    lost, first = 0.0, None
    for epoch in range(1, epochs + 1):
        weights = weigh(policy, past.tallies, options)
        if first is None and weights[int(gaps.argmin())] >= sure:
            first = epoch
        lost += float(weights @ gaps)
        counts = rng.multinomial(units, weights)
        waiting.append([_drawn(arm, int(n), rng, options, policy) for arm, n in zip(arms, counts, strict=True)])
        if len(waiting) > delay:
            past.add(waiting.pop(0), rng)
    return first, lost / epochs


class _Past:
    """Matured rewards of a world, remembered as a bandit does."""

    def __init__(self, count: int, options: Options, *, bounded: bool) -> None:
        self.tallies: tuple[Tally, ...] = (Tally(),) * count
        self._count, self._options, self._bounded = count, options, bounded
        self._arms, self._values = np.zeros(0, dtype=np.int64), np.zeros(0)

    def add(self, drawn: Sequence[Floats], rng: np.random.Generator) -> None:
        """The rewards of each arm in an epoch, which come in any order."""
        arms = np.repeat(np.arange(self._count), [one.size for one in drawn])
        values = np.concatenate(list(drawn))
        if not _forgets(self._options):
            fresh = remembered(Rewards(arms, values), self._count, self._options, bounded=self._bounded)
            self.tallies = tuple(old.merge(new) for old, new in zip(self.tallies, fresh, strict=True))
            return
        order = rng.permutation(arms.size)
        self._arms = np.concatenate([self._arms, arms[order]])
        self._values = np.concatenate([self._values, values[order]])
        all_ = Rewards(self._arms, self._values)
        self.tallies = remembered(all_, self._count, self._options, bounded=self._bounded)


def _forgets(options: Options) -> bool:
    return options.half_life is not None or options.reset is not None


def _drawn(arm: Arm, n: int, rng: np.random.Generator, options: Options, policy: Policy) -> Floats:
    """The rewards of n units, shape [n]: either end of the range where they are bounded, zero or an exponential amount
    where they are revenue, else normal ones (within the range where that is needed to see a change)."""
    if policy.bounded:
        mean = (arm.mean - options.low) / (options.high - options.low)
        return np.where(rng.random(n) < mean, options.high, options.low)
    if _is_revenue(policy):
        amounts = rng.exponential(arm.mean / arm.positive, n)
        found = np.where(rng.random(n) < arm.positive, amounts, 0.0)
    else:
        found = rng.normal(arm.mean, arm.sd, n)
    return found if options.reset is None else found.clip(options.low, options.high)


def _is_revenue(policy: Policy) -> bool:
    return isinstance(policy, Thompson | TopTwo) and policy.reward == "hurdle"


def _worth(arms: Sequence[Arm], options: Options) -> Floats:
    """What a unit is worth on each arm, shape [K]: what it earns less what the arm costs."""
    means: Floats = np.array([arm.mean for arm in arms])
    if not options.penalty:
        return means
    if len(options.penalty) != len(arms):
        raise BadInput(f"{len(options.penalty)} penalties for {len(arms)} arms; give one an arm")
    worth: Floats = means - np.array(options.penalty)
    return worth


def split_epochs(arms: Sequence[Arm], worth: Floats, units: int, delay: int) -> int:
    """Epochs until an even split has the units that a test of the best two needs, and they are matured."""
    best, second = np.argsort(-worth, kind="stable")[:2]
    if worth[best] == worth[second]:
        second = worth.argmin()
    z = float(ndtri(0.975) + ndtri(0.8))
    needed = z * z * (arms[best].sd ** 2 + arms[second].sd ** 2) / float(worth[best] - worth[second]) ** 2
    return max(1, int(np.ceil(needed * len(arms) / units))) + delay
