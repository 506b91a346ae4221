"""A bandit's past as `bandit evaluate` reads it: what it may not answer, and arms whose versions came one by one."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from seatrial.bandits import AdaptiveEffect, Logged, OffPolicy, adaptive_effect, fixed, off_policy
from seatrial.control.evaluation import adaptive
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.experiments.source import TableSource
from seatrial.releases.records import BanditRun
from seatrial.spec.deployment import RewardSpec

RUN = BanditRun(epoch=41, started_at=0, since=0, versions={"a": "a:1", "b": "b:1"}, weights={"a": 0.5, "b": 0.5})
EPOCHS, UNITS, EMPTY = 40, 100, 4
"""In the first ``EMPTY`` epochs arm b has nothing, and units click nine times as often as later, whatever they get."""


def empty_at_first(seed: int, share: float) -> tuple[Rewards, dict[int, dict[str, float]]]:
    """A ledger's rewards, and the weights by revision (here the epoch's number)."""
    rng = np.random.default_rng(seed)
    epoch = np.repeat(np.arange(1, EPOCHS + 1), UNITS)
    first = epoch <= EMPTY
    chance = np.where(first, 0.0, share)
    got = rng.random(epoch.size) < chance
    clicked = np.flatnonzero(rng.random(epoch.size) < np.where(first, 0.9, 0.1))
    at = epoch * 3600
    columns: dict[str, Any] = {
        "unit": [f"u{n}" for n in range(epoch.size)],
        "request_id": [f"r{n}" for n in range(epoch.size)],
        "variant": np.where(got, "b", "a").tolist(),
        "assigned_version": np.where(got, "b:1", "a:1").tolist(),
        "propensity": np.where(got, chance, 1 - chance),
        "contested": (chance > 0).tolist(),
        "phase": epoch,
        "revision": epoch,
        "entry": ["all"] * epoch.size,
        "reason": ["bandit"] * epoch.size,
        "at": moments(at),
    }
    outcomes = {
        "outcome": ["click"] * clicked.size,
        "unit": [f"u{n}" for n in clicked.tolist()],
        "at": moments(at[clicked] + 60),
    }
    source = TableSource(pa.table(columns), pa.table(outcomes))
    reward = RewardSpec(outcome="click", within=600, grace=0)
    try:
        seen = read_rewards(source, "all", reward, RUN.versions, since=0, now=10**15)
    finally:
        source.close()
    return seen, {one: {"a": 1.0 - p, "b": p} for one, p in zip(epoch.tolist(), chance.tolist(), strict=True)}


def moments(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds * 1_000_000, pa.int64()).cast(pa.timestamp("us", "UTC"))


def evaluated(seen: Rewards, drawn: dict[int, dict[str, float]], arm: int) -> OffPolicy:
    data = adaptive(seen, RUN, drawn.__getitem__)
    given = data.chances[np.arange(data.arms.size), data.arms]
    logged = Logged(data.units, data.arms, data.rewards, given, chances=data.chances)
    return off_policy(logged, fixed(logged, arm, 2))


def test_what_had_no_chance_in_some_epochs_is_refused_and_the_other_arm_is_covered() -> None:
    """Rows of epochs in which b had nothing are all a's: no logged propensity of them is small."""
    truth, hits = (EMPTY * 0.9 + (EPOCHS - EMPTY) * 0.1) / EPOCHS, 0
    for seed in range(8):
        seen, drawn = empty_at_first(seed, 0.2)
        assert len(seen.units) == EPOCHS * UNITS  # nothing vanishes because it was not contested
        found = evaluated(seen, drawn, 1)
        assert any(f"In {EMPTY * UNITS} rows an arm" in said for said in found.refusals), found.refusals
        one = evaluated(seen, drawn, 0).estimate("doubly-robust")
        hits += one.lower <= truth <= one.upper
    assert hits >= binom.ppf(0.001, 8, 0.93)


def reversioned(seed: int) -> Rewards:
    """Two arms that earn the same; b has another version since the middle, and its earlier rows are not b's."""
    rng = np.random.default_rng(seed)
    epochs, got = np.repeat(np.arange(1, 21), 200), rng.random(4000) < 0.5
    kept = np.flatnonzero(~(got & (epochs <= 10)))
    return Rewards(
        units=tuple(f"u{n}" for n in kept.tolist()),
        arms=tuple("ab"[int(one)] for one in got[kept].tolist()),
        epochs=epochs[kept],
        values=(rng.random(kept.size) < 0.3).astype(np.float64),
        propensities=np.full(kept.size, 0.5),
        revisions=tuple(epochs[kept].tolist()),
    )


def effects(first: int) -> list[AdaptiveEffect]:
    run = msgspec.structs.replace(RUN, together=first)
    half = {"a": 0.5, "b": 0.5}
    worlds = map(reversioned, range(200))
    return [adaptive_effect(adaptive(seen, run, lambda _: half), 1, 0) for seen in worlds]


def test_a_new_version_is_compared_from_where_both_were_arms() -> None:
    found = effects(first=11)
    assert sum(one.lower <= 0 <= one.upper for one in found) >= binom.ppf(0.001, 200, 0.95)
    assert abs(np.mean([one.effect for one in found])) < 4 * found[0].se / np.sqrt(200)


def test_the_whole_past_would_have_told_a_difference_that_is_not_there() -> None:
    """What the epochs before would do, by which the test above can fail."""
    assert sum(one.lower <= 0 <= one.upper for one in effects(first=1)) < 0.9 * 200


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_weights_that_use_both_arms_are_refused_too(share: float) -> None:
    seen, drawn = empty_at_first(99, share)
    data = adaptive(seen, RUN, drawn.__getitem__)
    given = data.chances[np.arange(data.arms.size), data.arms]
    logged = Logged(data.units, data.arms, data.rewards, given, chances=data.chances)
    assert off_policy(logged, np.tile([0.95, 0.05], (data.arms.size, 1))).refusals
