"""Columns that are measured together are measured as each by itself, and as the statistics' own functions say."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from seatrial.drift import FeatureProfile, Finding, chi_squared, decide_window, decide_windows, ks_binned, psi
from seatrial.drift import profile_of_window as counted
from seatrial.drift.benjamini_hochberg import benjamini_hochberg
from seatrial.drift.cells import pool_categories, pool_ordered
from seatrial.drift.measuring import LEVEL, Pair, Taken, measure
from seatrial.drift.mood import mood
from seatrial.drift.proportions import compare_many, compare_shares
from seatrial.drift.spread import mean_shift, sd_ratio
from seatrial.spec.signature import Feature, FeatureKind

KINDS: tuple[FeatureKind, ...] = ("number", "integer", "boolean", "category", "id", "text")


def a_pair(kind: FeatureKind, seed: int, m: int, n: int, *, gaps: float = 0.0, spread: float = 1.0) -> Pair:
    rng = np.random.default_rng(seed)

    def values(rows: int, scale: float) -> list[Any]:
        drawn = {
            "number": lambda: rng.lognormal(0, scale, rows),
            "integer": lambda: np.where(rng.random(rows) < 0.6, 0, rng.poisson(2 * scale, rows)),
            "boolean": lambda: (rng.random(rows) < 0.1 * scale).astype(float),
            "category": lambda: np.array([f"c{int(v)}" for v in rng.exponential(4 * scale, rows)], dtype=object),
            "id": lambda: np.array([f"i{v}" for v in range(rows)], dtype=object),
            "text": lambda: rng.poisson(20 * scale, rows).astype(float),
        }[kind]().astype(object)
        drawn[rng.random(rows) < gaps] = None
        found: list[Any] = drawn.tolist()
        return found

    reference = FeatureProfile.from_values(Feature(name=f"{kind}{seed}", kind=kind), values(m, 1.0))
    return reference, counted(reference, values(n, spread))


pairs = st.builds(
    a_pair,
    st.sampled_from(KINDS),
    st.integers(0, 10_000),
    st.integers(2, 400),
    st.integers(2, 400),
    gaps=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    spread=st.sampled_from([1.0, 1.3, 0.2]),
)


def of(taken: Taken) -> dict[str, Finding]:
    return {finding.measure: finding for finding in taken.findings}


def close(one: Finding, two: Finding) -> bool:
    mine, theirs = ((f.effect, f.lower, f.upper, f.p_value) for f in (one, two))
    return mine == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(st.lists(pairs, min_size=1, max_size=8))
def test_together_is_as_each_by_itself(columns: list[Pair]) -> None:
    for together, pair in zip(measure(columns), columns, strict=True):
        (alone,) = measure([pair])
        assert [finding.measure for finding in together.findings] == [finding.measure for finding in alone.findings]
        assert all(close(one, two) for one, two in zip(together.findings, alone.findings, strict=True))
        assert together.ks == (None if alone.ks is None else pytest.approx(alone.ks, rel=1e-12))


@settings(deadline=None)
@given(st.lists(pairs, min_size=2, max_size=8))
def test_each_measure_is_its_statistic(columns: list[Pair]) -> None:
    for taken, (a, b) in zip(measure(columns), columns, strict=True):
        found = of(taken)
        assert close(found["missing"], Finding("missing", *compare_shares(a.missing, a.rows, b.missing, b.rows, LEVEL)))
        there = bool(a.present and b.present) and a.form != "missing"
        assert ("psi" in found) == ("constant" in found) == there
        if not there:
            assert taken.ks is None
            continue
        left, right = (pool_ordered if a.form == "numeric" else pool_categories)(a.counts, b.counts)
        expected = psi(left, right) - (1 / a.present + 1 / b.present) * (len(left) - 1) if len(left) > 1 else 0.0
        assert found["psi"].effect == pytest.approx(expected, rel=1e-9, abs=1e-12)
        p = chi_squared(left, right).p_cautious if len(left) > 1 else 1.0
        assert found["psi"].p_value == pytest.approx(p, rel=1e-9)
        if a.form == "numeric":
            assert taken.ks == pytest.approx(ks_binned(a.counts, b.counts).statistic, rel=1e-9, abs=1e-15)
            moved, ratio = mean_shift(a.moments, b.moments, LEVEL), sd_ratio(a.moments, b.moments, LEVEL)
            assert ("mean" in found) == (moved is not None)
            assert moved is None or close(found["mean"], Finding("mean", *moved))
            assert ("sd" in found) == (ratio is not None and a.kind != "boolean")
            if ratio is not None and "sd" in found:
                p = max(ratio.p_value, mood(a.counts, b.counts))
                assert close(found["sd"], Finding("sd", *ratio._replace(p_value=p)))


@settings(deadline=None)
@given(st.lists(st.lists(pairs, max_size=5), min_size=1, max_size=4))
def test_windows_that_are_decided_together_are_decided_as_each_by_itself(windows: list[list[Pair]]) -> None:
    levels = (0.005, 0.0002)
    for together, pairs_of_window in zip(decide_windows(windows, levels=levels), windows, strict=True):
        for drifts, q in zip(together, levels, strict=True):
            alone = decide_window(pairs_of_window, q=q)
            assert [(d.feature, d.severity, d.quality, d.seen, d.sentence) for d in drifts] == [
                (d.feature, d.severity, d.quality, d.seen, d.sentence) for d in alone
            ]


@given(st.lists(st.floats(0, 1), max_size=40), st.sampled_from([0.005, 0.05, 0.5]))
def test_nothing_is_surer_at_a_stricter_level(p_values: list[float], q: float) -> None:
    mild, strict = benjamini_hochberg(p_values, q), benjamini_hochberg(p_values, q / 10)
    assert not (strict & ~mild).any()


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
def test_shares_are_compared_the_same_from_either_side(m: int, n: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, m)), data.draw(st.integers(0, n))
    one, other, swapped = compare_shares(x, m, y, n), compare_shares(m - x, m, n - y, n), compare_shares(y, n, x, m)
    assert 0 <= one.p_value <= 1
    assert one.p_value == pytest.approx(other.p_value, rel=1e-7)
    assert one.p_value == pytest.approx(swapped.p_value, rel=1e-7)
    assert one.effect == pytest.approx(-other.effect) == pytest.approx(-swapped.effect)


def test_many_shares_at_once_are_fishers() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(4)
    m, n = rng.integers(1, 3000, 200), rng.integers(1, 3000, 200)
    x, y = rng.binomial(m, 0.02), rng.binomial(n, rng.choice([0.0, 0.01, 0.03, 0.98], 200))
    found = compare_many(x, m, y, n).p_value
    for i in range(200):
        rare = min(x[i] + y[i], m[i] + n[i] - x[i] - y[i])
        if rare <= 200:
            table = [[y[i], n[i] - y[i]], [x[i], m[i] - x[i]]]
            tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
            assert found[i] == pytest.approx(min(1, 2 * min(tails)), rel=1e-7)
