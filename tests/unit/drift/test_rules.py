"""Rules of columns: when they are broken, how badly, and what that does to drift."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seatrial.drift import FeatureDrift
from seatrial.drift.arrival import against_bounds, against_usual, dispersion
from seatrial.drift.rules import Count, lower_limit, severity_of, with_rules

Q = 0.005


@pytest.mark.parametrize(("hits", "n"), [(1, 10), (5, 1000), (999, 1000), (1000, 1000)])
def test_the_lower_limit_is_the_exact_one(hits: int, n: int) -> None:
    oracle = stats.binomtest(hits, n).proportion_ci(1 - 2 * Q, method="exact").low
    assert lower_limit(hits, n, Q) == pytest.approx(oracle, rel=1e-9)


@pytest.mark.parametrize(
    ("broken", "allowed", "what", "severity"),
    [
        (0, 0.0, "range", "none"),
        (1, 0.0, "range", "moderate"),
        (50, 0.0, "values", "major"),
        (50, 0.0, "missing", "moderate"),
        (100, 0.0, "missing", "major"),
        (12, 0.01, "missing", "none"),
        (40, 0.01, "missing", "moderate"),
        (200, 0.01, "missing", "major"),
        (4, 0.005, "type", "none"),
        (300, 0.05, "duplicated", "major"),
    ],
)
def test_a_rule_that_allows_nothing_is_broken_by_one_row_and_others_by_what_is_shown(
    broken: int, allowed: float, what: str, severity: str
) -> None:
    assert severity_of(Count("a", what, broken, 1000, allowed), Q) == severity  # type: ignore[arg-type]


@given(st.integers(1, 3000), st.floats(0.001, 0.5))
def test_what_is_allowed_is_seldom_broken_by_chance(n: int, allowed: float) -> None:
    """Whoever breaks a rule with exactly the allowed chance is told of it with at most the chance ``alpha``."""
    first = next((hits for hits in range(1, n + 1) if lower_limit(hits, n, Q) > allowed), n + 1)
    assert stats.binom.sf(first - 1, n, allowed) <= Q * (1 + 1e-6)


def test_a_broken_rule_silences_the_drift_of_its_column_only() -> None:
    drifts = tuple(FeatureDrift(feature=name, state="measured", rows=100, severity="major") for name in "ab")
    first, second = with_rules(drifts, (Count("a", "range", 3, 100, 0.0, "0 to 5"),), Q)
    assert (first.severity, first.quality, second) == ("none", "moderate", drifts[1])
    assert first.sentence == "a: moderate, 3.00% of the values are not within 0 to 5, 0.00% may."
    assert [finding.measure for finding in first.findings] == ["rule"]


def test_a_rule_about_no_column_of_the_window_is_added() -> None:
    (added,) = with_rules((), (Count("duplicated rows", "duplicated", 30, 100, 0.05),), Q)
    assert (added.feature, added.quality, added.rows) == ("duplicated rows", "major", 100)


def test_a_rule_that_is_kept_changes_nothing() -> None:
    drifts = (FeatureDrift(feature="a", state="measured", rows=100, severity="major"),)
    assert with_rules(drifts, (Count("a", "missing", 1, 100, 0.05),), Q) == drifts


def test_written_bounds_of_arrival() -> None:
    found = [against_bounds(rows, 100, 1000).severity for rows in (0, 10, 11, 100, 1000, 1001, 9999, 10_000)]
    assert found == ["major", "major", "moderate", "none", "none", "moderate", "moderate", "major"]
    assert against_bounds(0, None, None).severity == "none"


def test_what_is_usual_needs_three_weeks() -> None:
    assert against_usual(0, [100, 100], Q) is None
    found = against_usual(0, [100, 100, 100], Q)
    assert found is not None
    assert (found.severity, found.sentence) == ("major", "0 rows arrived, 100 are usual at this time of the week")


@pytest.mark.parametrize(
    ("rows", "severity"), [(101, "none"), (60, "none"), (40, "moderate"), (9, "major"), (250, "moderate")]
)
def test_half_and_twice_the_usual_are_moderate(rows: int, severity: str) -> None:
    found = against_usual(rows, [100, 90, 110], Q)
    assert found is not None
    assert found.severity == severity


def test_few_rows_are_not_told_by_chance_alone() -> None:
    found = against_usual(1, [4, 4, 4], Q)
    assert found is not None
    assert found.severity == "none"


def test_what_was_so_before_is_usual() -> None:
    found = against_usual(20, [100, 100, 10], Q)
    assert found is not None
    assert found.severity == "none"


LEVEL = 0.5 / 720
"""Of an alert, where windows are of an hour."""


@pytest.mark.parametrize(("sessions", "size"), [(0.05, 1), (5, 1), (0.3, 12), (2, 12), (10, 12), (2, 40)])
@pytest.mark.parametrize("units_known", [True, False])
def test_rows_that_come_in_sessions_or_are_few_are_told_no_more_often_than_chance_allows(
    sessions: float, size: int, units_known: bool
) -> None:
    rng = np.random.default_rng(0)
    told = 0
    for counts in rng.poisson(sessions, (3000, 5, 7)) * size:
        slots = [counts[1:, j].tolist() for j in range(7)]
        spread = dispersion(slots, float(size) if units_known else 1.0)
        found = against_usual(int(counts[0, 3]), slots[3], LEVEL, spread)
        assert found is not None
        told += found.severity != "none"
    assert told <= 5, "at the level itself 2.1 of 3 000, and 8 at most in 999 of 1 000 tries"


@pytest.mark.parametrize(("times", "severity"), [(0.0, "major"), (5.0, "moderate"), (20.0, "major")])
def test_a_fall_and_a_flood_of_sessions_are_told(times: float, severity: str) -> None:
    rng = np.random.default_rng(0)
    slots = (rng.poisson(40, (7, 4)) * 12).tolist()
    found = against_usual(int(times * 480), slots[3], LEVEL, dispersion(slots, 12.0))
    assert found is not None
    assert found.severity == severity


def test_a_few_rows_in_hours_that_are_empty_are_no_news_and_a_flood_is() -> None:
    empty = [[0, 0, 0, 0]] * 7
    found = [against_usual(rows, empty[0], LEVEL, dispersion(empty)) for rows in (4, 1000)]
    assert [one.severity for one in found if one] == ["none", "major"]


def test_dispersion_is_pearsons_and_at_least_that_of_units() -> None:
    assert dispersion([[4, 8], [6]]) == (pytest.approx((4 + 4) / 6), 1.0)
    assert dispersion([[4, 8]], by_unit=12.0) == (12.0, 1.0)
    assert dispersion([[5, 5, 5]]) == (1.0, 2.0)
    assert dispersion([]) == (1.0, math.inf)
