"""Laws of the methods: units, directions and orders that an answer must not depend on."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.stats.cuped import cuped
from seatrial.stats.e_values import e_bh
from seatrial.stats.exact_proportion import boschloo, fisher
from seatrial.stats.false_discovery import benjamini_hochberg
from seatrial.stats.group_bounds import spending_bounds
from seatrial.stats.group_walk import crossing
from seatrial.stats.holm import holm
from seatrial.stats.mann_whitney import mann_whitney
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.quality import auc
from seatrial.stats.relative_risk import relative_risk
from seatrial.stats.spending import Form, Spending

SEEDS = st.integers(0, 10**6)
P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def arms(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (60, 2))
    rows = np.column_stack([x @ [1.0, -0.5] + rng.normal(0, 1, 60), x])
    return rows[:25], rows[25:]


@settings(max_examples=40)
@given(SEEDS, st.floats(0.01, 100), st.floats(-50, 50))
def test_an_adjusted_effect_knows_units_and_directions(seed: int, scale: float, shift: float) -> None:
    t, c = arms(seed)
    plain = cuped(MultiMoments.from_values(t), MultiMoments.from_values(c)).effect
    factor, move = np.array([scale, -1 / scale, 3.0]), np.array([0.0, shift, -shift])
    other = cuped(MultiMoments.from_values(t * factor + move), MultiMoments.from_values(c * factor + move)).effect
    assert other.effect == pytest.approx(scale * plain.effect, rel=1e-6, abs=1e-9 * scale)
    assert other.se_unpooled == pytest.approx(scale * plain.se_unpooled, rel=1e-6)
    back = cuped(MultiMoments.from_values(c), MultiMoments.from_values(t)).effect
    assert back.effect == pytest.approx(-plain.effect, rel=1e-9, abs=1e-12)
    assert back.se == pytest.approx(plain.se, rel=1e-9)


@settings(max_examples=40)
@given(SEEDS, st.booleans())
def test_ranks_know_no_scale_and_turn_round(seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.3, 1, 20), rng.normal(0, 1, 14)
    if whole:
        a, b = np.round(a), np.round(b)
    found, back = mann_whitney(a, b), mann_whitney(b, a)
    assert mann_whitney(np.exp(a), np.exp(b)).test.p_value == pytest.approx(found.test.p_value)
    assert back.test.p_value == pytest.approx(found.test.p_value)
    assert back.test.effect == pytest.approx(-(found.test.effect or 0.0), abs=1e-12)
    assert found.p_above + back.p_above == pytest.approx(1)
    labels = np.r_[np.ones(20), np.zeros(14)]
    assert auc(labels, np.r_[a, b]).value == pytest.approx(found.p_above)


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(0, 9))
def test_shares_turn_round(x: int, y: int) -> None:
    for test in (fisher, boschloo):
        assert test(x, 12, y, 9).p_value == pytest.approx(test(y, 9, x, 12).p_value, rel=1e-6)
        assert test(x, 12, y, 9).p_value == pytest.approx(test(12 - x, 12, 9 - y, 9).p_value, rel=1e-6)
    one, other = relative_risk(x, 12, y, 9), relative_risk(y, 9, x, 12)
    assert one.lower == pytest.approx(1 / other.upper if math.isfinite(other.upper) else 0.0, rel=1e-6)


@given(P_VALUES)
def test_adjusting_for_more_is_more_careful(p_values: list[float]) -> None:
    found, dependent, family = (
        benjamini_hochberg(p_values),
        benjamini_hochberg(p_values, dependent=True),
        holm(p_values),
    )
    for p, a, b, c in zip(p_values, found, dependent, family, strict=True):
        assert p - 1e-12 <= a <= min(b, c) + 1e-12
    assert [found[i] for i in np.argsort(p_values, kind="stable")] == sorted(found)


@given(st.lists(st.floats(0, 1e6), max_size=12), st.floats(0.01, 0.5))
def test_more_evidence_never_rejects_less(e_values: list[float], alpha: float) -> None:
    rejected = e_bh(e_values, alpha)
    assert all(again for before, again in zip(rejected, e_bh([2 * e for e in e_values], alpha), strict=True) if before)
    assert all(e >= 1 / alpha for e, kept in zip(e_values, rejected, strict=True) if kept)


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.02, 1), min_size=1, max_size=5),
    st.sampled_from(["obrien-fleming", "pocock", "power", "hwang-shih-decani"]),
    st.floats(0.01, 0.2),
)
def test_whatever_the_looks_alpha_is_spent_and_no_more(steps: list[float], form: Form, alpha: float) -> None:
    shares = (np.cumsum(steps) / max(1.0, sum(steps))).tolist()
    found = spending_bounds(shares, alpha, Spending(form, 2.0), final=True)
    chance = crossing(shares, found)
    assert sum(chance.lower) + sum(chance.upper) == pytest.approx(alpha, rel=1e-6)
    before = crossing(shares, spending_bounds(shares, alpha, Spending(form, 2.0)))
    assert sum(before.lower) + sum(before.upper) <= alpha * (1 + 1e-9)
