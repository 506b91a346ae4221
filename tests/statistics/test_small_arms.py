"""One look at a mean or a ratio holds alpha while an arm is small, which Welch's t does not, and costs no power."""

import math

import pytest

from tests.statistics.small_arms import ALPHA, KINDS, ORDERS, Kind, found

WORLDS = 200
BAR = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / WORLDS)


@pytest.mark.parametrize("share", [0.05, 0.01])
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[5]], ids=lambda kind: kind.name)
def test_identical_versions_are_told_apart_no_more_often_than_alpha(kind: Kind, share: float) -> None:
    one = found(kind, share, 10_000, WORLDS)
    assert one.better + one.worse <= BAR
    if share == 0.01:
        assert one.welch > 0.25, "what it is held against makes the claims that the bar forbids"
        assert one.silent == 0 or kind.ratio, "a mean has an answer by permutation"


def test_equal_arms_find_what_welch_s_t_finds() -> None:
    one = found(ORDERS, 0.5, 10_000, WORLDS, lift=0.6)
    assert one.better >= one.welch - 0.01
    assert one.welch > 0.5


def test_gains_and_losses_about_nothing_are_no_rare_event() -> None:
    one = found(KINDS[-1], 0.5, 2_000, 50, lift=0.2)
    assert one.silent == 0
    assert one.better > 0.9
