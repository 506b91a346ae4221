"""Differences of quantiles: against single arms' intervals, against the delta method, and over phases."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, norm

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.evidence import Level, Levels
from seatrial.stats.quantile import quantile_interval
from seatrial.stats.quantile_difference import Arms, is_tied, quantile_effect, quantile_evidence, quantile_test
from seatrial.stats.reach import lowest
from tests.oracle.tea_tasting.worlds import arms as arms_of_worlds

ANSWERS = json.loads((Path(__file__).parent / "tea_tasting" / "answers.json").read_text(encoding="utf-8"))["answers"]

Values = NDArray[np.float64]
BOTH = Levels((Level(0.05, 2),), (Level(0.05, 2),))
RNG = np.random.default_rng(1)
SLOW, FAST = RNG.lognormal(0.3, 1, 3000), RNG.lognormal(0, 1, 2000)
ARMS = Arms.of(SLOW, FAST)


def test_one_phase_at_every_look_is_both_arms_at_half_of_alpha() -> None:
    t, c = (quantile_interval(values, 0.9, 0.025, "always-valid") for values in (SLOW, FAST))
    known = quantile_evidence([ARMS], 0.9, BOTH)
    assert known.absolute == (t.lower - c.upper, t.upper - c.lower)
    assert known.beyond(Margin("absolute", 1.0)) == pytest.approx((t.lower - c.upper - 1, t.upper - c.lower - 1))
    relative = known.beyond(Margin("relative", 0.2))
    assert relative == pytest.approx((t.lower - 1.2 * c.upper, t.upper - 1.2 * c.lower))


def test_one_look_without_ties_is_the_delta_method() -> None:
    """The median of a normal sample has the standard error sqrt(pi/2)·sd/sqrt(n)."""
    rng = np.random.default_rng(2)
    arms = Arms.of(rng.normal(0, 1, 40_000), rng.normal(0, 1, 40_000))
    effect = quantile_effect(arms, 0.5)
    assert effect.se == pytest.approx(math.sqrt(math.pi / 2 * 2 / 40_000), rel=0.05)
    half = norm.ppf(0.975) * math.sqrt(math.pi / 2 * 2 / 40_000)
    known = quantile_evidence([arms], 0.5, BOTH, "fixed").absolute
    assert known == pytest.approx((effect.effect - half, effect.effect + half), abs=0.1 * half)


def test_one_look_without_ties_squares_and_adds_the_arms_binomial_intervals() -> None:
    known = quantile_evidence([ARMS], 0.9, BOTH, "fixed").absolute
    ends = []
    for values in ARMS:
        n = values.size
        low = max(k for k in range(1, n + 1) if binom.cdf(k - 1, n, 0.9) <= 0.025)
        high = min(k for k in range(1, n + 1) if binom.sf(k - 1, n, 0.9) <= 0.025)
        middle = np.quantile(values, 0.9, method="averaged_inverted_cdf")
        ends.append((values[low - 1], middle, values[high - 1]))
    (a, t, b), (x, c, y) = ends
    assert known == pytest.approx((t - c - math.hypot(t - a, y - c), t - c + math.hypot(b - t, c - x)), rel=1e-9)


def test_one_look_with_ties_is_what_medians_within_a_joint_distance_allow() -> None:
    rng = np.random.default_rng(6)
    arms = Arms.of(rng.integers(0, 12, 150), rng.integers(0, 12, 120) * 1.5)
    assert is_tied(arms.treatment, 0.5)

    def low(values: Values, distance: float) -> float:
        return float(
            values[np.flatnonzero(binom.cdf(np.arange(values.size), values.size, 0.5) <= norm.sf(distance))[-1]]
        )

    def ends(z: float) -> list[float]:
        angles = np.linspace(0, math.pi / 2, 1000)
        parts = [(z * math.cos(angle), z * math.sin(angle)) for angle in angles]
        t, c = arms
        return [
            min(low(t, a) + low(-c[::-1], b) for a, b in parts),
            -min(low(-t[::-1], a) + low(c, b) for a, b in parts),
        ]

    known = quantile_evidence([arms], 0.5, BOTH, "fixed").absolute
    z = float(norm.ppf(0.975))
    exact, wider = ends(z), ends(z * math.sqrt(1 + 1 / 128))
    assert wider[0] <= known.lower <= exact[0]
    assert exact[1] <= known.upper <= wider[1]


def test_tea_tastings_quantiles() -> None:
    """Its interval is a bootstrap's, its quantile is interpolated: ours is within a seventh of its width."""
    control, treatment = arms_of_worlds()
    for name, q in (("median", 0.5), ("ninth_decile", 0.9)):
        theirs = ANSWERS[name]
        known = quantile_test([Arms.of(treatment["value"], control["value"])], q)
        wide = theirs["effect_size_ci_upper"] - theirs["effect_size_ci_lower"]
        assert known.effect == pytest.approx(theirs["effect_size"], abs=0.15 * wide)
        assert known.lower == pytest.approx(theirs["effect_size_ci_lower"], abs=0.15 * wide)
        assert known.upper == pytest.approx(theirs["effect_size_ci_upper"], abs=0.15 * wide)


