"""Weights that policies give, against their formulas and against draws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.bandits import UCB, Beta, EpsilonGreedy, Policy, Tally, Thompson, TopTwo, best
from seatrial.spec.errors import BadInput

POLICIES: tuple[Policy, ...] = (
    Thompson(),
    Thompson("normal"),
    Thompson("hurdle"),
    TopTwo(),
    UCB(),
    UCB(tuned=True),
    EpsilonGreedy(),
)


def shares(successes: int, n: int) -> Tally:
    return Tally.of([1.0] * successes + [0.0] * (n - successes))


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@given(counts=st.lists(st.tuples(st.integers(2, 60), st.floats(0, 1)), min_size=1, max_size=5))
@settings(deadline=None, max_examples=25)
def test_weights_are_chances_and_equal_arms_get_equal(policy: Policy, counts: list[tuple[int, float]]) -> None:
    tallies = [shares(round(n * share), n) for n, share in counts]
    weights = policy.weights([*tallies, tallies[0]])
    assert (weights >= 0).all()
    assert math.fsum(weights) == pytest.approx(1, abs=1e-9)
    assert weights[0] == pytest.approx(weights[-1], abs=1e-9)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_no_arm_is_refused(policy: Policy) -> None:
    with pytest.raises(BadInput, match="without arms"):
        policy.weights([])
    with pytest.raises(BadInput, match="1 penalties for 2 arms"):
        policy.weights([shares(1, 4), shares(2, 4)], [0.1])


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_a_penalty_that_eats_the_lead_moves_the_weight(policy: Policy) -> None:
    tallies = [shares(300, 1000), shares(400, 1000), shares(310, 1000)]
    free, taxed = policy.weights(tallies), policy.weights(tallies, [0.0, 0.3, 0.0])
    assert free[1] > 0.49
    assert taxed[1] < free[1]


def test_thompson_is_the_chance_to_be_best() -> None:
    weights = Thompson().weights([shares(30, 100), shares(36, 100)])
    assert weights == pytest.approx(best([Beta(31, 71), Beta(37, 65)]), abs=1e-12)


def test_thompson_refuses_what_its_posterior_does_not_know() -> None:
    with pytest.raises(BadInput, match="mean reward of 2 is not between 0 and 1"):
        Thompson().weights([Tally.of([2.0]), Tally.of([1.0])])
    with pytest.raises(BadInput, match="mean reward of -1 is below 0"):
        Thompson("hurdle").weights([Tally.of([-1.0]), Tally.of([1.0])])


def test_revenue_is_judged_by_its_mean_not_by_how_many_buy() -> None:
    few_but_much = Tally.of([100.0] * 40 + [0.0] * 960)
    many_but_little = Tally.of([10.0] * 80 + [0.0] * 920)
    assert Thompson("hurdle").weights([few_but_much, many_but_little])[0] > 0.999
    assert Thompson("normal").weights([few_but_much, many_but_little])[0] > 0.999


def test_top_two_against_its_own_procedure() -> None:
    tallies = [shares(20, 100), shares(26, 100), shares(24, 100)]
    rng = np.random.default_rng(3)
    drawn = rng.beta([21, 27, 25], [81, 75, 77], size=(400_000, 3)).argmax(axis=1)
    wins = np.zeros(3)
    rest = iter(drawn[200_000:].tolist() * 50)
    for leader in drawn[:100_000].tolist():
        if rng.random() < 0.5:
            wins[leader] += 1
            continue
        rival = next(rest)
        while rival == leader:
            rival = next(rest)
        wins[rival] += 1
    assert TopTwo().weights(tallies) == pytest.approx(wins / 100_000, abs=4 * math.sqrt(0.25 / 100_000))


def test_top_two_keeps_trying_the_rival_when_it_is_sure() -> None:
    weights = TopTwo().weights([shares(9000, 10_000), shares(1000, 10_000), shares(500, 10_000)])
    assert weights == pytest.approx([0.5, 0.5, 0.0], abs=1e-6)


def test_ucb1_is_the_papers_bound() -> None:
    tallies = [shares(5, 10), shares(40, 90)]
    bounds = [0.5 + math.sqrt(2 * math.log(100) / 10), 40 / 90 + math.sqrt(2 * math.log(100) / 90)]
    assert bounds[0] > bounds[1]
    assert UCB().weights(tallies).tolist() == [1, 0]
    many = [shares(500, 1000), shares(900, 1000)]
    assert UCB().weights(many).tolist() == [0, 1]


def test_ucb_tuned_uses_the_spread() -> None:
    steady, wild = Tally.of([0.5] * 200), Tally.of([0.0, 1.0] * 100)
    assert UCB().weights([steady, wild]).tolist() == [0.5, 0.5]
    assert UCB(tuned=True).weights([steady, wild]).tolist() == [0, 1]


def test_arms_without_rewards_come_first() -> None:
    tallies = [shares(9, 10), Tally(), Tally()]
    assert UCB().weights(tallies).tolist() == [0, 0.5, 0.5]
    assert EpsilonGreedy(0.0).weights(tallies).tolist() == [0, 0.5, 0.5]


def test_epsilon_greedy_explores_a_fixed_share() -> None:
    weights = EpsilonGreedy(0.2).weights([shares(1, 10), shares(2, 10), shares(2, 10), shares(0, 10)])
    assert weights == pytest.approx([0.05, 0.45, 0.45, 0.05])
    with pytest.raises(BadInput, match=r"epsilon 1\.5 is not a share"):
        EpsilonGreedy(1.5)
