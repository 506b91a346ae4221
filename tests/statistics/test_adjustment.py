"""CUPED's variance beside 1 - ρ², and the coverage of adjusted intervals; few worlds of ``adjustment``."""

import pytest

from tests.statistics.adjustment import Cell, simulate

WORLDS = 400


@pytest.mark.simulation
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_the_variance_ratio_is_one_less_the_squared_correlation(correlation: float) -> None:
    found = simulate(Cell(correlation, 0.5), WORLDS, seed=3)
    expected = 1 - correlation**2
    assert found.claimed == pytest.approx(expected, abs=0.01)
    # A ratio of two means of squares that are correlated: 4 standard errors of it.
    assert found.cuped == pytest.approx(expected, abs=4 * 2 * expected * correlation / WORLDS**0.5 + 0.02)


@pytest.mark.simulation
def test_intervals_cover_where_the_effect_grows_with_the_covariate() -> None:
    found = simulate(Cell(0.7, 0.2, uneven=0.8), WORLDS, seed=4)
    least = 0.95 - 3 * (0.95 * 0.05 / WORLDS) ** 0.5
    assert found.lin_covers >= least
    assert found.lin < found.cuped
