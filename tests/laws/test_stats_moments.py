"""Laws of the aggregates: merging is exact, in any order and grouping, and knows units and scale."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.ratio import linearise

VALUES = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 3)), max_size=30)
PAIRS = st.lists(st.tuples(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), st.floats(0.5, 1e3)), max_size=30)


def close(a: Moments | PairMoments, b: Moments | PairMoments, size: float = 1e6) -> bool:
    """Equal up to the rounding of values of this size."""
    pairs = zip(msgspec.structs.astuple(a), msgspec.structs.astuple(b), strict=True)
    return all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-10 * size * max(a.n, 1) * size) for x, y in pairs)


def of(pairs: list[tuple[float, float]]) -> PairMoments:
    return PairMoments.from_values([x for x, _ in pairs], [y for _, y in pairs])


@given(VALUES, VALUES)
def test_merging_is_reducing_together(a: list[float], b: list[float]) -> None:
    assert close(Moments.from_values(a).merge(Moments.from_values(b)), Moments.from_values(a + b))


@given(VALUES, VALUES, VALUES)
def test_merging_is_associative(a: list[float], b: list[float], c: list[float]) -> None:
    x, y, z = (Moments.from_values(part) for part in (a, b, c))
    assert close(x.merge(y).merge(z), x.merge(y.merge(z)))


@given(VALUES, VALUES)
def test_merging_has_no_order(a: list[float], b: list[float]) -> None:
    x, y = Moments.from_values(a), Moments.from_values(b)
    assert close(x.merge(y), y.merge(x))


@given(VALUES)
def test_merging_nothing_changes_nothing(a: list[float]) -> None:
    moments, nothing = Moments.from_values(a), Moments(0, 0.0, 0.0)
    assert close(moments.merge(nothing), moments)
    assert close(nothing.merge(moments), moments)
    assert Moments.merged([]) == nothing


@given(PAIRS, PAIRS)
def test_merging_pairs_is_reducing_together(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    assert close(of(a).merge(of(b)), of(a + b), 1e3)
    assert close(PairMoments.merged([of(a), of(b)]), of(a + b), 1e3)


@given(PAIRS, st.floats(-5, 5), st.floats(-5, 5))
def test_a_combination_of_moments_is_the_moments_of_the_combination(
    pairs: list[tuple[float, float]], a: float, b: float
) -> None:
    values = [a * x + b * y for x, y in pairs]
    assert close(of(pairs).combination(a, b), Moments.from_values(values), 1e4)


@given(st.integers(0, 10**9), st.integers(1, 200), st.floats(1e-3, 1e3))
def test_a_ratio_does_not_know_the_unit_of_its_numerator(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(1, 9, n).astype(float)
    x = rng.random(n) * y
    plain, scaled = linearise(PairMoments.from_values(x, y)), linearise(PairMoments.from_values(scale * x, y))
    assert scaled.mean == pytest.approx(scale * plain.mean)
    assert scaled.m2 == pytest.approx(scale**2 * plain.m2, rel=1e-6, abs=1e-9 * scale**2)


TABLES = st.lists(st.tuples(*[st.floats(-1e3, 1e3).map(lambda x: round(x, 3))] * 3), max_size=30)


def table(rows: list[tuple[float, ...]]) -> MultiMoments:
    return MultiMoments.from_values(np.array(rows).reshape(-1, 3))


def same(a: MultiMoments, b: MultiMoments) -> bool:
    near = np.allclose(a.mean, b.mean, rtol=1e-9, atol=1e-9)
    return a.n == b.n and near and np.allclose(a.matrix, b.matrix, rtol=1e-9, atol=1e-6)


@given(TABLES, TABLES, TABLES)
def test_tables_merge_exactly_in_any_order(
    a: list[tuple[float, ...]], b: list[tuple[float, ...]], c: list[tuple[float, ...]]
) -> None:
    x, y, z = table(a), table(b), table(c)
    assert same(MultiMoments.merged([x, y, z]), table(a + b + c))
    assert same(x.merge(y.merge(z)), y.merge(z).merge(x))
    assert same(x.merge(MultiMoments.nothing(3)), x)


@given(TABLES)
def test_a_tables_columns_are_moments(rows: list[tuple[float, ...]]) -> None:
    whole = table(rows)
    weights = [2.0, -1.0, 0.5]
    assert close(whole.column(1), Moments.from_values([row[1] for row in rows]), 1e3)
    assert close(whole.combination(weights), Moments.from_values([np.dot(weights, row) for row in rows]), 1e4)
    pairs = whole.transformed([[1.0, 0.0, 0.0], weights])
    assert close(pairs.column(1), whole.combination(weights), 1e4)
