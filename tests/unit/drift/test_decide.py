"""What one window says, and in which order."""

from typing import Any

import numpy as np
import pytest

from seatrial.drift import FeatureDrift, FeatureProfile, decide_window, profile_of_window, shifts
from seatrial.drift.decide import size_of
from seatrial.drift.finding import Finding
from seatrial.spec.signature import Feature, FeatureKind

RNG = np.random.default_rng(4)
NORMAL = RNG.normal(10, 2, 2000)


def pair(kind: FeatureKind, reference: Any, window: Any) -> tuple[FeatureProfile, FeatureProfile]:
    made = FeatureProfile.from_values(Feature(name="x", kind=kind), reference)
    return made, profile_of_window(made, window)


def decide(kind: FeatureKind, reference: Any, window: Any) -> FeatureDrift:
    return decide_window([pair(kind, reference, window)])[0]


def normal(mean: float = 10, sd: float = 2, n: int = 1000) -> Any:
    return np.random.default_rng(5).normal(mean, sd, n)


def test_the_same_distribution_is_none() -> None:
    found = decide("number", NORMAL, normal())
    assert (found.severity, found.quality, found.state) == ("none", "none", "measured")


@pytest.mark.parametrize(("by", "severity"), [(0.35, "moderate"), (0.8, "major")])
def test_a_mean_that_moved_is_drift(by: float, severity: str) -> None:
    found = decide("number", NORMAL, normal(10 + 2 * by))
    mean = found.finding("mean")
    assert mean is not None
    assert (mean.severity, found.severity) == (severity, severity)
    assert mean.lower < by < mean.upper


def test_a_small_but_certain_shift_is_seen_and_does_not_alarm() -> None:
    found = decide(
        "number", np.random.default_rng(1).normal(size=50_000), np.random.default_rng(2).normal(0.1, 1, 50_000)
    )
    assert (found.severity, found.seen) == ("none", True)
    assert "seen, below the threshold" in found.sentence
    assert "99 %" in found.sentence


@pytest.mark.parametrize(("factor", "severity"), [(1.3, "moderate"), (2.0, "major"), (0.5, "major")])
def test_a_spread_that_changed_is_drift(factor: float, severity: str) -> None:
    sd = decide("number", NORMAL, normal(sd=2 * factor)).finding("sd")
    assert sd is not None
    assert sd.severity == severity


def test_a_single_outlier_is_not_a_spread_that_changed() -> None:
    window = normal()
    window[0] = 25.0
    sd = decide("number", NORMAL, window).finding("sd")
    assert sd is not None
    assert sd.severity == "none"


@pytest.mark.parametrize(("share", "severity"), [(0.06, "moderate"), (0.3, "major")])
def test_missing_values_are_a_quality_incident_that_silences_drift(share: float, severity: str) -> None:
    window = normal(13)
    window[: int(share * 1000)] = np.nan
    found = decide("number", NORMAL, window)
    assert (found.quality, found.severity) == (severity, "none")
    assert found.incidents == ("missing",)
    assert found.findings[0].measure == "missing"
    assert found.sentence.startswith(f"x: {severity}, {share:.1%} of the rows have no value")


def test_a_column_that_is_all_null_is_a_quality_incident() -> None:
    found = decide("number", NORMAL, [None] * 200)
    assert (found.quality, found.severity, found.psi) == ("major", "none", None)


def test_a_column_that_is_no_longer_missing_is_one_too() -> None:
    reference = np.where(np.arange(2000) % 2, NORMAL, np.nan)
    assert decide("number", reference, normal()).incidents == ("missing",)


def test_a_column_stuck_at_one_value_is_a_quality_incident() -> None:
    found = decide("number", NORMAL, [10.0] * 300)
    assert found.incidents == ("constant",)
    assert (found.quality, found.severity) == ("major", "none")


def test_a_column_that_nearly_always_has_one_value_may_be_stuck_at_it() -> None:
    found = decide("integer", [0] * 1995 + [7] * 5, [0] * 200)
    assert (found.quality, found.severity, found.seen) == ("none", "none", False)


def test_values_in_another_unit_are_out_of_range() -> None:
    found = decide("number", NORMAL, normal() * 1000)
    assert found.incidents == ("range",)
    assert found.quality == "major"


def test_new_categories_are_a_quality_incident() -> None:
    found = decide("category", ["a", "b"] * 5000, ["a", "b"] * 480 + ["new"] * 40)
    assert found.incidents == ("unseen",)
    assert (found.quality, found.severity) == ("moderate", "none")


