"""Laws of sticky assignment: shares are exact, movement is minimal, salts are independent, one by one equals many."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import bdtr, bdtrc

from seatrial.routing.assign import Split
from seatrial.routing.snapshot import Arm

TAIL = 1e-7
UNITS = [f"user-{i}" for i in range(4000)]
names = st.lists(st.text(max_size=6), min_size=2, max_size=5, unique=True)
weight = st.one_of(st.just(0.0), st.floats(0.001, 1.0))
salts = st.text(max_size=12)


@st.composite
def weighted(draw: st.DrawFn) -> list[Arm]:
    chosen = draw(names)
    weights = draw(st.lists(weight, min_size=len(chosen), max_size=len(chosen)).filter(any))
    return [Arm(name, value) for name, value in zip(chosen, weights, strict=True)]


def two_sided_tail(count: int, trials: int, share: float) -> float:
    """Exact binomial: twice the smaller of P(X <= count) and P(X >= count)."""
    if share >= 1.0:
        return float(count == trials)
    lower = float(bdtr(count, trials, share))
    upper = float(bdtrc(count - 1, trials, share)) if count > 0 else 1.0
    return min(1.0, 2 * min(lower, upper))


@settings(max_examples=60, deadline=None)
@given(salt=salts, arms=weighted(), start=st.integers(0, 10**9))
def test_shares_are_exact(salt: str, arms: list[Arm], start: int) -> None:
    units = [str(start + i) for i in range(4000)]
    chosen = Split(salt, arms).choose_many(units)
    total = sum(arm.weight for arm in arms)
    for arm in arms:
        count = int((chosen == arm.variant).sum())
        assert two_sided_tail(count, len(units), arm.weight / total) >= TAIL, arm


@settings(max_examples=60, deadline=None)
@given(salt=salts, arms=weighted(), data=st.data())
def test_one_changed_weight_moves_units_only_from_or_to_that_arm(
    salt: str, arms: list[Arm], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(arms) - 1))
    changed = Arm(arms[index].variant, data.draw(st.floats(0.001, 1.0)))
    after_arms = [*arms[:index], changed, *arms[index + 1 :]]
    before, after = Split(salt, arms).choose_many(UNITS), Split(salt, after_arms).choose_many(UNITS)
    moved = before != after
    grew = changed.weight > arms[index].weight
    touched = after[moved] if grew else before[moved]
    assert set(touched) <= {changed.variant}


@settings(max_examples=60, deadline=None)
@given(salt=salts, before=st.floats(0.01, 0.99), after=st.floats(0.01, 0.99))
def test_two_arms_move_the_fewest_units_possible(salt: str, before: float, after: float) -> None:
    """All moves go one way, so no fewer could have made the new shares."""

    def chosen(share: float) -> np.ndarray:
        return Split(salt, [Arm("a", share), Arm("b", 1 - share)]).choose_many(UNITS)

    old, new = chosen(before), chosen(after)
    if after >= before:
        assert not ((old == "a") & (new == "b")).any()
    else:
        assert not ((old == "b") & (new == "a")).any()


@settings(max_examples=60, deadline=None)
@given(arms=weighted(), after=st.lists(st.floats(0.001, 1.0), min_size=5, max_size=5))
def test_a_variant_loses_units_only_to_one_that_grew_relative_to_it(arms: list[Arm], after: list[float]) -> None:
    new_arms = [Arm(arm.variant, value) for arm, value in zip(arms, after, strict=False)]
    growth = {
        old.variant: new.weight / old.weight if old.weight else np.inf for old, new in zip(arms, new_arms, strict=True)
    }
    old_choice, new_choice = Split("s", arms).choose_many(UNITS), Split("s", new_arms).choose_many(UNITS)
    for lost, won in set(zip(old_choice.tolist(), new_choice.tolist(), strict=True)):
        assert lost == won or growth[won] > growth[lost] * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(first=salts, second=salts, share=st.floats(0.1, 0.9))
def test_salts_are_independent(first: str, second: str, share: float) -> None:
    """Among the units of one arm under one salt, the other salt still gives each arm its share."""
    if first == second:
        return
    arms = [Arm("a", share), Arm("b", 1 - share)]
    one, other = Split(first, arms).choose_many(UNITS), Split(second, arms).choose_many(UNITS)
    inside = other[one == "a"]
    assert two_sided_tail(int((inside == "a").sum()), len(inside), share) >= TAIL


@settings(max_examples=60, deadline=None)
@given(salt=salts, arms=weighted(), units=st.lists(st.text(max_size=20), max_size=50))
def test_many_equals_one_by_one(salt: str, arms: list[Arm], units: list[str]) -> None:
    split = Split(salt, arms)
    assert split.choose_many(units).tolist() == [split.choose(unit) for unit in units]
