import math

import msgspec
import numpy as np
import pytest

from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.phases import combine_phases
from seatrial.stats.ratio import linearise

T, C = Moments.from_values([1.0, 2.0, 3.0, 6.0]), Moments.from_values([1.0, 1.0, 4.0])


def test_standard_errors_by_hand() -> None:
    effect = Effect.of_means(T, C)
    assert effect.effect == pytest.approx(1.0)
    assert effect.se_unpooled == pytest.approx(math.sqrt(14 / 3 / 4 + 3 / 3))
    assert effect.se_pooled == pytest.approx(math.sqrt((14 + 6) / 5 * (1 / 4 + 1 / 3)))
    assert effect.se == max(effect.se_pooled, effect.se_unpooled)
    assert effect.unpooled().se == pytest.approx(effect.se_unpooled)
    assert effect.relative == pytest.approx(0.5)
    assert effect.n == 7


def test_the_larger_standard_error_is_not_always_the_same_one() -> None:
    few_calm = Effect.of_means(Moments(100, 0.0, 1.0), Moments(2000, 0.0, 2000.0))
    few_wild = Effect.of_means(Moments(100, 0.0, 1000.0), Moments(2000, 0.0, 20.0))
    assert few_calm.se == pytest.approx(few_calm.se_pooled)
    assert few_wild.se == pytest.approx(few_wild.se_unpooled)


def test_a_contrast_weighs_the_control() -> None:
    effect = Effect.of_means(T, C)
    assert effect.contrast(1.5) == pytest.approx(0.0)
    assert effect.contrast_se(2.0) >= math.sqrt(effect.treatment_variance + 4 * effect.control_variance)


def test_two_valued_effects_know_their_events() -> None:
    effect = Effect.of_means(Moments.from_counts(3, 50), Moments.from_counts(20, 500), two_valued=True)
    assert effect.events is not None
    assert effect.events.fewest == pytest.approx(3)
    assert effect.events.control_others == pytest.approx(480)


def test_a_ratio_counts_units_with_events_not_events() -> None:
    answers = np.full(200, 10.0)
    one_bad_unit = np.zeros(200)
    one_bad_unit[0] = 10.0
    pair = PairMoments.from_values(one_bad_unit, answers)
    effect = Effect.of_ratios(pair, pair, two_valued=True)
    assert effect.events is not None
    assert effect.events.fewest == pytest.approx(1)


def test_a_ratio_is_a_mean_of_influences() -> None:
    x, y = np.array([1.0, 0.0, 3.0]), np.array([2.0, 1.0, 3.0])
    moments = linearise(PairMoments.from_values(x, y))
    influence = (x - 4 / 6 * y) / 2 + 4 / 6
    expected = Moments.from_values(influence)
    assert msgspec.structs.astuple(moments) == pytest.approx(msgspec.structs.astuple(expected))


def test_a_ratio_over_nothing_has_no_units() -> None:
    assert linearise(PairMoments.from_values([1.0, 2.0], [0.0, 0.0])).n == 0
    assert linearise(PairMoments.from_values([], [])).n == 0


def test_one_phase_combined_is_itself() -> None:
    effect = Effect.of_means(T, C, two_valued=True)
    combined = combine_phases([effect]).effect
    for name in Effect.__struct_fields__:
        if name != "events":
            assert getattr(combined, name) == pytest.approx(getattr(effect, name))
    assert combined.events == effect.events


def test_phases_are_weighted_by_precision_not_by_traffic() -> None:
    ramp = [
        Effect.of_means(Moments(10, 1.0, 9.0), Moments(990, 0.0, 989.0)),
        Effect.of_means(Moments(500, 3.0, 499.0), Moments(500, 1.0, 499.0)),
    ]
    weights = [10 * 990 / 1000, 250.0]
    combined = combine_phases(ramp)
    assert combined.effect.effect == pytest.approx((weights[0] * 1 + weights[1] * 2) / sum(weights))
    variance = sum(w * w * p.se_unpooled**2 for w, p in zip(weights, ramp, strict=True)) / sum(weights) ** 2
    assert combined.effect.se_unpooled == pytest.approx(math.sqrt(variance))
    assert combined.effect.n == 2000
    assert combined.left_out == 0


def test_a_ramp_over_a_changing_day_shows_no_effect() -> None:
    """Adding the phases up would show treatment far ahead: it ran mostly on the better day."""
    quiet, busy = Moments(1900, 1.0, 1900.0), Moments(1000, 5.0, 1000.0)
    ramp = [Effect.of_means(Moments(100, 1.0, 100.0), quiet), Effect.of_means(busy, busy)]
    assert combine_phases(ramp).effect.effect == pytest.approx(0.0)
    pooled = Moments(100, 1.0, 100.0).merge(busy).mean - quiet.merge(busy).mean
    assert pooled > 2


def test_a_phase_with_one_unit_in_an_arm_carries_no_weight() -> None:
    solid, thin = Effect.of_means(T, C), Effect.of_means(Moments(1, 9.0, 0.0), C)
    combined = combine_phases([solid, thin])
    assert combined.left_out == 1
    assert combined.effect.effect == pytest.approx(solid.effect)
    nothing = combine_phases([thin])
    assert nothing.left_out == 1
    assert math.isnan(nothing.effect.effect)
    assert nothing.effect.n_treatment == 1


def test_phases_that_contradict_each_other_are_flagged() -> None:
    def phase(difference: float) -> Effect:
        return Effect.of_means(Moments(500, difference, 499.0), Moments(500, 0.0, 499.0))

    alike, apart = combine_phases([phase(0.5), phase(0.55)]), combine_phases([phase(0.5), phase(-0.5)])
    assert not alike.heterogeneous
    assert apart.heterogeneous
    assert apart.q == pytest.approx(2 * (0.5 / phase(0.5).se) ** 2)
    assert combine_phases([phase(0.5)]).p_value == 1.0
