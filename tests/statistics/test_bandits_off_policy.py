"""Off-policy estimates in worlds of known truth: coverage, double robustness, and when there is no answer."""

import numpy as np
import pytest
from scipy.stats import binom

from seatrial.bandits import Logged, fixed, off_policy
from tests.statistics.logged_worlds import World, target

WORLDS = 120
TRUTHS = {world: world.truth() for world in (World(), World(wavy=True), World(per_unit=5))}


def covered(world: World, units: int, methods: tuple[str, ...], seed: int) -> dict[str, int]:
    """Of ``WORLDS`` worlds, in how many each method's interval holds the truth; none may be refused."""
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(methods, 0)
    for _ in range(WORLDS):
        logged = world.draw(units, rng)
        found = off_policy(logged, target(logged.contexts))
        assert not found.refusals
        for one in found.estimates:
            if one.method in hits:
                hits[one.method] += one.lower <= TRUTHS[world] <= one.upper
    return hits


@pytest.mark.parametrize(
    ("world", "units"),
    [(World(), 600), (World(wavy=True), 600), (World(per_unit=5), 400)],
    ids=["lines", "waves", "five-rows-a-unit"],
)
def test_intervals_cover(world: World, units: int) -> None:
    methods = ("ips", "snips", "doubly-robust", "switch")
    hits = covered(world, units, methods, seed=3)
    least = int(binom.ppf(0.001, WORLDS, 0.93))  # 93 % is the bar; fewer hits would be rare at that coverage
    assert min(hits.values()) >= least, hits


def test_the_model_alone_is_wrong_where_the_model_is() -> None:
    hits = covered(World(wavy=True), 2000, ("direct", "doubly-robust"), seed=4)
    assert hits["direct"] < 0.7 * WORLDS < hits["doubly-robust"]


def test_doubly_robust_survives_a_wrong_model_and_wrong_propensities() -> None:
    world, rng = World(), np.random.default_rng(5)
    logged = world.draw(100_000, rng)
    chances, truth = target(logged.contexts), TRUTHS[world]
    nonsense = np.tile([0.9, 0.0, 0.3], (100_000, 1))
    wrong_model = off_policy(logged, chances, model=nonsense).estimate("doubly-robust")
    assert abs(wrong_model.value - truth) < 4 * wrong_model.se
    # Propensities wrong by a factor that goes with the context, rescaled so that the weights average 1: contexts
    # below 0 count thrice as much as those above, and arm 0 earns 0.4 + 0.12 x.
    told = logged.propensities * np.where(logged.contexts[:, 0] > 0, 1.5, 0.5)
    everybody = fixed(logged, 0, 3)
    told *= (everybody[np.arange(100_000), logged.arms] / told).mean()
    hurt = Logged(logged.units, logged.arms, logged.rewards, told.clip(0, 0.999), logged.contexts)
    found = off_policy(hurt, everybody, model=world.click(logged.contexts))
    ips, robust = found.estimate("ips"), found.estimate("doubly-robust")
    assert abs(ips.value - 0.4) > 6 * ips.se
    assert abs(robust.value - 0.4) < 4 * robust.se


def test_a_heavy_unit_is_one_observation() -> None:
    """The same unit a thousand times over: the interval does not shrink, and its share is refused."""
    rng = np.random.default_rng(6)
    once = World().draw(500, rng)
    rows = np.concatenate([np.arange(500), np.full(1000, 7)])
    again = Logged(once.units[rows], once.arms[rows], once.rewards[rows], once.propensities[rows], once.contexts[rows])
    found = off_policy(again, target(again.contexts))
    assert any("One unit carries" in said for said in found.refusals)
    assert found.overlap.effective_sample < 20


def test_every_row_twice_leaves_the_interval_as_it_was() -> None:
    once = World().draw(500, np.random.default_rng(7))
    rows = np.repeat(np.arange(500), 2)
    twice = Logged(once.units[rows], once.arms[rows], once.rewards[rows], once.propensities[rows], once.contexts[rows])
    first = off_policy(once, target(once.contexts))
    second = off_policy(twice, target(twice.contexts))
    for method in ("ips", "snips"):
        assert second.estimate(method).value == pytest.approx(first.estimate(method).value)
        assert second.estimate(method).se == pytest.approx(first.estimate(method).se)
