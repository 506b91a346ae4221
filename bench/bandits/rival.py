"""One rival's policies on the tables, in an environment of its own; prints its regrets as JSON.

`python -m bench.bandits.rival mabwiser thompson ten-1000 1 0 200`: library, policy, world, batch, first seed, seeds.
"""

import json
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.bandits.worlds import WORLDS, World

Learn = Callable[[NDArray[np.int64], NDArray[np.float64]], None]


def mabwiser(policy: str, count: int, seed: int) -> tuple[Callable[[], int], Learn]:
    from mabwiser.mab import MAB, LearningPolicy

    policies = {
        "thompson": LearningPolicy.ThompsonSampling(),
        "ucb1": LearningPolicy.UCB1(alpha=1),
        "epsilon-greedy": LearningPolicy.EpsilonGreedy(epsilon=0.1),
    }
    bandit = MAB(list(range(count)), policies[policy], seed=seed)
    inner = bandit._imp  # arms are fitted one after another anyway; what would hand them to jobs is half of the time
    inner._parallel_fit = lambda *given: [inner._fit_arm(arm, *(*given, None)[:3]) for arm in inner.arms]
    fitted = [False]

    def pull() -> int:
        if not fitted[0]:  # it cannot predict before its first fit, nor would it try arms that were not in it
            turn[0] += 1
            return (turn[0] - 1) % count
        return int(bandit.predict())

    def learn(arms: NDArray[np.int64], rewards: NDArray[np.float64]) -> None:
        (bandit.partial_fit if fitted[0] else bandit.fit)(arms, rewards)
        fitted[0] = True

    turn = [0]
    return pull, learn


def river(policy: str, count: int, seed: int) -> tuple[Callable[[], int], Learn]:
    from river import bandit, proba

    policies = {
        "thompson": lambda: bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=seed),
        "ucb1": lambda: bandit.UCB(delta=1, seed=seed),
        "epsilon-greedy": lambda: bandit.EpsilonGreedy(epsilon=0.1, seed=seed),
    }
    made, arms_all = policies[policy](), list(range(count))

    def learn(arms: NDArray[np.int64], rewards: NDArray[np.float64]) -> None:
        for arm, reward in zip(arms.tolist(), rewards.tolist(), strict=True):
            made.update(arm, bool(reward) if policy == "thompson" else reward)

    return lambda: made.pull(arms_all), learn


def play(library: str, policy: str, world: World, batch: int, seed: int) -> float:
    table = world.rewards(seed)
    pull, learn = {"mabwiser": mabwiser, "river": river}[library](policy, table.shape[1], seed)
    chosen = np.zeros(world.horizon, dtype=np.int64)
    stop = 0
    while (start := stop) < world.horizon:
        first = table.shape[1] if library == "mabwiser" and start == 0 else 0
        stop = min(start + max(batch, first), world.horizon)
        for step in range(start, stop):
            chosen[step] = pull()
        now = chosen[start:stop]
        learn(now, table[np.arange(start, stop), now])
    return world.regret(chosen, seed)


if __name__ == "__main__":
    library, policy, world = sys.argv[1:4]
    batch, first, seeds = map(int, sys.argv[4:])
    print(json.dumps([play(library, policy, WORLDS[world], batch, seed) for seed in range(first, first + seeds)]))