def test_rare_categories_that_a_reference_missed_are_expected() -> None:
    rng = np.random.default_rng(3)
    many = [str(int(v)) for v in rng.integers(0, 3000, 2000)]
    later = [str(int(v)) for v in rng.integers(0, 3000, 1000)]
    found = decide("category", many, later)
    assert (found.quality, found.severity) == ("none", "none")


def test_categories_in_other_shares_are_drift() -> None:
    found = decide("category", ["a"] * 1000 + ["b"] * 1000, ["a"] * 900 + ["b"] * 100)
    assert (found.severity, found.quality) == ("major", "none")


def test_below_the_minimum_there_is_no_data() -> None:
    found = decide("number", NORMAL, normal()[:99])
    assert (found.state, found.severity, found.findings) == ("no-data", "none", ())
    assert "no data (99 rows" in found.sentence


def test_a_constant_reference_that_is_left_is_out_of_range() -> None:
    found = decide("integer", [0] * 1000, [0] * 100 + [5] * 100)
    assert found.incidents == ("range",)


def test_a_constant_that_stays_is_none() -> None:
    found = decide("integer", [0] * 1000, [0] * 200)
    assert (found.severity, found.quality) == ("none", "none")
    assert found.shift is None


def test_ids_and_times_do_not_drift() -> None:
    assert decide("id", [f"a{i}" for i in range(200)], [f"b{i}" for i in range(200)]).severity == "none"
    assert decide("time", np.arange(200.0), np.arange(200.0) + 1e9).severity == "none"


def test_decisions_are_taken_over_all_columns_together() -> None:
    """A p-value of about 0.001 alone is enough; among two hundred quiet columns it is not."""
    window = normal(n=160)
    window += NORMAL.mean() + 0.55 - window.mean()
    quiet = [pair("number", NORMAL, NORMAL) for _ in range(200)]
    one = pair("number", NORMAL, window)
    (alone,) = decide_window([one], q=0.05)
    among = decide_window([one, *quiet], q=0.05)[0]
    assert (alone.severity, among.severity) == ("moderate", "none")


def test_debiased_psi_of_small_windows_is_about_zero() -> None:
    """PSI itself is about (1/n + 1/m)(B − 1) = 0.09 for windows and references of 200 rows."""
    rng = np.random.default_rng(8)
    found = [decide("number", rng.normal(size=200), rng.normal(size=200)).psi for _ in range(200)]
    assert abs(np.mean([value for value in found if value is not None])) < 0.01


@pytest.mark.parametrize(
    ("measure", "effect", "expected"),
    [
        ("psi", 0.1, "none"),
        ("psi", 0.11, "moderate"),
        ("psi", 0.26, "major"),
        ("mean", -0.2, "moderate"),
        ("mean", 0.5, "major"),
        ("sd", 1.149, "none"),
        ("sd", 1 / 1.5, "major"),
        ("missing", -0.02, "moderate"),
        ("missing", 0.1, "major"),
        ("unseen", 0.005, "moderate"),
        ("range", 0.05, "major"),
        ("constant", 1.0, "major"),
    ],
)
def test_thresholds(measure: Any, effect: float, expected: str) -> None:
    assert size_of(Finding(measure, effect, effect, effect, 0.0)) == expected


def test_an_eased_threshold_counts_earlier() -> None:
    assert size_of(Finding("mean", 0.16, 0.1, 0.2, 0.0), ease=0.75) == "moderate"
    assert size_of(Finding("sd", 1.12, 1.1, 1.2, 0.0), ease=0.75) == "moderate"


def test_shifts_for_a_picture() -> None:
    pairs = [
        pair("number", NORMAL, normal(12)),
        pair("integer", [0] * 100, [5] * 100),
        pair("integer", [0] * 100, [0] * 100),
        pair("category", ["a", "b"] * 50, ["a"] * 100),
        pair("number", NORMAL, [None] * 100),
    ]
    named = [
        (FeatureProfile(name=str(i), **{f: getattr(a, f) for f in a.__struct_fields__ if f != "name"}), b)
        for i, (a, b) in enumerate(pairs)
    ]
    found = shifts(named)
    assert found["0"] == pytest.approx(1.0, abs=0.1)
    assert (found["1"], found["2"], found["3"], found["4"]) == (10.0, 0.0, 0.5, None)
