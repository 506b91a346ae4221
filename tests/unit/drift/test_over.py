"""What is over must have been visible: thresholds, added windows, written rules."""

import numpy as np
import pytest
from scipy.stats import beta

from seatrial.drift import FeatureProfile, Finding, decide_window, profile_of_window
from seatrial.drift.decide import Q
from seatrial.drift.feature import merged
from seatrial.drift.over import Evidence, Measures, Part, is_kept, is_over, is_over_in, together, upper_limit
from seatrial.drift.rules import Count
from seatrial.spec.signature import Feature


@pytest.mark.parametrize(
    ("measure", "effect", "half", "over"),
    [
        ("mean", 0.0, 0.1, True),
        ("mean", 0.0, 0.21, False),
        ("mean", -0.14, 0.05, True),
        ("mean", -0.14, 0.07, False),
        ("mean", 0.16, 0.01, False),
        ("psi", 0.02, 0.07, True),
        ("psi", 0.02, 0.09, False),
        ("sd", 1.0, 0.1, True),
        ("sd", 1.0, 0.16, False),
        ("sd", 0.95, 0.09, False),
        ("missing", 0.0, 0.019, True),
        ("missing", 0.0, 0.021, False),
        ("constant", 0.0, 0.0, True),
        ("constant", 1.0, 0.0, False),
    ],
)
def test_an_effect_is_over_when_it_is_small_and_could_have_been_seen(
    measure: str, effect: float, half: float, over: bool
) -> None:
    assert is_over(Finding(measure, effect, effect - half, effect + half, 0.5)) is over  # type: ignore[arg-type]


def test_windows_added_up_have_the_effect_of_their_rows_together() -> None:
    rng = np.random.default_rng(4)
    reference = FeatureProfile.from_values(Feature(name="a", kind="number"), rng.normal(size=50_000))
    parts = [profile_of_window(reference, rng.normal(0.1, 1, n)) for n in (120, 480, 900)]
    found = [decide_window([(reference, part)])[0] for part in parts]
    (whole,) = decide_window([(reference, merged(parts))])
    for measure, effect_off, half_off in (("mean", 1e-9, 0.02), ("missing", 1e-9, 3.0), ("sd", 0.01, 0.05)):
        one = together([Part(d.rows, d.finding(measure)) for d in found])  # type: ignore[arg-type]
        other = whole.finding(measure)  # type: ignore[arg-type]
        assert other is not None
        assert one.effect == pytest.approx(other.effect, abs=effect_off)
        assert one.upper - one.effect == pytest.approx(other.upper - other.effect, rel=half_off)


def test_a_lasting_effect_is_hardly_ever_over_and_one_that_went_is_soon() -> None:
    rng = np.random.default_rng(5)
    reference = FeatureProfile.from_values(Feature(name="a", kind="number"), rng.normal(size=20_000))

    def nights(shift: float) -> list[Evidence]:
        found = []
        for _ in range(8):
            (drift,) = decide_window([(reference, profile_of_window(reference, rng.normal(shift, 1, 130)))])
            found.append(Evidence({"a": Measures(drift.rows, drift.findings)}))
        return found

    def is_ever_over(shift: float) -> bool:
        run = nights(shift)
        return any(is_over_in(run[:k], "a", ("mean", "psi")) for k in range(1, 9))

    assert sum(is_ever_over(0.4) for _ in range(150)) == 0
    assert sum(is_ever_over(0.2) for _ in range(150)) <= 8, "at the threshold itself: 5 % at most"
    assert sum(is_ever_over(0.0) for _ in range(50)) >= 45


def test_the_upper_limit_of_a_share_is_exact() -> None:
    assert upper_limit(3, 400, Q) == pytest.approx(beta.ppf(1 - Q, 4, 397), rel=1e-9)
    assert (upper_limit(5, 5, Q), upper_limit(0, 100, Q)) == (1.0, pytest.approx(1 - Q**0.01, rel=1e-9))


def test_a_rule_is_kept_when_more_than_may_could_have_been_seen() -> None:
    few = Count("a", "missing", 1, 300, 0.01)
    assert not is_kept([few]), "300 rows say little of 1 %"
    assert is_kept([few] * 20)
    assert is_kept([Count("a", "range", 0, 50, 0.0)])
    assert not is_kept([Count("a", "range", 0, 50, 0.0), Count("a", "range", 1, 50, 0.0)])
    assert not is_kept([Count("a", "range", 0, 50, 0.0), few]), "every rule of the column"
    assert not is_kept([])


def test_a_column_that_no_window_measured_is_not_over() -> None:
    assert not is_over_in([Evidence({})], "a", ("mean",))
    assert not is_over_in([Evidence({})], "a", ("rule",))
