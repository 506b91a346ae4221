import math

import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import Margin, contrasts, relative_interval, shifted_bounds
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments

SOLID = Effect.of_means(Moments(1000, 11.0, 4000.0), Moments(1000, 10.0, 4000.0))
SHAKY = Effect.of_means(Moments(1000, 0.1, 4000.0), Moments(1000, 0.05, 4000.0))


def test_a_margin_is_never_negative() -> None:
    with pytest.raises(BadInput, match=r"-0\.1"):
        Margin("relative", -0.1).checked()
    with pytest.raises(BadInput, match="nan"):
        Margin("absolute", math.nan).checked()
    assert Margin("absolute", 0.0).checked().size == 0


def test_an_absolute_shift_moves_the_interval() -> None:
    plain, moved = (
        shifted_bounds(SOLID, Margin("absolute", 0.0), 2, 3),
        shifted_bounds(SOLID, Margin("absolute", 0.25), 2, 3),
    )
    assert moved.lower == pytest.approx(plain.lower - 0.25)
    assert moved.upper == pytest.approx(plain.upper - 0.25)


def test_a_relative_shift_is_a_contrast() -> None:
    (contrast,) = contrasts(SOLID, Margin("relative", 0.1))
    assert contrast.value == pytest.approx(11 - 1.1 * 10)
    assert contrast.se == pytest.approx(SOLID.contrast_se(1.1))


def test_a_relative_margin_counts_the_same_way_for_negative_means() -> None:
    """10 % of a loss of 10 is 1, whichever side of zero the control lies on."""
    below = Effect.of_means(Moments(1000, -9.0, 4000.0), Moments(1000, -10.0, 4000.0))
    (contrast,) = contrasts(below, Margin("relative", 0.1))
    assert contrast.value == pytest.approx(0.0)


def test_the_relative_interval_and_the_contrast_agree() -> None:
    interval = relative_interval(SOLID, 2.5, 3.0)
    assert interval is not None
    at_lower = shifted_bounds(SOLID, Margin("relative", interval.lower), 2.5, 3.0)
    at_upper = shifted_bounds(SOLID, Margin("relative", interval.upper), 2.5, 3.0)
    assert at_lower.lower == pytest.approx(0.0, abs=1e-9)
    assert at_upper.upper == pytest.approx(0.0, abs=1e-9)


def test_the_relative_interval_of_negative_means_is_mirrored() -> None:
    mirrored = Effect.of_means(Moments(1000, -11.0, 4000.0), Moments(1000, -10.0, 4000.0))
    up, down = relative_interval(SOLID, 2.5, 3.0), relative_interval(mirrored, 3.0, 2.5)
    assert up is not None
    assert down is not None
    assert (down.lower, down.upper) == pytest.approx((-up.upper, -up.lower))


def test_no_relative_interval_near_a_control_of_zero() -> None:
    assert relative_interval(SHAKY, 2, 2) is None
    three = Effect.of_means(Moments(1000, 0.1, 999.0), Moments(1000, 2.99 * math.sqrt(0.001), 999.0))
    more = Effect.of_means(Moments(1000, 0.1, 999.0), Moments(1000, 3.01 * math.sqrt(0.001), 999.0))
    assert relative_interval(three, 1, 1) is None
    assert relative_interval(more, 1, 1) is not None
    assert relative_interval(more, 3.5, 3.5) is None, "the interval would be unbounded"


def test_an_uncertain_sign_is_asked_both_ways() -> None:
    assert len(contrasts(SHAKY, Margin("relative", 0.1))) == 2
    both = shifted_bounds(SHAKY, Margin("relative", 0.1), 2, 2)
    for factor in (0.9, 1.1):
        assert both.lower <= SHAKY.contrast(factor) - 2 * SHAKY.contrast_se(factor) + 1e-12
        assert both.upper >= SHAKY.contrast(factor) + 2 * SHAKY.contrast_se(factor) - 1e-12
