"""Shadows that are alike are seldom told apart, however often one looks, whoever returns, whichever label is early."""

import math

import pytest

from tests.statistics.paired_shadow import ALPHA, WORLDS, claims, popular, returning

SIZE = 120
BAR = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / SIZE)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("discordant", [0.06, 0.3])
def test_models_that_are_alike_are_seldom_told_apart(world: str, discordant: float) -> None:
    assert claims(WORLDS[world], discordant, worlds=SIZE, pairs=1000, looks=40).ours <= BAR


def test_pairs_counted_as_if_all_were_independent_tell_lies() -> None:
    """The bar above could be failed."""
    for draw in (popular, returning):
        assert claims(draw, 0.3, worlds=SIZE, pairs=1000, looks=40).all_pairs > BAR


def test_a_model_that_is_right_twice_as_often_alone_is_found() -> None:
    assert claims(WORLDS["labels of mistakes arrive first"], 0.3, worlds=40, tilt=2 / 3, pairs=1000).ours > 0.9
