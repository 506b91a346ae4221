"""Rules from data: a few worlds of what `make segments` runs in full."""

from scipy.stats import binom

from tests.statistics.segment_worlds import count, count_cheap


def test_worlds_without_segments_rarely_advise_a_rule() -> None:
    found = [count(20, 20_000, effect, seed=7) for effect in ("none", "same")]
    assert sum(one.advised for one in found) <= binom.ppf(0.999, 40, 0.05)


def test_the_one_country_comes_out_as_one_rule() -> None:
    assert count(10, 200_000, "country", seed=7).right >= binom.ppf(0.001, 10, 0.9)


def test_a_rule_that_costs_the_margin_is_rarely_called_cheap() -> None:
    assert count_cheap(60, 6_000, 0.003, seed=7).advised <= binom.ppf(0.999, 60, 0.05)
