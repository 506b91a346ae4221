"""Two equal arms under Thompson sampling, many worlds at once: where a plain test finds what is not there.

`python -m tests.statistics.adaptive_worlds` runs the whole scene (2 000 worlds) and fails where the bar is missed.
"""

import argparse
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, ndtri

from seatrial.bandits.adaptive import AdaptiveData, adaptive_effect

Floats = NDArray[np.float64]
BATCHES, BATCH, FLOOR = 50, 100, 0.01
ARM_SHARE = 0.1
_EDGES = np.array([0, 1e-6, 1e-3, 0.05, 0.5, 0.95, 1 - 1e-3, 1 - 1e-6, 1])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


class Errors(NamedTuple):
    """Shares of worlds in which a difference was found at 5 %: by a plain t-test, and by ours."""

    naive: float
    ours: float


def first_is_better(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> Floats:
    """P(Beta(first) > Beta(second)) in every world, shape [worlds]."""
    low, high = _EDGES[:-1, None], _EDGES[1:, None]
    at = ((high + low) / 2 + (high - low) / 2 * _NODES).ravel()
    weights = ((high - low) / 2 * _WEIGHTS).ravel()
    places = betaincinv(first[0][:, None], first[1][:, None], at)
    found: Floats = betainc(second[0][:, None], second[1][:, None], places) @ weights
    return found


def errors(worlds: int, seed: int, share: float = ARM_SHARE) -> Errors:
    """Runs the worlds: two arms of the same ``share``, Thompson sampling with a floor, weights new after each batch."""
    rng = np.random.default_rng(seed)
    n, wins = np.zeros((2, worlds)), np.zeros((2, worlds))
    arms = np.zeros((worlds, BATCHES * BATCH), dtype=np.int64)
    rewards = (rng.random(arms.shape) < share).astype(np.float64)
    chances = np.zeros(arms.shape)
    for batch in range(BATCHES):
        beliefs = [(1 + wins[arm], 1 + n[arm] - wins[arm]) for arm in (0, 1)]
        chance = FLOOR + (1 - 2 * FLOOR) * first_is_better(beliefs[0], beliefs[1])
        now = slice(batch * BATCH, (batch + 1) * BATCH)
        chances[:, now] = chance[:, None]
        arms[:, now] = rng.random((worlds, BATCH)) >= chance[:, None]
        for arm in (0, 1):
            n[arm] += (arms[:, now] == arm).sum(axis=1)
            wins[arm] += (rewards[:, now] * (arms[:, now] == arm)).sum(axis=1)
    found = [_found(*world) for world in zip(arms, rewards, chances, strict=True)]
    return Errors(*np.mean(found, axis=0).tolist())


def _found(arms: NDArray[np.int64], rewards: Floats, chances: Floats) -> tuple[bool, bool]:
    first, second = rewards[arms == 0], rewards[arms == 1]
    se = float(np.sqrt(first.var(ddof=1) / first.size + second.var(ddof=1) / second.size))
    naive = abs(float(first.mean() - second.mean())) > float(ndtri(0.975)) * se
    epochs = np.repeat(np.arange(BATCHES), BATCH)
    data = AdaptiveData(np.arange(arms.size), epochs, arms, rewards, np.column_stack([chances, 1 - chances]))
    return naive, adaptive_effect(data, 1, 0).p < 0.05


def main() -> int:
    """Prints the shares; 1 when ours is over 6 %, or the plain test's under 9 % (then the scene shows nothing)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2021)
    given = parser.parse_args()
    bad = False
    for share in (0.5, 0.3, ARM_SHARE):
        found = errors(given.worlds, given.seed, share)
        print(
            f"arms of {share:g}: plain t-test {100 * found.naive:.1f} %, √propensity-weighted {100 * found.ours:.1f} %"
        )
        bad |= found.naive < 0.09 or found.ours > 0.06
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
