"""The share of outcomes that are in, against scipy's product-limit estimate, and what it must be whatever comes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from seatrial.spec.errors import BadInput
from seatrial.stats import arrival_curve


def world(seed: int, n: int = 500, never: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Delays, NaN where it is not in, and ages; ties, because delays are whole hours."""
    rng = np.random.default_rng(seed)
    delays = np.ceil(rng.exponential(48, n))
    ages = np.ceil(rng.uniform(1, 200, n))
    delays[(rng.random(n) < never) | (delays > ages)] = np.nan
    return delays, ages


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_scipys(seed: int) -> None:
    delays, ages = world(seed)
    there = ~np.isnan(delays)
    oracle = ecdf(CensoredData(uncensored=delays[there], right=ages[~there]))
    inside = oracle.sf.confidence_interval(0.95, method="log-log")
    asked = oracle.cdf.quantiles[:-1]
    found = arrival_curve(delays, ages, asked)
    assert [one.share for one in found] == pytest.approx(oracle.cdf.probabilities[:-1].tolist(), rel=1e-9)
    moved = oracle.sf.probabilities[:-1] < 1
    for one, low, high in zip(
        np.array(found, dtype=object)[moved],
        1 - inside.high.probabilities[:-1][moved],
        1 - inside.low.probabilities[:-1][moved],
        strict=True,
    ):
        assert (one[2], one[3]) == pytest.approx((low, high), rel=1e-9)


def test_where_everybody_was_waited_for_it_is_the_plain_share() -> None:
    delays = np.array([1.0, 2.0, 2.0, 5.0, np.nan, np.nan, np.nan, np.nan])
    found = arrival_curve(delays, np.full(8, 100.0), [0.5, 1, 2, 7, 100, 101])
    assert [one.share for one in found[:5]] == pytest.approx([0, 1 / 8, 3 / 8, 4 / 8, 4 / 8])
    assert [one.waited for one in found] == [8, 8, 8, 8, 8, 4]
    assert math.isnan(found[5].share), "nobody was waited for so long"


def test_young_units_do_not_pull_it_down() -> None:
    """Half are in after a day; most units came an hour ago, and of them nothing can be known."""
    rng = np.random.default_rng(1)
    old = np.where(rng.random(2_000) < 0.5, 1.0, np.nan)
    delays = np.concatenate([old, np.full(50_000, np.nan)])
    ages = np.concatenate([np.full(2_000, 30.0), np.full(50_000, 1 / 24)])
    (found,) = arrival_curve(delays, ages, [2.0])
    assert found.lower < 0.5 < found.upper
    assert found.upper - found.lower < 0.05
    assert np.isfinite(delays).sum() / delays.size < 0.02, "what a plain share would say"


times = st.floats(0, 100, allow_subnormal=False)


@given(st.lists(st.tuples(st.none() | times, times), min_size=1, max_size=40), st.lists(times, min_size=1, max_size=10))
def test_it_only_grows_and_stays_in_its_interval(units: list[tuple[float | None, float]], asked: list[float]) -> None:
    delays = [math.nan if delay is None else delay for delay, _ in units]
    found = arrival_curve(delays, [age for _, age in units], sorted(asked))
    known = [one for one in found if not math.isnan(one.share)]
    assert [one.share for one in known] == sorted(one.share for one in known)
    for one in known:
        assert 0 <= one.lower <= one.share <= one.upper <= 1


@pytest.mark.parametrize(
    ("delays", "ages", "words"),
    [
        ([1.0], [1.0, 2.0], "give one of each for every unit"),
        ([-1.0], [1.0], "a delay of -1 is no time that passed"),
        ([1.0], [math.inf], "an age of inf is no time that passed"),
    ],
)
def test_what_is_no_time_is_refused(delays: list[float], ages: list[float], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        arrival_curve(delays, ages, [1.0])
