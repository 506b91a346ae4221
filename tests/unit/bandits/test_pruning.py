"""What can go: costs against sums done by hand, the smallest sets first, and nothing without evidence."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.bandits.logged import Logged
from seatrial.bandits.pruning import Entries, Pruning, prune
from seatrial.bandits.scores import halves

NAMES = ("a", "b", "c")
MEANS = np.array([[1.0, 2.0, 2.01], [1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])
"""Of three segments: in the first b is best, and c as good but for a hundredth; in the others a."""


def world(n: int = 30_000, seed: int = 1) -> tuple[Logged, np.ndarray]:
    rng = np.random.default_rng(seed)
    segment, arms = rng.integers(0, 3, n), rng.integers(0, 3, n)
    rewards = MEANS[segment, arms] + rng.normal(0, 0.5, n)
    return Logged(np.arange(n), arms, rewards, np.full(n, 1 / 3)), segment


def entries(segment: np.ndarray, *targets: int, last: int = 0) -> Entries:
    """A rule a segment, then everybody to ``last``."""
    matches = [segment == at for at in range(len(targets))]
    return Entries(
        np.stack([*matches, np.ones(segment.size, dtype=bool)], axis=1),
        np.eye(3)[[*targets, last]],
        np.array([True] * len(targets) + [False]),
    )


def found(*targets: int, margin: float = 0.05, n: int = 30_000, **more: object) -> Pruning:
    logged, segment = world(n)
    return prune(logged, [], NAMES, entries(segment, *targets), margin=margin, relative=False, **more)  # type: ignore[arg-type]


def test_costs_are_what_the_world_has() -> None:
    """The first segment to b, the second to c (which is bad there), the third to a, which everybody gets anyway."""
    seen = found(1, 2, 0)
    assert seen.value.value == pytest.approx((2 + 0 + 1) / 3, abs=0.03)
    alone, pair = seen.sets
    assert (alone.arms, pair.arms) == ((1,), (0, 1))
    assert alone.cost.lower < (0 - 0.5) / 3 < alone.cost.upper  # b alone earns more than these rules
    assert pair.cost.lower < (0 - 1) / 3 < pair.cost.upper  # without c the second segment goes to a: a gain
    assert (alone.word, pair.word) == ("cheap", "cheap")
    assert seen.advised == 0


def test_the_smallest_cheap_set_comes_first_and_its_rules_go_with_it() -> None:
    seen = found(1, 0, 0)
    assert [one.word for one in seen.sets] == ["dear"]
    assert seen.advised is None
    assert [(rule.entry, rule.word) for rule in seen.rules] == [(1, "cheap"), (2, "cheap"), (0, "dear")]
    assert seen.dropped == 2
    assert seen.rules[0].cost == (0.0, 0.0, 0.0)  # it gives what is given below anyway
    assert seen.rules[2].cost.lower < (2 - 1) / 3 < seen.rules[2].cost.upper


def test_a_model_that_is_nearly_as_good_takes_over() -> None:
    """c earns a hundredth more in a third of the units than b: not worth a model, but neither is it known to be."""
    logged, segment = world(60_000)
    policy = entries(segment, 1, 0, 0)
    both = policy._replace(chances=np.where(policy.chances[:, [1]] > 0, [[0.0, 0.5, 0.5]], policy.chances))
    seen = prune(logged, [], NAMES, both, margin=0.05, relative=False)
    assert [(one.arms, one.word) for one in seen.sets][1][1] == "cheap"
    assert seen.advised == 1
    stays = seen.sets[1]
    assert 0 in stays.arms
    assert stays.chances[0].tolist() in ([0, 1, 0], [0, 0, 1])


def test_costs_add_up_by_the_scores_themselves() -> None:
    logged, segment = world(3_000)
    policy = entries(segment, 1, 2, 0)
    seen = prune(logged, [], NAMES, policy, margin=0.05, relative=False, seed=4)
    _, judged = halves(logged, np.zeros((3_000, 0)), 3, 4)
    here = segment[judged.rows]
    now = judged.scores[np.arange(here.size), np.array([1, 2, 0])[here]]
    assert seen.value.value == pytest.approx(now.mean())
    for one in seen.sets:
        then = (judged.scores * one.chances[np.minimum(here, 2)]).sum(axis=1)
        assert one.cost.value == pytest.approx((now - then).mean())
    left = np.array([1, 2, 0])
    chances = policy.chances if seen.advised is None else seen.sets[seen.advised].chances
    for rule in seen.rules:
        left[rule.entry] = -1
        then = np.where(left[here] < 0, 3, here)
        cost = now - (judged.scores * chances[then]).sum(axis=1)
        assert rule.cost.value == pytest.approx(cost.mean())


def test_what_takes_few_units_stays() -> None:
    logged, segment = world()
    rare = np.where(np.arange(segment.size) < 200, 9, segment)
    policy = entries(np.where(rare == 9, 0, 7), 1)
    seen = prune(logged, [], NAMES, policy, margin=10.0, relative=False)
    assert [(rule.word, np.isnan(rule.cost.value)) for rule in seen.rules] == [("too few", True)]
    assert seen.dropped == 0


def test_where_nothing_is_known_nothing_is_said() -> None:
    """The first segment goes to a variant that chance never gave; the second's rule can only lead into it."""
    logged, segment = world()
    policy = entries(segment, 1, 0, 0)
    unknown = policy._replace(
        matches=np.column_stack([segment == 1, segment >= 0, segment >= 0]),
        chances=np.array([[0, 1.0, 0], [np.nan] * 3, [1.0, 0, 0]]),
        removable=np.array([True, False, False]),
    )
    seen = prune(logged, [], NAMES, unknown, margin=10.0, relative=False)
    assert seen.unknown == (segment != 1).sum()
    assert [(rule.entry, rule.word) for rule in seen.rules] == [(0, "undecided")]
    assert seen.dropped == 0
    nobody = unknown._replace(matches=np.ones((segment.size, 3), dtype=bool), chances=unknown.chances[[1, 1, 2]])
    assert "nothing is known" in prune(logged, [], NAMES, nobody, margin=1.0, relative=False).refusals[0]


