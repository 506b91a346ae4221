"""Our policies on the tables: by the weights of `seatrial.bandits`, or by posterior draws.

Thompson sampling in batches under 100 is played by draws from the same posteriors, forgetting and floors, not by
`seatrial.bandits`, since a thousand steps would need a thousand quadratures. The chance of each arm is the same
(that is what P(arm is best) means; `tests/laws/test_bench_bandits.py` plays both). Only `change-reset` looks less often
here, every 1 000 rewards. The tables say which rows are played so.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.bandits.worlds import World
from seatrial.bandits import Options, Policy, Rewards, Tally, Thompson, last_change, remembered, weigh

_QUADRATURE_FROM = 100
_LOOK = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ours:
    """A policy and how it learns."""

    policy: Policy
    options: Options = field(default_factory=Options)


def play(world: World, ours: Ours, batch: int, seeds: list[int]) -> list[float]:
    """Regret of each seed."""
    if drawn(ours, batch):
        return by_draws(world, ours.options, batch, seeds)
    return [by_weights(world, ours, batch, seed) for seed in seeds]


def drawn(ours: Ours, batch: int) -> bool:
    """Whether it is played by posterior draws."""
    return isinstance(ours.policy, Thompson) and batch < _QUADRATURE_FROM


def by_weights(world: World, ours: Ours, batch: int, seed: int) -> float:
    table, rng = world.rewards(seed), np.random.default_rng([seed, 1])
    count = table.shape[1]
    chosen, got = np.zeros(world.horizon, dtype=np.int64), np.zeros(world.horizon)
    plain = ours.options.half_life is None and ours.options.reset is None
    known = [_tally(0, 0)] * count
    for start in range(0, world.horizon, batch):
        stop = min(start + batch, world.horizon)
        if plain:
            tallies = tuple(known)
        else:
            tallies = remembered(Rewards(chosen[:start], got[:start]), count, ours.options, bounded=True)
        weights = weigh(ours.policy, tallies, ours.options)
        now = np.minimum((rng.random(stop - start)[:, None] > np.cumsum(weights)).sum(axis=1), count - 1)
        chosen[start:stop], got[start:stop] = now, table[np.arange(start, stop), now]
        for arm in set(now.tolist()):
            new = got[start:stop][now == arm]
            known[arm] = _tally(known[arm].n + new.size, known[arm].positive + float(new.sum()))
    return world.regret(chosen, seed)


def _tally(n: float, total: float) -> Tally:
    mean = total / n if n else 0.0
    return Tally(n, mean, n * mean * (1 - mean), total)


def by_draws(world: World, options: Options, batch: int, seeds: list[int]) -> list[float]:
    """All seeds side by side, shape [seeds, K] a step."""
    tables = np.stack([world.rewards(seed) for seed in seeds])
    rng = np.random.default_rng([seeds[0], 2])
    runs, horizon, count = tables.shape
    row = np.arange(runs)
    wins, losses = np.ones((runs, count)), np.ones((runs, count))
    chosen, got = np.zeros((runs, horizon), dtype=np.int64), np.zeros((runs, horizon))
    keep = 1.0 if options.half_life is None else 2 ** (-1 / options.half_life)
    since = [0] * runs
    for start in range(0, horizon, batch):
        stop = min(start + batch, horizon)
        for step in range(start, stop):
            now = rng.beta(wins, losses).argmax(axis=1)
            if options.floor:
                random = rng.random(runs) < options.floor * count
                now = np.where(random, rng.integers(0, count, runs), now)
            chosen[:, step], got[:, step] = now, tables[row, step, now]
        for step in range(start, stop):
            now, reward = chosen[:, step], got[:, step]
            if keep < 1:
                wins, losses = 1 + keep * (wins - 1), 1 + keep * (losses - 1)
            wins[row, now] += reward
            losses[row, now] += 1 - reward
        if options.reset is not None and stop % _LOOK < batch:
            for run in range(runs):
                first = since[run] + last_change(
                    chosen[run, since[run] : stop], got[run, since[run] : stop], options.reset
                )
                if first > since[run]:
                    since[run] = first
                    kept, seen = chosen[run, first:stop], got[run, first:stop]
                    wins[run] = 1 + np.bincount(kept, weights=seen, minlength=count)
                    losses[run] = 1 + np.bincount(kept, weights=1 - seen, minlength=count)
    return [world.regret(run, seed) for run, seed in zip(chosen, seeds, strict=True)]