def test_the_reach_of_a_sum_is_that_of_a_normal_one_where_ends_are_straight() -> None:
    errors = (1.0, 2.0, 0.5)
    found = lowest([lambda d, s=s: -s * d for s in errors], 1.96)
    assert -1.96 * math.hypot(*errors) >= found >= -1.96 * math.hypot(*errors) * 1.01
    assert lowest([lambda d: np.where(d > 1, -math.inf, -d)], 0.5) == -0.5
    assert lowest([lambda d: np.where(d > 1, -math.inf, -d), lambda d: -d], 1.5) == -math.inf


@pytest.mark.parametrize("method", ["always-valid", "fixed"])
def test_the_p_value_is_alpha_just_where_the_interval_ends(method: str) -> None:
    arms = ARMS if method == "always-valid" else Arms.of(FAST[:1000] * 1.15, FAST[1000:])
    known = quantile_evidence([arms], 0.5, BOTH, method)  # type: ignore[arg-type]
    p = known.p_value(ZERO, "two")
    assert 0 < p < 0.05
    assert known.absolute.lower > 0
    at = Levels((Level(p * 1.01, 2),), (Level(p * 1.01, 2),))
    below = Levels((Level(p * 0.97, 2),), (Level(p * 0.97, 2),))
    assert quantile_evidence([arms], 0.5, at, method).absolute.lower > 0  # type: ignore[arg-type]
    assert quantile_evidence([arms], 0.5, below, method).absolute.lower <= 0  # type: ignore[arg-type]
    assert known.p_value(ZERO, "lower") < p
    assert known.p_value(ZERO, "upper") > 0.5


def test_phases_are_compared_inside_themselves() -> None:
    """A baseline that rises, and weights that follow it: together the arms differ, in each phase they do not."""
    rng = np.random.default_rng(3)
    before = Arms.of(rng.normal(0, 1, 300), rng.normal(0, 1, 2700))
    after = Arms.of(rng.normal(2, 1, 2700), rng.normal(2, 1, 300))
    together = Arms.of(*(np.concatenate([getattr(a, arm) for a in (before, after)]) for arm in Arms._fields))
    assert quantile_evidence([together], 0.5, BOTH).absolute.lower > 1
    assert quantile_evidence([before, after], 0.5, BOTH).absolute.contains(0.0)


def test_a_phase_of_too_few_units_is_not_waited_for() -> None:
    known = quantile_evidence([Arms.of([1.0, 2.0], [1.0]), ARMS, Arms.of([], [])], 0.9, BOTH).absolute
    assert math.isfinite(known.lower)
    assert math.isfinite(known.upper)
    assert quantile_evidence([Arms.of([1.0], [])], 0.5, BOTH).absolute == (-math.inf, math.inf)


def test_values_of_both_signs_take_a_relative_margin_of_either() -> None:
    rng = np.random.default_rng(4)
    arms = Arms.of(rng.normal(0, 1, 2000), rng.normal(0, 1, 2000))
    wide = quantile_evidence([arms], 0.9, BOTH).beyond(Margin("relative", 0.5))
    own = [quantile_evidence([arms], 0.9, BOTH)]
    t, c = (quantile_interval(values, 0.9, 0.025, "always-valid") for values in arms)
    assert wide.lower == pytest.approx(t.lower - 1.5 * c.upper)
    assert wide.upper == pytest.approx(t.upper - 0.5 * c.lower)
    assert own[0].relative is None


def test_missing_values_are_refused() -> None:
    with pytest.raises(BadInput, match="missing values"):
        Arms.of([1.0, math.nan], [1.0])
