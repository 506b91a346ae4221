"""What is remembered of an arm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.bandits import Tally
from seatrial.spec.errors import BadInput

REWARDS = st.lists(st.floats(-1e6, 1e6), max_size=30)


@given(first=REWARDS, second=REWARDS)
def test_merging_is_counting_together(first: list[float], second: list[float]) -> None:
    merged, whole = Tally.of(first).merge(Tally.of(second)), Tally.of([*first, *second])
    assert (merged.n, merged.positive) == (whole.n, whole.positive)
    assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    assert merged.m2 == pytest.approx(whole.m2, rel=1e-9, abs=1e-3)


def test_variance_is_numpys_at_a_far_mean() -> None:
    values = np.random.default_rng(1).normal(1e8, 1, 1000)
    assert Tally.of(values).variance == pytest.approx(values.var(ddof=1), rel=1e-6)


def test_weights_count_as_repeats() -> None:
    assert Tally.of([1, 0, 5], np.array([2.0, 1.0, 0.0])) == Tally.of([1, 1, 0])


def test_a_prior_may_weigh_less_than_it_did() -> None:
    less = Tally.of([1, 0, 0, 3]).at_most(2)
    assert (less.n, less.mean, less.positive, less.m2) == (2, 1, 1, 3)
    assert less.at_most(10) is less


def test_scaling_maps_the_range() -> None:
    assert Tally.of([10, 20]).scaled(0, 40).mean == pytest.approx(0.375)
    assert Tally.of([10, 20]).scaled(0, 40).variance == pytest.approx(50 / 1600)
    assert Tally().scaled(3, 4) == Tally()
    with pytest.raises(BadInput, match="mean of 15 lie outside the declared range 0 to 1"):
        Tally.of([10, 20]).scaled(0, 1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(BadInput, match=f"reward {bad} is not a finite number"):
        Tally.of([1.0, bad])
    with pytest.raises(BadInput, match="weight of a reward"):
        Tally.of([1.0], np.array([-1.0]))
    with pytest.raises(BadInput, match="must be"):
        Tally.of([1.0], np.array([1.0, 2.0]))
