"""Past records played again to a bandit that chooses by context."""

import numpy as np
import pytest
from numpy.typing import NDArray

from seatrial.bandits import LinearThompson, Logged, Regression, SquareCB
from seatrial.bandits.replay import Choice, Learn, Replayed, replay
from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]
LIKED, OTHER = 0.6, 0.1


def town(n: int, seed: int, rates: Floats, chance: Floats | None = None) -> Logged:
    """Two kinds of units, told by one number; ``rates`` by kind and arm; ``chance`` of the first arm by kind."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    first = np.full(2, 0.5) if chance is None else chance
    arms = (rng.random(n) >= first[kind]).astype(np.int64)
    rewards = (rng.random(n) < rates[kind, arms]).astype(np.float64)
    propensities = np.where(arms == 0, first[kind], 1 - first[kind])
    return Logged(np.arange(n), arms, rewards, propensities, np.column_stack([2.0 * kind - 1]))


def learning(policy: SquareCB | LinearThompson, floor: float = 0.0) -> Learn:
    def learn(contexts: Floats, arms: NDArray[np.int64], rewards: Floats) -> Choice | None:
        if arms.size < 100:
            return None
        empty = Regression.empty(contexts.shape[1])
        lines = [empty.with_rewards(contexts[arms == arm], rewards[arms == arm]) for arm in range(2)]
        return policy.publish(lines, floor).drawn

    return learn


def played(logged: Logged, policy: SquareCB | LinearThompson, floor: float = 0.0, **options: int) -> Replayed:
    return replay(logged, 2, learning(policy, floor), **{"units": 40, "delay": 1, "epochs": 60} | options)


LIKES = np.array([[LIKED, OTHER], [OTHER, LIKED]])


@pytest.mark.parametrize(("policy", "most"), [(SquareCB(), 0.95), (LinearThompson(), 1.0)])
def test_who_likes_what_is_learned_and_worth_what_it_truly_is(policy: SquareCB | LinearThompson, most: float) -> None:
    found = played(town(4000, 1, LIKES), policy, floor=0.05)
    truth = 0.95 * LIKED + 0.05 * OTHER
    last = float(np.mean(found.by_epoch[-10:]))
    assert truth * most - 0.03 < last < truth + 0.03  # SquareCB goes on exploring
    assert found.alone == pytest.approx((LIKED + OTHER) / 2, abs=0.04)
    assert found.gain.lower > 0.1
    assert found.pays
    assert found.ahead is not None
    assert found.ahead < 20
    assert found.bandit.value - found.split.value == pytest.approx(found.gain.value)


def test_logged_chances_that_lean_by_kind_change_nothing_of_the_answer() -> None:
    """Kinds were mostly given what they like: the plain mean of an arm's rewards would say 0.5."""
    logged = town(6000, 2, LIKES, np.array([0.8, 0.2]))
    assert logged.rewards[logged.arms == 0].mean() > 0.45
    found = played(logged, LinearThompson(), floor=0.05)
    assert found.alone == pytest.approx((LIKED + OTHER) / 2, abs=0.04)
    assert float(np.mean(found.by_epoch[-10:])) == pytest.approx(0.95 * LIKED + 0.05 * OTHER, abs=0.03)


@pytest.mark.parametrize("policy", [SquareCB(), LinearThompson()])
def test_what_is_learned_by_heart_is_worth_nothing(policy: SquareCB | LinearThompson) -> None:
    """Ten numbers that mean nothing, and few records that come again and again."""
    last, pays = [], 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        arms = rng.integers(0, 2, 300)
        rewards = (rng.random(300) < 0.3).astype(np.float64)
        logged = Logged(np.arange(300), arms, rewards, np.full(300, 0.5), rng.normal(size=(300, 10)))
        found = played(logged, policy, units=50, epochs=20)
        pays += found.pays
        last.append(float(np.mean(found.by_epoch[-10:])) - rewards.mean())
    assert np.mean(last) < 0.02
    assert pays <= 2  # judged by the half that taught it, in all


def test_rewards_that_come_too_late_teach_nothing() -> None:
    found = played(town(4000, 3, LIKES), LinearThompson(), delay=60)
    assert found.bandit.value == pytest.approx((LIKED + OTHER) / 2, abs=0.03)
    assert not found.pays


def test_an_interval_covers_what_a_fixed_choice_truly_earns() -> None:
    """The choice is the same whatever is learned, so that its truth is known: 95 % of 200 worlds, within 4 SE."""

    def by_kind(contexts: Floats, _rng: np.random.Generator) -> NDArray[np.int64]:
        return (contexts[:, 1] > 0).astype(np.int64)

    covered = 0
    for seed in range(200):
        logged = town(600, seed, LIKES, np.array([0.6, 0.3]))
        found = replay(logged, 2, lambda *_: by_kind, units=5, delay=0, epochs=40, deals=1, seed=seed)
        rest = (found.by_epoch[0] - LIKED) / 40  # the first epoch is even
        covered += found.bandit.lower <= LIKED + rest <= found.bandit.upper
    assert covered >= 190 - 4 * np.sqrt(200 * 0.95 * 0.05)


def test_units_with_many_records_are_one_observation() -> None:
    once = town(400, 4, LIKES)
    again = Logged(
        np.tile(once.units, 9),
        np.tile(once.arms, 9),
        np.tile(once.rewards, 9),
        np.tile(once.propensities, 9),
        np.tile(once.contexts, (9, 1)),  # type: ignore[arg-type]
    )
    plain, repeated = (played(one, SquareCB(), delay=60) for one in (once, again))
    wide = plain.bandit.upper - plain.bandit.lower
    assert repeated.bandit.upper - repeated.bandit.lower == pytest.approx(wide, rel=0.15)


def test_what_cannot_be_played_is_refused() -> None:
    logged = town(400, 5, LIKES)
    with pytest.raises(BadInput, match="0 units an epoch are too few"):
        played(logged, SquareCB(), units=0)
    flat = Logged(logged.units, logged.arms, np.zeros(400), logged.propensities, logged.contexts)
    with pytest.raises(BadInput, match="nothing to learn"):
        played(flat, SquareCB())

    def never(_contexts: Floats, _rng: np.random.Generator) -> NDArray[np.int64]:
        return np.full(_contexts.shape[0], 2)

    with pytest.raises(BadInput, match="hardly any record was given"):
        replay(logged, 2, lambda *_: never, units=5, delay=0, epochs=3)
