"""The bench's posterior draws lose as much as the weights of `seatrial.bandits` do."""

import numpy as np
import pytest

from bench.bandits.ours import Ours, by_draws, by_weights
from bench.bandits.worlds import World
from seatrial.bandits import Options, Thompson

WORLD = World("three", (0.6, 0.4, 0.3), 120)


@pytest.mark.parametrize("options", [Options(), Options(floor=0.1), Options(half_life=20), Options(0.05, half_life=40)])
def test_draws_and_weights_lose_the_same(options: Options) -> None:
    seeds = list(range(300))
    drawn = np.array(by_draws(WORLD, options, 20, seeds))
    weighed = np.array([by_weights(WORLD, Ours(Thompson(), options), 20, seed) for seed in seeds])
    away = drawn - weighed
    assert abs(away.mean()) < 4 * away.std(ddof=1) / np.sqrt(away.size)
    # It would see another floor or half-life: without either, less is lost.
    if options != Options():
        plain = np.array(by_draws(WORLD, Options(), 20, seeds))
        assert drawn.mean() > plain.mean()
