"""Challengers that are alike are seldom told apart from the champion; few worlds of ``several_challengers``."""

import pytest

from tests.statistics.several_challengers import rate


@pytest.mark.simulation
@pytest.mark.parametrize("family", ["holm", "e-bh"])
def test_alike_challengers_are_seldom_told_apart(family: str) -> None:
    assert rate(family, 20) <= 0.1
