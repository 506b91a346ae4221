"""From rewards to weights: what is forgotten, what is known before, and what no policy may do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.bandits import UCB, EpsilonGreedy, Options, Rewards, Tally, Thompson, last_change, remembered, weigh
from seatrial.bandits.forgetting import recency
from seatrial.spec.errors import BadInput


def given_rewards(*pairs: tuple[int, float]) -> Rewards:
    return Rewards(np.array([arm for arm, _ in pairs], dtype=np.int64), np.array([value for _, value in pairs]))


def drawn(shares: tuple[float, ...], n: int, seed: int) -> Rewards:
    rng = np.random.default_rng(seed)
    arms = rng.integers(0, len(shares), n)
    return Rewards(arms, (rng.random(n) < np.array(shares)[arms]).astype(np.float64))


def test_a_half_life_halves_with_every_so_many_rewards() -> None:
    assert recency(5, 2.0).tolist() == pytest.approx([0.25, 2**-1.5, 0.5, 2**-0.5, 1.0])
    assert recency(0, 2.0).size == 0
    with pytest.raises(BadInput, match="half-life of 0 rewards"):
        recency(3, 0.0)


def test_forgetting_counts_rewards_of_every_arm() -> None:
    rewards = given_rewards((0, 1.0), (1, 0.0), (1, 1.0))
    first, second = remembered(rewards, 2, Options(half_life=1.0), bounded=True)
    assert (first.n, first.mean) == (0.25, 1.0)
    assert (second.n, second.mean) == (1.5, pytest.approx(2 / 3))


def test_rewards_are_mapped_from_their_range_where_the_policy_needs_it() -> None:
    rewards, options = given_rewards((0, 5.0), (0, 15.0)), Options(low=0, high=20)
    assert remembered(rewards, 1, options, bounded=True)[0].mean == 0.5
    assert remembered(rewards, 1, options, bounded=False)[0].mean == 10
    with pytest.raises(BadInput, match="reward 21 lies outside the declared range 0 to 20"):
        remembered(given_rewards((0, 21.0)), 1, options, bounded=True)


def test_an_arm_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="a reward is of arm 2; there are 2"):
        remembered(given_rewards((2, 1.0)), 2, Options(), bounded=True)


def test_a_prior_counts_for_at_most_its_units_and_fades() -> None:
    options = Options(prior=(Tally.of([1.0] * 100), Tally()), prior_units=10)
    first, second = remembered(given_rewards((0, 0.0), (1, 1.0)), 2, options, bounded=True)
    assert (first.n, first.total) == (11, pytest.approx(10))
    assert second.n == 1
    fading = Options(prior=options.prior, prior_units=8, half_life=1.0)
    assert remembered(given_rewards((1, 1.0), (1, 1.0)), 2, fading, bounded=True)[0].n == pytest.approx(2)
    with pytest.raises(BadInput, match="2 priors for 3 arms"):
        remembered(given_rewards((1, 1.0)), 3, options, bounded=True)


@given(
    shares=st.lists(st.floats(0, 1), min_size=2, max_size=6),
    floor=st.floats(0, 0.08),
    n=st.integers(0, 300),
    seed=st.integers(0, 100),
)
@settings(deadline=None, max_examples=60)
def test_no_arm_falls_below_the_floor(shares: list[float], floor: float, n: int, seed: int) -> None:
    options = Options(floor=floor)
    tallies = remembered(drawn(tuple(shares), n, seed), len(shares), options, bounded=True)
    for policy in (Thompson(), UCB(), EpsilonGreedy(0.0)):
        weights = weigh(policy, tallies, options)
        assert (weights >= floor - 1e-12).all()
        assert math.fsum(weights) == pytest.approx(1, abs=1e-12)


def test_floors_that_leave_little_to_learning_must_be_forced() -> None:
    tallies = [Tally()] * 6
    with pytest.raises(BadInput, match=r"a floor of 10% on 6 arms keeps 60% of the traffic .* or force it"):
        weigh(Thompson(), tallies, Options(floor=0.1))
    assert weigh(Thompson(), tallies, Options(floor=0.1, force=True)) == pytest.approx(np.full(6, 1 / 6))
    with pytest.raises(BadInput, match=r"keeps 120% of the traffic from what is learned; lower it$"):
        weigh(Thompson(), tallies, Options(floor=0.2, force=True))


def test_it_starts_even_until_every_arm_has_enough() -> None:
    tallies = [Tally.of([1.0] * 100), Tally.of([0.0] * 99)]
    assert weigh(Thompson(), tallies, Options(start=100)).tolist() == [0.5, 0.5]
    assert weigh(Thompson(), tallies, Options(start=99))[0] > 0.99
    assert weigh(Thompson("normal"), [Tally.of([1.0] * 100), Tally.of([0.0] * 49)]).tolist() == [0.5, 0.5]
    assert weigh(Thompson("normal"), [Tally.of([1.0] * 100), Tally.of([0.0] * 50)]).tolist() == [1, 0]


def test_a_removed_arm_gets_nothing_and_its_floor_goes_to_the_others() -> None:
    tallies = [Tally.of([1.0] * 50), Tally.of([0.0] * 50), Tally.of([0.0] * 50)]
    weights = weigh(Thompson(), tallies, Options(floor=0.1), removed={0})
    assert weights.tolist() == pytest.approx([0, 0.5, 0.5])
    with pytest.raises(BadInput, match="all 3 arms are removed"):
        weigh(Thompson(), tallies, removed={0, 1, 2})


def test_a_penalty_is_in_the_rewards_unit() -> None:
    tallies = [Tally.of([10.0, 30.0] * 50).scaled(0, 100), Tally.of([12.0, 32.0] * 50).scaled(0, 100)]
    options = Options(low=0, high=100, penalty=(0.0, 2.0))
    assert weigh(Thompson(), tallies, options) == pytest.approx([0.5, 0.5], abs=0.01)
    with pytest.raises(BadInput, match="1 penalties for 2 arms"):
        weigh(Thompson(), tallies, Options(penalty=(1.0,)))


def test_the_same_rewards_give_the_same_weights() -> None:
    rewards, options = drawn((0.3, 0.4), 3000, 1), Options(half_life=500, reset=0.01, floor=0.02)
    first, again = (weigh(Thompson(), remembered(rewards, 2, options, bounded=True), options) for _ in range(2))
    assert first.tolist() == again.tolist()


def test_a_change_is_found_and_what_came_before_is_forgotten() -> None:
    before, after = drawn((0.5, 0.3), 4000, 2), drawn((0.3, 0.5), 4000, 3)
    arms, values = np.concatenate([before.arms, after.arms]), np.concatenate([before.values, after.values])
    since = last_change(arms, values)
    assert abs(since - 4000) < 400
    options = Options(reset=0.01)
    tallies = remembered(Rewards(arms, values), 2, options, bounded=True)
    assert weigh(Thompson(), tallies, options)[1] > 0.99


def test_two_changes_are_found_one_after_the_other() -> None:
    parts = [drawn((share,), 2000, seed).values for seed, share in enumerate((0.2, 0.5, 0.2))]
    values = np.concatenate(parts)
    assert abs(last_change(np.zeros(values.size, dtype=np.int64), values) - 4000) < 200


def test_where_nothing_changes_hardly_anything_is_forgotten() -> None:
    worlds = [drawn((0.4, 0.5), 2000, seed) for seed in range(200)]
    alarms = sum(last_change(world.arms, world.values, alpha=0.05) > 0 for world in worlds)
    assert alarms <= 200 * 0.05


@pytest.mark.parametrize(
    ("options", "said"),
    [({"floor": -0.1}, "floor -0.1"), ({"floor": math.nan}, "floor nan"), ({"low": 1.0, "high": 1.0}, "no range")],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Options(**options)  # type: ignore[arg-type]
