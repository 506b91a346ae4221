import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from seatrial.stats import PairMoments
from seatrial.stats.gaps import lagging, silences, too_few
from seatrial.stats.novelty import change_of, novelty


def arm(rng: np.random.Generator, early: float, late: float, units: int = 4000) -> PairMoments:
    """Units that like things more or less, so that early and late go together."""
    taste = rng.gamma(2, 0.5, units)
    return PairMoments.from_values(rng.poisson(early * taste), rng.poisson(late * taste))


def test_a_steady_relative_effect_is_no_novelty_whatever_the_window_looks_like() -> None:
    rng = np.random.default_rng(1)
    found = [novelty(arm(rng, 1.2 * 0.9, 1.2 * 0.1), arm(rng, 0.9, 0.1)) for _ in range(2000)]
    p_values = [one.p_value for one in found if one is not None]
    assert len(p_values) == 2000
    for level in (0.05, 0.01):
        claims = sum(p < level for p in p_values)
        assert scipy_stats.binom.sf(claims - 1, 2000, level) > 1e-3
        assert scipy_stats.binom.cdf(claims, 2000, level) > 1e-3


def test_an_effect_that_wears_off_is_found_and_its_size_told() -> None:
    rng = np.random.default_rng(2)
    found = [novelty(arm(rng, 0.6, 1.0, 20_000), arm(rng, 0.5, 1.0, 20_000)) for _ in range(100)]
    assert sum(one is not None and one.p_value < 0.001 for one in found) >= 90
    one = found[0]
    assert one is not None
    assert one.early == pytest.approx(0.2, abs=0.06)
    assert one.late == pytest.approx(0.0, abs=0.06)
    spread = np.std([one.change for one in found if one is not None])
    assert one.se == pytest.approx(spread, rel=0.25)


def test_too_few_events_say_nothing() -> None:
    rng = np.random.default_rng(3)
    assert novelty(arm(rng, 0.001, 1.0), arm(rng, 0.001, 1.0)) is None


def test_silences_lie_between_busy_intervals() -> None:
    assert silences([40, 0, 0, 50, 20, 0, 60, 0]) == ((1, 2),)
    assert silences([0, 0, 40]) == ()
    night = [200, 90, 30, 8, 1, 0, 0, 1, 9, 40, 150]
    assert silences(night) == ()


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=40))
def test_a_silence_is_a_run_of_zeros_with_busy_neighbours(counts: list[int]) -> None:
    for first, last in silences(counts):
        assert set(counts[first : last + 1]) == {0}
        assert min(counts[first - 1], counts[last + 1]) >= 30


def test_an_arm_that_lags_is_found_and_chance_is_not() -> None:
    rng = np.random.default_rng(4)
    false = 0
    for _ in range(300):
        total = rng.poisson(100 * (1 + np.sin(np.arange(48) / 4)))
        new = rng.binomial(total, 0.1)
        false += bool(lagging([total - new, new], [0.9, 0.1]))
    assert scipy_stats.binom.sf(false - 1, 300, 0.001) > 1e-4
    lost = np.full(48, 10)
    lost[20] = 0
    assert lagging([np.full(48, 90), lost], [0.9, 0.1]) == ()  # one interval of ten units is too little to tell
    lost[20:22] = 0
    assert lagging([np.full(24, 180), lost.reshape(24, 2).sum(axis=1)], [0.9, 0.1]) == ((1, 10),)


def test_the_change_as_an_effect_is_the_change() -> None:
    rng = np.random.default_rng(5)
    treatment, control = arm(rng, 0.6, 1.0), arm(rng, 0.5, 1.0)
    one, effect = novelty(treatment, control), change_of(treatment, control)
    assert one is not None
    assert effect is not None
    assert effect.effect == pytest.approx(one.change, rel=1e-12)
    assert effect.se_unpooled == pytest.approx(one.se, rel=1e-12)
    assert effect.se >= one.se


def test_traffic_in_bursts_is_not_silent_between_them() -> None:
    assert silences([40, 0, 0, 50, 0, 0, 60, 0, 45]) == ()
    assert silences([40, 50, 60, 0, 40, 40, 50]) == ((3, 3),)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=2, max_size=4), st.floats(1e-6, 0.2))
def test_an_arm_has_too_few_exactly_where_the_binomial_tail_is_below_the_level(counts: list[int], alpha: float) -> None:
    shares = [1.0 + i for i in range(len(counts))]
    tails = [scipy_stats.binom.cdf(n, sum(counts), s / sum(shares)) for n, s in zip(counts, shares, strict=True)]
    few = too_few(counts, shares, alpha)
    if sum(counts) == 0:
        assert few == ()
    else:
        assert few == tuple(i for i, tail in enumerate(tails) if tail < alpha)
