"""Policy trees and what they are worth: against sums done by hand, and refused where the rows cannot tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from seatrial.bandits.covariates import covariates, uneven
from seatrial.bandits.logged import Logged
from seatrial.bandits.policy_tree import Column, Question, Rule, coded, leaves, policy_tree
from seatrial.bandits.scores import Mean, halves
from seatrial.bandits.segments import Leaf, Segments, find_segments, refusals
from seatrial.spec.errors import BadInput

NAMES = ("a", "b", "c")
COUNTRY, AGE = Question("country", "==", "DE"), Question("age", "<", 30.0)


def world(n: int = 20_000, seed: int = 1) -> tuple[Logged, list[Column]]:
    """Arm 1 earns 1 more in DE and 1 less elsewhere; in DE arm 2 earns 2 more from age 30 on."""
    rng = np.random.default_rng(seed)
    country = rng.choice(np.array(["DE", "US", None], dtype=object), n)
    age = rng.integers(20, 40, n).astype(np.float64)
    age[rng.random(n) < 0.1] = np.nan
    arms = rng.integers(0, 3, n)
    german, old = country == "DE", ~(age < 30)
    means = np.stack([np.zeros(n), np.where(german, 1.0, -1.0), np.where(german & old, 2.0, -1.0)])
    rewards = means[arms, np.arange(n)] + rng.normal(0, 1, n)
    return Logged(np.arange(n), arms, rewards, np.full(n, 1 / 3)), [Column("country", country), Column("age", age)]


def found(n: int = 20_000) -> Segments:
    return find_segments(*world(n), NAMES)


def test_two_questions_find_what_one_does_not() -> None:
    rules = [leaf.rule for leaf in found().leaves]
    (young, german, rest) = rules
    assert [rule.arm for rule in rules] == [1, 2, 0]
    assert young.questions[0] == german.questions[0] == COUNTRY
    assert young.questions[1].relation == "<"
    assert young.questions[1].value == pytest.approx(30, abs=1)
    assert rest == Rule((), 0)


def test_the_gain_is_what_the_world_gives() -> None:
    """A third is German: of those 45 % (the young, by the same arm) gain 1, the others 2, over arm 0."""
    seen = found()
    assert seen.refusals == ()
    assert seen.single == 0
    assert seen.gain.lower <= (0.45 * 1 + 0.55 * 2) / 3 <= seen.gain.upper
    assert seen.tree_value.value - seen.single_value.value == pytest.approx(seen.gain.value)
    assert sum(leaf.share * leaf.gain.value for leaf in seen.leaves) == pytest.approx(seen.gain.value)
    assert sum(sum(leaf.units) for leaf in seen.leaves) == 10_000
    assert seen.leaves[-1].gain == (0, 0, 0)


def test_missing_answers_no_to_every_question() -> None:
    columns = [Column("country", np.array(["DE", None, "US"], dtype=object)), Column("age", np.array([np.nan, 20, 20]))]
    assert leaves([Rule((COUNTRY,), 1), Rule((AGE,), 2), Rule((), 0)], columns, 3).tolist() == [0, 1, 1]
    assert leaves([Rule((COUNTRY, AGE), 1), Rule((), 0)], columns, 3).tolist() == [1, 1, 1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_the_tree_keeps_enough_units_of_each_arm_in_each_leaf(seed: int, least: int) -> None:
    rng = np.random.default_rng(seed)
    n = 400
    columns = [
        Column("a", rng.choice(np.array(["x", "y", "z", None], dtype=object), n)),
        Column("b", np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 5, n))),
    ]
    arms = rng.integers(0, 2, n)
    known = columns[1].values
    scores = rng.normal(0, 0.2, (n, 2)) + np.stack([np.zeros(n), np.where(known < 2, 1.0, -1.0)], axis=1)
    rules = policy_tree(scores, arms, [coded(column) for column in columns], least)
    assert rules[-1].questions == ()
    assert all(1 <= len(rule.questions) <= 2 for rule in rules[:-1])
    taken = leaves(rules, columns, n)
    if len(rules) > 1:
        assert all((np.bincount(arms[taken == at], minlength=2) >= least).all() for at in range(len(rules)))
    # A rule's arm is what earned most among those that it takes, by the scores that it was chosen on.
    for at, rule in enumerate(rules[:-1]):
        assert scores[taken == at].mean(axis=0).argmax() == rule.arm or len(rules) != 2


def test_equal_units_give_no_rule() -> None:
    rng = np.random.default_rng(3)
    n = 10_000
    logged = Logged(np.arange(n), rng.integers(0, 2, n), rng.normal(0, 1, n), np.full(n, 0.5))
    seen = find_segments(logged, [Column("c", rng.choice(np.array(["x", "y"], dtype=object), n))], "ab")
    assert seen.leaves == ()
    assert seen.refusals[0].startswith("No segment is worth a rule: ")


def test_a_context_makes_the_interval_narrower() -> None:
    logged, columns = world()
    noise = np.random.default_rng(5).normal(0, 3, logged.units.size)
    noisy = Logged(logged.units, logged.arms, logged.rewards + noise, logged.propensities)
    known = Logged(logged.units, logged.arms, logged.rewards + noise, logged.propensities, noise[:, None])
    plain, sharp = (find_segments(one, columns, NAMES).single_value for one in (noisy, known))
    assert sharp.upper - sharp.lower < 0.7 * (plain.upper - plain.lower)


def test_too_few_units_are_refused() -> None:
    assert "2000 are the least" in found(2000).refusals[0]


def test_propensities_that_units_were_not_drawn_by_are_refused() -> None:
    logged, columns = world()
    wrong = Logged(logged.units, logged.arms, logged.rewards, np.full(logged.units.size, 0.5))
    assert "not what units were drawn by" in find_segments(wrong, columns, NAMES).refusals[0]


def test_rows_of_one_unit_are_refused() -> None:
    logged, columns = world()
    units = np.zeros_like(logged.units)
    with pytest.raises(BadInput, match="keep the first row of each unit"):
        find_segments(Logged(units, logged.arms, logged.rewards, logged.propensities), columns, NAMES)
    with pytest.raises(BadInput, match="'age' has 3 values"):
        find_segments(logged, [Column("age", np.zeros(3))], NAMES)


def test_a_column_that_only_one_arm_has_is_not_asked_about() -> None:
    """Missing under arm 0 by its own doing, the column would say who got which arm."""
    logged, columns = world()
    told = Column("told", np.where(logged.arms == 0, np.nan, 1.0))
    seen = find_segments(logged, [*columns, told], NAMES)
    assert seen.left_out == ("told",)
    assert [leaf.rule for leaf in seen.leaves] == [leaf.rule for leaf in found().leaves]


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_what_chance_deals_evenly_is_asked_about(share: float) -> None:
    """At most one world in a thousand leaves a column out; by chance at most so many of 300 do."""
    rng = np.random.default_rng(11)
    n, left_out = 5_000, 0
    for _ in range(300):
        arms = (rng.random(n) < share).astype(np.int64)
        logged = Logged(np.arange(n), arms, np.zeros(n), np.where(arms == 1, share, 1 - share))
        levels = Column("y", rng.choice(np.array(["p", "q", None], dtype=object), n))
        left_out += bool(uneven(logged, [coded(Column("x", rng.normal(0, 1, n))), coded(levels)], 2))
    assert left_out <= binom.ppf(1 - 1e-4, 300, 0.001)


def test_the_wrong_best_arm_is_no_gain() -> None:
    """Half A takes arm 0 for the best where arm 1 is, everywhere: rules that beat arm 0 do not beat arm 1."""
    leaf = Leaf(Rule((COUNTRY,), 1), 0.9, (900, 900), Mean(0.1, 0.05, 0.15))
    rest = Leaf(Rule((), 0), 0.1, (900, 900), Mean(0.0, 0.0, 0.0))
    over = (Mean(0.09, 0.04, 0.14), Mean(-0.01, -0.05, 0.03))
    (refusal,) = refusals((leaf, rest), over, 0, ("a", "b"), 500)
    assert refusal.startswith(
        "No segment is worth a rule: what was found gains -0.01 a unit (-0.05 to +0.03) over b alone"
    )
    assert refusals((leaf, rest), (over[0], Mean(0.02, 0.01, 0.03)), 0, ("a", "b"), 500) == ()


def test_covariates_are_numbers_in_deviations_and_levels() -> None:
    numbers = Column("x", np.array([1.0, 3.0, np.nan, 5.0]))
    levels = Column("y", np.array(["p", "q", None, "p"], dtype=object))
    made = covariates([numbers, levels], [coded(numbers), coded(levels)], 4)
    deviation = 2 / np.std([1.0, 3.0, 5.0])
    expected = [[-deviation, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0], [deviation, 0, 1, 0]]
    assert made == pytest.approx(np.array(expected))


def test_scores_are_right_on_average_whatever_the_model_says() -> None:
    """Over all ways in which chance could have dealt two arms, a unit's score averages its reward under each."""
    logged, columns = world(4_000)
    chosen, judged = halves(logged, covariates(columns, [coded(c) for c in columns], 4_000), 3, seed=0)
    assert np.intersect1d(chosen.rows, judged.rows).size == 0
    assert np.union1d(chosen.rows, judged.rows).size == 4_000
    german = columns[0].values[judged.rows] == "DE"
    old = german & ~(columns[1].values[judged.rows] < 30)
    mean = judged.scores[old].mean(axis=0)
    error = judged.scores[old].std(axis=0) / np.sqrt(old.sum())
    assert (np.abs(mean - [0, 1, 2]) < 4 * error).all()
