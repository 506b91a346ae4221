"""Fieller's interval of a ratio with an uncertain denominator misses on both sides alike."""

import math

from tests.statistics.uncertain_ratios import ALPHA, baskets, by_sequence, found, normal

WORLDS = 400
BAR = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / WORLDS)


def test_where_the_delta_method_misses_on_one_side_fieller_s_does_not() -> None:
    one = found(normal(0.2), 1.0, 400, 400, WORLDS)
    assert one.delta.below > 0.03 > 0.01 >= one.delta.above
    assert abs(one.fieller.below - one.fieller.above) < 0.02
    assert one.fieller.above + one.fieller.below <= BAR
    assert one.judged <= BAR


def test_with_certain_denominators_both_are_the_same() -> None:
    one = found(normal(0.02), 1.0, 400, 400, WORLDS)
    assert abs(one.welch - one.judged) <= 0.01


def test_alike_baskets_of_few_buyers_are_told_apart_no_more_often_than_alpha() -> None:
    assert found(baskets(0.2), 10.0, 4000, 4000, WORLDS).judged <= BAR


def test_sequences_keep_the_delta_method_and_their_error_rate() -> None:
    """Of items of few buyers it made 16 % false claims while it spoke of fewer than ten buyers."""
    assert by_sequence(normal(0.2), 500, 100) <= ALPHA
    assert by_sequence(baskets(0.2), 4000, 200) <= ALPHA
