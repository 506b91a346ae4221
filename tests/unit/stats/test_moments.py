import math

import msgspec
import numpy as np
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.moments import Moments, PairMoments, as_moments


def test_moments_of_values() -> None:
    moments = Moments.from_values([1.0, 2.0, 6.0])
    assert moments == Moments(3, 3.0, 14.0)
    assert moments.variance == 7.0
    assert moments.standard_error == pytest.approx(math.sqrt(7 / 3))
    assert moments.total == 9.0


def test_moments_of_nothing_and_of_one() -> None:
    assert Moments.from_values([]) == Moments(0, 0.0, 0.0)
    assert math.isnan(Moments.from_values([]).variance)
    assert math.isnan(Moments.from_values([5.0]).standard_error)


def test_a_large_mean_costs_no_digits() -> None:
    values = np.random.default_rng(1).normal(0, 1, 100_000)
    exact = float(values.var(ddof=1))
    far = Moments.merged(Moments.from_values(part + 1e8) for part in np.split(values, 100))
    assert far.variance == pytest.approx(exact, rel=1e-6)
    sums = float((((values + 1e8) ** 2).sum() - (values + 1e8).sum() ** 2 / 1e5) / (1e5 - 1))
    assert abs(sums - exact) > 0.01, "sums of squares lose the variance here: the case is hard enough"


def test_moments_refuse_what_is_not_a_number() -> None:
    with pytest.raises(BadInput, match="value nan at position 1"):
        Moments.from_values([1.0, math.nan])
    with pytest.raises(BadInput, match="7 successes in 5 units"):
        Moments.from_counts(7, 5)


def test_moments_from_a_database() -> None:
    values = [1.0, 4.0, 4.5]
    assert Moments.from_variance(3, 9.5 / 3, float(np.var(values, ddof=1))).m2 == pytest.approx(
        Moments.from_values(values).m2
    )
    assert Moments.from_variance(0, None, None) == Moments(0, 0.0, 0.0)
    assert Moments.from_variance(1, 3.0, None) == Moments(1, 3.0, 0.0)


def test_counts_are_zeros_and_ones() -> None:
    counted, values = Moments.from_counts(3, 10), Moments.from_values([1.0] * 3 + [0.0] * 7)
    assert msgspec.structs.astuple(counted) == pytest.approx(msgspec.structs.astuple(values))
    assert Moments.from_counts(0, 0) == Moments(0, 0.0, 0.0)


def test_effective_events_count_units_not_their_weight() -> None:
    assert Moments.from_counts(7, 100).effective_events == pytest.approx(7)
    assert Moments.from_values([0.0] * 99 + [50.0]).effective_events == pytest.approx(1)
    assert Moments.from_values([0.0, 0.0]).effective_events == 0


def test_pairs_of_values() -> None:
    x, y = [1.0, 2.0, 6.0], [2.0, 2.0, 5.0]
    pair = PairMoments.from_values(x, y)
    assert pair.x == Moments.from_values(x)
    assert pair.y == Moments.from_values(y)
    assert pair.c_xy / 2 == pytest.approx(float(np.cov(x, y)[0, 1]))
    combined = pair.combination(2.0, -1.0)
    expected = Moments.from_values(2 * np.array(x) - np.array(y))
    assert msgspec.structs.astuple(combined) == pytest.approx(msgspec.structs.astuple(expected))


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(BadInput, match="3 values of x and 2 of y"):
        PairMoments.from_values([1, 2, 3], [1, 2])


def test_pairs_from_a_database() -> None:
    x, y = np.array([1.0, 2.0, 6.0]), np.array([2.0, 2.0, 5.0])
    covariance = np.cov(x, y)
    made = PairMoments.from_variances(
        3, float(x.mean()), float(y.mean()), float(covariance[0, 0]), float(covariance[1, 1]), float(covariance[0, 1])
    )
    assert msgspec.structs.astuple(made) == pytest.approx(msgspec.structs.astuple(PairMoments.from_values(x, y)))
    assert PairMoments.from_variances(0, None, None, None, None, None) == PairMoments.from_values([], [])


def test_moments_travel_as_json() -> None:
    pair = PairMoments.from_values([1.0, 2.0], [3.0, 5.0])
    assert msgspec.json.decode(msgspec.json.encode(pair), type=PairMoments) == pair


def test_as_moments_takes_either() -> None:
    moments = Moments.from_values([1.0, 2.0])
    assert as_moments(moments) is moments
    assert as_moments([1.0, 2.0]) == moments
