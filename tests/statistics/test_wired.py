"""False claims of adjusted sequences and planned looks through the judge's own functions; few worlds of ``wired``."""

import pytest

from tests.statistics.wired import ANY_TIME, LOOKS, ONCE, POCOCK, Cell, simulate

WORLDS = 150
BAR = 0.05 + 3 * (0.05 * 0.95 / WORLDS) ** 0.5


@pytest.mark.simulation
@pytest.mark.parametrize(
    "cell",
    [
        Cell("normal", 0.5, ANY_TIME, adjusted=True),
        Cell("lognormal", 0.05, ANY_TIME, adjusted=True),
        Cell("normal", 0.5, LOOKS),
        Cell("normal", 0.5, POCOCK, adjusted=True),
        Cell("normal", 0.5, ONCE),
    ],
    ids=["sequence", "small-arm", "looks", "pocock", "once"],
)
def test_versions_that_are_alike_are_seldom_told_apart(cell: Cell) -> None:
    assert simulate(cell, WORLDS, looks=20, effect=0.0).false <= BAR


@pytest.mark.simulation
def test_a_posterior_looked_at_often_claims_too_much_which_is_why_it_never_promotes() -> None:
    assert simulate(Cell("normal", 0.5, {"name": "bayes"}), WORLDS, looks=50, effect=0.0).false > 0.05
