"""Differences of quantiles: against single arms' intervals, against the delta method, and over phases."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.evidence import Level, Levels
from seatrial.stats.quantile import quantile_interval
from seatrial.stats.quantile_difference import Arms, quantile_effect, quantile_evidence

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


def test_one_look_is_the_delta_method() -> None:
    """The median of a normal sample has the standard error sqrt(pi/2)·sd/sqrt(n)."""
    rng = np.random.default_rng(2)
    arms = Arms.of(rng.normal(0, 1, 40_000), rng.normal(0, 1, 40_000))
    effect = quantile_effect(arms, 0.5)
    assert effect.se == pytest.approx(math.sqrt(math.pi / 2 * 2 / 40_000), rel=0.05)
    known = quantile_evidence([arms], 0.5, BOTH, "fixed")
    assert known.absolute == pytest.approx(
        (effect.effect - norm.ppf(0.975) * effect.se, effect.effect + norm.ppf(0.975) * effect.se), rel=1e-9
    )


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
