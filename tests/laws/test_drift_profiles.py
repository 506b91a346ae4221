"""What holds for every reference, window and decision."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from seatrial.drift import (
    FeatureProfile,
    Profile,
    chi_squared,
    decide_window,
    hellinger,
    jensen_shannon,
    ks,
    ks_binned,
    profile_of_tally,
    profile_of_window,
    psi,
    shifts,
    total_variation,
    wasserstein,
)
from seatrial.drift.by_kind import ColumnReference
from seatrial.drift.cells import pool_categories, pool_ordered
from seatrial.drift.decide import MINIMUM_ROWS
from seatrial.drift.identifiers import KnownIds
from seatrial.drift.moments import Moments
from seatrial.drift.mood import mood
from seatrial.spec.signature import Feature

numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, -3.5]))
finite = st.floats(-1e6, 1e6)
columns = st.lists(numbers, max_size=80)
words = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]), st.text(max_size=3))
counts = st.lists(st.integers(0, 60), min_size=2, max_size=12).filter(any)
X = Feature(name="x", kind="number")
C = Feature(name="c", kind="category")


@given(columns)
def test_every_row_is_in_one_cell_or_missing(values: list[float | None]) -> None:
    found = FeatureProfile.from_values(X, values)
    assert sum(found.counts) + found.missing == found.rows == len(values)
    assert len(found.counts) == found.bins.cells


@given(columns, columns)
def test_a_window_counts_what_the_cells_say(reference: list[float | None], window: list[float | None]) -> None:
    made = FeatureProfile.from_values(X, reference)
    found = profile_of_window(made, window)
    present = [v for v in window if v is not None and not math.isnan(v)]
    expected = []
    low = -math.inf
    for edge in made.bins.edges:
        atom = edge in made.bins.atoms
        expected.append(sum(low < v < edge if atom else low < v <= edge for v in present))
        if low == -math.inf:
            expected[-1] += sum(v == -math.inf for v in present)
        if atom:
            expected.append(sum(v == edge for v in present))
        low = edge
    expected.append(len(present) - sum(expected))
    assert list(found.counts) == expected


@given(columns, columns, columns)
def test_windows_merge_exactly(
    reference: list[float | None], first: list[float | None], second: list[float | None]
) -> None:
    made = FeatureProfile.from_values(X, reference)
    merged = profile_of_window(made, first).merge(profile_of_window(made, second))
    whole = profile_of_window(made, first + second)
    for name in ("rows", "missing", "counts", "minimum", "maximum", "outside"):
        assert getattr(merged, name) == getattr(whole, name)
    assert merged.moments.n == whole.moments.n


@given(st.lists(st.lists(finite, max_size=30), min_size=1, max_size=5))
def test_moments_merge_to_those_of_the_whole(parts: list[list[float]]) -> None:
    merged = Moments()
    for part in parts:
        merged = merged.merge(Moments.from_values(np.array(part)))
    values = np.array([v for part in parts for v in part])
    whole = Moments.from_values(values)
    scale = float(np.abs(values).max(initial=1.0))
    assert merged.n == whole.n
    for power, name in enumerate(("mean", "m2", "m3", "m4"), start=1):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=1e-7, abs=1e-7 * scale**power)


def test_moments_survive_a_mean_far_from_zero() -> None:
    values = np.random.default_rng(0).normal(1e8, 1, 2000)
    halves = Moments.from_values(values[:700]).merge(Moments.from_values(values[700:]))
    assert halves.variance == pytest.approx(values.var(ddof=1), rel=1e-9)


@given(st.lists(words, max_size=60), st.lists(words, max_size=60))
def test_a_tally_counts_as_its_rows_do(reference: list[str | None], window: list[str | None]) -> None:
    made = FeatureProfile.from_values(C, reference)
    tally: dict[str | None, int] = {}
    for word in window:
        tally[word] = tally.get(word, 0) + 1
    found = profile_of_tally(made, tally)
    assert found == profile_of_window(made, window)
    assert found.unseen == sum(word is not None and word not in set(reference) for word in window)


@given(columns, st.lists(words, max_size=60), st.lists(st.text(max_size=5), max_size=20))
def test_a_profile_is_the_same_after_json(
    values: list[float | None], labels: list[str | None], texts: list[str]
) -> None:
    n = min(len(values), len(labels), len(texts))
    made = Profile.from_values(
        [X, C, Feature(name="t", kind="text")], {"x": values[:n], "c": labels[:n], "t": texts[:n]}
    )
    assert Profile.from_json(made.to_json()) == made


@given(counts, st.integers(2, 50))
def test_nothing_is_apart_from_itself(cells: list[int], times: int) -> None:
    other = [cell * times for cell in cells]
    for distance in (hellinger, total_variation, jensen_shannon):
        assert distance(cells, other) == pytest.approx(0, abs=1e-7)
    assert ks_binned(cells, other).statistic == pytest.approx(0, abs=1e-12)
    assert chi_squared(cells, other).statistic == pytest.approx(0, abs=1e-9)


@given(st.integers(2, 12).flatmap(lambda k: st.tuples(*[st.lists(st.integers(0, 60), min_size=k, max_size=k)] * 2)))
def test_distances_are_symmetric_and_bounded(pair: tuple[list[int], list[int]]) -> None:
    a, b = pair
    if not any(a) or not any(b):
        return
    for distance in (hellinger, total_variation, jensen_shannon):
        assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-12)
        assert 0 <= distance(a, b) <= 1
    assert psi(a, b) >= -1e-12
    assert ks_binned(a, b).statistic <= total_variation(a, b) + 1e-12
    assert 0 <= mood(a, b) <= 1 + 1e-12


@given(st.lists(finite, min_size=1, max_size=40), st.lists(finite, min_size=1, max_size=40), st.floats(-100, 100))
def test_a_shift_carries_mass_that_far(a: list[float], b: list[float], by: float) -> None:
    moved = [value + by for value in a]
    assert wasserstein(a, moved) == pytest.approx(abs(by), abs=1e-6)
    assert wasserstein(a, b) == pytest.approx(wasserstein(b, a), abs=1e-6)


@given(st.lists(finite, min_size=20, max_size=80), st.lists(finite, min_size=1, max_size=80))
def test_a_binned_gap_is_never_more_than_the_exact_one(a: list[float], b: list[float]) -> None:
    made = FeatureProfile.from_values(X, a)
    binned = ks_binned(made.counts, profile_of_window(made, b).counts)
    assert binned.statistic <= ks(a, b).statistic + 1e-12


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=15), st.sampled_from([1.0, 5.0])
)
def test_pooling_keeps_rows_and_leaves_no_cell_too_small(pairs: list[tuple[int, int]], least: float) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    for pool in (pool_ordered, pool_categories):
        left, right = pool(a, b, least)
        assert (sum(left), sum(right)) == (sum(a), sum(b))
        if len(left) > 1:
            smaller = min(sum(a), sum(b)) / (sum(a) + sum(b))
            assert all((x + y) * smaller >= least - 1e-9 for x, y in zip(left, right, strict=True))


@settings(deadline=None)
@given(st.lists(st.tuples(columns, columns), min_size=1, max_size=3), st.integers(1, 8))
def test_any_window_can_be_decided_on(pairs: list[tuple[list[float | None], list[float | None]]], times: int) -> None:
    made = [FeatureProfile.from_values(X, a * times) for a, _ in pairs]
    both = [(r, profile_of_window(r, b * times)) for r, (_, b) in zip(made, pairs, strict=True)]
    for (a, b), drift in zip(both, decide_window(both), strict=True):
        assert drift.state == ("measured" if min(a.rows, b.rows) >= MINIMUM_ROWS else "no-data")
        assert all(0 <= finding.p_value <= 1 + 1e-9 for finding in drift.findings)
        assert not (drift.quality != "none" and drift.severity != "none")
        assert drift.sentence.startswith("x: ")
    for value in shifts(both).values():
        assert value is None or abs(value) <= 10 or math.isfinite(value)


@given(columns.filter(bool), st.integers(1, 20))
def test_a_window_of_the_reference_itself_never_alarms(values: list[float | None], times: int) -> None:
    made = FeatureProfile.from_values(X, values * times)
    (drift,) = decide_window([(made, profile_of_window(made, values * times))])
    assert (drift.severity, drift.quality, drift.seen) == ("none", "none", False)


@given(st.lists(st.text(max_size=4), max_size=60), st.lists(st.text(max_size=4), max_size=60), st.integers(1, 20))
def test_samples_of_ids_merge_to_that_of_the_whole(first: list[str], second: list[str], most: int) -> None:
    merged = KnownIds.from_ids(first, most).merge(KnownIds.from_ids(second, most))
    assert merged == KnownIds.from_ids(first + second, most)
    found = merged.new(first + second)
    assert found is None or found.share == 0


@given(st.sampled_from(["text", "list", "time"]), st.data())
def test_windows_of_every_kind_merge_into_days(kind: str, data: st.DataObject) -> None:
    value = {
        "text": words,
        "list": st.one_of(st.none(), st.lists(finite, max_size=4)),
        "time": st.one_of(st.none(), st.floats(0, 1e9)),
    }[kind]
    reference, first, second = (data.draw(st.lists(value, max_size=30)) for _ in range(3))
    made = ColumnReference.from_values(Feature(name="x", kind=kind), reference)  # type: ignore[arg-type]
    parts = zip(made.count(first), made.count(second), made.count(first + second), strict=True)
    for one, two, whole in parts:
        merged = one.merge(two)
        assert (merged.rows, merged.missing, merged.counts) == (whole.rows, whole.missing, whole.counts)
        assert merged.moments.mean == pytest.approx(whole.moments.mean, rel=1e-9)
