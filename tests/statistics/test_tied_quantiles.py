"""One look at a quantile holds alpha on tied values, covers in one arm, and loses nothing without ties."""

import math

import pytest

from tests.statistics.tied_quantiles import ALPHA, REQUESTS, SMOOTH, TIED, Kind, Requests, covered, found

WORLDS = 200
BAR = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / WORLDS)


@pytest.mark.parametrize("kind", TIED, ids=lambda kind: f"{kind.name} {kind.n}")
def test_alike_versions_of_tied_values_are_told_apart_no_more_often_than_alpha(kind: Kind) -> None:
    assert found(kind, WORLDS).claims <= BAR


def test_what_it_is_held_against_makes_the_claims_that_the_bar_forbids() -> None:
    assert found(TIED[2], WORLDS).before > 0.4


@pytest.mark.parametrize("kind", SMOOTH, ids=lambda kind: f"{kind.name} {kind.q} {kind.n}")
def test_nor_without_ties(kind: Kind) -> None:
    assert found(kind, WORLDS).claims <= BAR


def test_without_ties_it_finds_what_the_normal_approximation_finds() -> None:
    one = found(SMOOTH[0], WORLDS, lift=0.15)
    assert one.claims >= one.before - 0.02
    assert one.before > 0.5


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.name)
def test_one_arms_interval_covers_a_median_at_the_edge_of_a_step(kind: Requests) -> None:
    now, before = covered(kind, 500, WORLDS)
    assert now >= 0.95 - 2 * math.sqrt(ALPHA * (1 - ALPHA) / WORLDS)
    assert before < 0.8
