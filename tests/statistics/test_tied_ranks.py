"""One look by ranks holds alpha on tied values, calls nothing equivalent that is not, and finds what there is."""

import math

import pytest

from tests.statistics.tied_ranks import ALPHA, DIFFERENT, NULL, Kind, found

WORLDS = 100
BAR = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / WORLDS)
LARGEST = 2000
"""Units of both arms up to which the suite goes: a shift is looked for among all pairs."""
QUICK = [kind for kind in NULL if kind.n + kind.m <= LARGEST]


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: f"{kind.name} {kind.n}")
def test_alike_versions_are_told_apart_no_more_often_than_alpha(kind: Kind) -> None:
    assert found(kind, WORLDS).claims <= BAR


@pytest.mark.parametrize("kind", [NULL[2], NULL[4]], ids=lambda kind: kind.name)
def test_what_ties_hide_is_never_called_equivalent(kind: Kind) -> None:
    one = found(kind, 20)
    assert one.equivalent == 0
    assert one.shift_equivalent > 0.2, "as the shift alone would"


def test_a_plain_test_of_a_small_arm_makes_the_claims_that_the_bar_forbids() -> None:
    assert found(NULL[3], WORLDS).plain > BAR


@pytest.mark.parametrize("kind", DIFFERENT[2:], ids=lambda kind: kind.name)
def test_what_differs_is_found(kind: Kind) -> None:
    one = found(kind, 20)
    assert one.claims > 0.4
    assert one.claims >= one.plain - 0.1
