"""From rewards to the weights of the next epoch: what is remembered, then the policy, then what it may not do.

    rewards ─► change-reset ─► half-life ─► prior ─► one tally an arm ─► start even? ─► policy ─► floor ─► weights

Pure, and a function of all matured rewards: a restart, a second replica or a repeat come to the same weights.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits.change import last_change
from seatrial.bandits.forgetting import recency
from seatrial.bandits.policy import Policy
from seatrial.bandits.posterior import Floats
from seatrial.bandits.tally import Tally
from seatrial.spec.errors import BadInput

MOST_FLOOR = 0.5
"""Of all traffic that floors may take before it must be asked for in as many words."""


@dataclass(frozen=True)
class Options:
    """How a bandit learns, whatever its policy.

    Attributes:
        floor: Least chance of every arm, 0 to 1/K.
        start: Rewards that every arm must have before anything but even weights is used.
        half_life: In matured rewards; None: nothing is forgotten.
        reset: About the chance that old rewards are thrown away though nothing changed; None: they never are.
        prior: What was known of each arm before; empty: nothing.
        prior_units: How many rewards an arm's prior counts for at most.
        penalty: What each arm's reward is lessened by (its cost), in the reward's unit; empty: nothing.
        low, high: Range of a reward.
        force: Floors may take more than half of the traffic.
    """

    floor: float = 0.0
    start: int = 0
    half_life: float | None = None
    reset: float | None = None
    prior: tuple[Tally, ...] = ()
    prior_units: float = float("inf")
    penalty: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 1.0
    force: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise BadInput(f"floor {self.floor:g} is not a share between 0 and 1")
        if not self.low < self.high:
            raise BadInput(f"rewards from {self.low:g} to {self.high:g} have no range; the second must be the higher")


@dataclass(frozen=True)
class Rewards:
    """Matured rewards in order of maturity; one record a unit and epoch.

    Attributes:
        arms: Which arm each is of, from 0; shape [n].
        values: Shape [n].
    """

    arms: NDArray[np.int64]
    values: Floats

    def __post_init__(self) -> None:
        if self.arms.shape != self.values.shape or self.arms.ndim != 1:
            raise BadInput(f"arms have the shape {self.arms.shape} and rewards {self.values.shape}; both must be [n]")


def remembered(rewards: Rewards, count: int, options: Options, *, bounded: bool) -> tuple[Tally, ...]:
    """What still counts of each arm's rewards.

    Args:
        rewards: All matured ones.
        count: Number of arms.
        options: How it learns.
        bounded: Map rewards from their range to [0, 1].

    Raises:
        BadInput: An arm that there is not, or a reward outside the range where that matters.
    """
    arms, values = rewards.arms, rewards.values
    if arms.size and not 0 <= int(arms.min()) <= int(arms.max()) < count:
        raise BadInput(f"a reward is of arm {int(arms.max())}; there are {count}, counted from 0")
    scaled = values
    if bounded or options.reset is not None:
        scaled = (values - options.low) / (options.high - options.low)
        if scaled.size and not (scaled.min() >= 0 and scaled.max() <= 1):
            outside = values[(scaled < 0) | (scaled > 1)][0]
            raise BadInput(
                f"reward {outside:g} lies outside the declared range {options.low:g} to {options.high:g}; "
                "declare the range that rewards have"
            )
    since = 0 if options.reset is None else last_change(arms, scaled, options.reset)
    kept, seen = arms[since:], (scaled if bounded else values)[since:]
    weights = None if options.half_life is None else recency(kept.size, options.half_life)
    tallies = [Tally.of(seen[kept == arm], None if weights is None else weights[kept == arm]) for arm in range(count)]
    if since == 0 and options.prior:
        tallies = _with_prior(tallies, options, bounded=bounded, passed=kept.size)
    return tuple(tallies)


def weigh(
    policy: Policy, tallies: Sequence[Tally], options: Options = Options(), removed: Collection[int] = ()
) -> Floats:
    """The chance of each arm in the next epoch.

    Args:
        policy: Which rule.
        tallies: What is known of each arm (of rewards in [0, 1] where the policy is ``bounded``).
        options: How it learns.
        removed: Arms that a guardrail has taken out: their chance is 0.

    Returns:
        Shape [K], sums to 1.

    Raises:
        BadInput: Every arm is removed, or floors take more than half (or all) of the traffic.
    """
    live = [arm for arm in range(len(tallies)) if arm not in removed]
    if not live:
        raise BadInput(f"all {len(tallies)} arms are removed; a guardrail may not take the last one")
    _check_floor(options, len(tallies))
    penalties = _penalties(policy, options, live, len(tallies))
    known = [tallies[arm] for arm in live]
    weights = np.zeros(len(tallies))
    if min(tally.n for tally in known) < max(options.start, policy.least):
        weights[live] = 1 / len(live)
    else:
        weights[live] = floored(policy.weights(known, penalties), options.floor)
    return weights


def floored(weights: Floats, floor: float) -> Floats:
    """Weights mixed with even ones so that none is below ``floor``; K · floor at most 1. Over the last axis."""
    mixed: Floats = floor + (1 - weights.shape[-1] * floor) * weights
    return mixed


def _check_floor(options: Options, count: int) -> None:
    taken = options.floor * count
    if taken > 1 + 1e-12 or (taken > MOST_FLOOR + 1e-12 and not options.force):
        raise BadInput(
            f"a floor of {100 * options.floor:g}% on {count} arms keeps {100 * taken:g}% of the traffic from what is "
            "learned; lower it" + (", or force it" if taken <= 1 else "")
        )


def _penalties(policy: Policy, options: Options, live: list[int], count: int) -> list[float] | None:
    if not options.penalty:
        return None
    if len(options.penalty) != count:
        raise BadInput(f"{len(options.penalty)} penalties for {count} arms; give one an arm")
    span = options.high - options.low if policy.bounded else 1.0
    return [options.penalty[arm] / span for arm in live]


def _with_prior(tallies: list[Tally], options: Options, *, bounded: bool, passed: int) -> list[Tally]:
    if len(options.prior) != len(tallies):
        raise BadInput(f"{len(options.prior)} priors for {len(tallies)} arms; give one an arm")
    faded = 1.0 if options.half_life is None else 2.0 ** (-passed / options.half_life)
    priors = [prior.at_most(options.prior_units) for prior in options.prior]
    if bounded:
        priors = [prior.scaled(options.low, options.high) for prior in priors]
    return [prior.at_most(prior.n * faded).merge(tally) for prior, tally in zip(priors, tallies, strict=True)]