def test_a_relative_margin_is_of_what_is_earned() -> None:
    logged, segment = world()
    policy = entries(segment, 1, 0, 0)
    third = prune(logged, [], NAMES, policy, margin=0.5, relative=True)  # it costs a third of 4/3: 25 %
    assert [one.word for one in third.sets] == ["cheap"]
    assert third.margin == pytest.approx(0.5 * 4 / 3, abs=0.02)
    assert [one.word for one in prune(logged, [], NAMES, policy, margin=0.1, relative=True).sets] == ["dear"]
    less = Logged(logged.units, logged.arms, -logged.rewards, logged.propensities)
    turned = prune(less, [], NAMES, policy, margin=0.5, relative=True)
    assert turned.margin == pytest.approx(third.margin)
    nothing = Logged(logged.units, logged.arms, logged.rewards - third.value.value, logged.propensities)
    (why,) = prune(nothing, [], NAMES, policy, margin=0.5, relative=True).refusals
    assert "give the margin as a number" in why


def test_too_few_units_are_refused() -> None:
    assert "400 are the least" in found(1, 0, 0, n=600).refusals[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_every_set_is_the_best_of_its_size_on_the_first_half(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    n = 4_000
    segment, arms = rng.integers(0, 4, n), rng.integers(0, count, n)
    logged = Logged(np.arange(n), arms, rng.normal(0, 1, n), np.full(n, 1 / count))
    matches = np.stack([*(segment == at for at in range(3)), np.ones(n, dtype=bool)], axis=1)
    chances = rng.dirichlet(np.ones(count), 4)
    policy = Entries(matches, chances, np.array([True, True, True, False]))
    names = "abcde"[:count]
    seen = prune(logged, [], names, policy, margin=0.1, relative=False, least=10, seed=1)
    first, _ = halves(logged, np.zeros((n, 0)), count, 1)
    here = segment[first.rows]
    assert [len(one.arms) for one in seen.sets] == list(range(1, count))
    for one in seen.sets:
        best = max(
            (first.scores * _only(subset, chances)[np.minimum(here, 3)]).sum()
            for subset in combinations(range(count), len(one.arms))
        )
        assert (first.scores * one.chances[here]).sum() == pytest.approx(best)


def _only(subset: tuple[int, ...], chances: np.ndarray) -> np.ndarray:
    """Chances among a subset, in proportion."""
    kept = np.zeros_like(chances)
    kept[:, list(subset)] = chances[:, list(subset)]
    return kept / kept.sum(axis=1, keepdims=True)
