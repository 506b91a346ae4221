"""Worlds with and without a segment that is worth a rule: how often one is advised, and whether it is the right one.

`python -m tests.statistics.segment_worlds` runs 200 worlds of each and fails where a bar is missed (null
worlds advise in at most 5 %, the one rule of a country of 30 % comes out in at least 90 %).
"""

import argparse
import sys
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from seatrial.bandits.logged import Logged
from seatrial.bandits.policy_tree import Column, Question
from seatrial.bandits.segments import Segments, find_segments

COUNTRIES = np.array(["DE", "US", "FR", "GB", "IT"], dtype=object)
SHARES = [0.3, 0.25, 0.2, 0.15, 0.1]


class Counted(NamedTuple):
    """Worlds that advised rules, and those whose only rule was the right one."""

    advised: int
    right: int


def world(units: int, rng: np.random.Generator, effect: str, share: float = 0.5) -> tuple[Logged, list[Column]]:
    """Two arms; conversion is 10 % under the first.

    Args:
        units: In all.
        effect: Of the second arm: ``none``; ``same``, +10 % for all; ``country``: +20 % in DE, −10 % elsewhere.
        share: Of the second arm.
    """
    country = rng.choice(COUNTRIES, units, p=SHARES)
    age = rng.normal(40, 12, units).round()
    age[rng.random(units) < 0.05] = np.nan
    plan = rng.choice(np.array(["free", "pro", "team"], dtype=object), units)
    visits = rng.poisson(3, units).astype(np.float64)
    arms = (rng.random(units) < share).astype(np.int64)
    up = {"none": 1.0, "same": 1.1, "country": np.where(country == "DE", 1.2, 0.9)}[effect]
    rewards = (rng.random(units) < 0.1 * np.where(arms == 1, up, 1.0)).astype(np.float64)
    columns = [Column("country", country), Column("age", age), Column("plan", plan), Column("visits", visits)]
    return Logged(np.arange(units), arms, rewards, np.where(arms == 1, share, 1 - share), None), columns


def is_right(found: Segments) -> bool:
    """Whether the only rule is the one of the world ``country``."""
    rules = [leaf.rule for leaf in found.leaves]
    return not found.refusals and [(rule.questions, rule.arm) for rule in rules] == [
        ((Question("country", "==", "DE"),), 1),
        ((), 0),
    ]


def count(worlds: int, units: int, effect: str, seed: int, share: float = 0.5) -> Counted:
    """Runs worlds of one kind."""
    rng = np.random.default_rng(seed)
    advised = right = 0
    for number in range(worlds):
        found = find_segments(*world(units, rng, effect, share), ["a", "b"], seed=number)
        advised += not found.refusals
        right += is_right(found)
    return Counted(advised, right)


def main() -> int:
    """Prints the counts; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2023)
    given = parser.parse_args()
    bad = False
    for effect, units, share in (
        ("none", 200_000, 0.5),
        ("none", 20_000, 0.5),
        ("none", 100_000, 0.1),
        ("same", 200_000, 0.5),
    ):
        found = count(given.worlds, units, effect, given.seed, share)
        print(f"{effect}, {units} units, share {share:g}: advised in {found.advised} of {given.worlds}", flush=True)
        bad |= found.advised > binom.ppf(0.975, given.worlds, 0.05)
    found = count(given.worlds, 200_000, "country", given.seed)
    print(f"country, 200000 units: advised in {found.advised}, exactly that rule in {found.right} of {given.worlds}")
    return int(bad or found.right < 0.9 * given.worlds)


if __name__ == "__main__":
    sys.exit(main())
