"""False claims of adjusted sequences and planned looks through the judge's own functions; few worlds of ``wired``."""

import pytest

from tests.statistics.wired import ANY_TIME, LOOKS, ONCE, POCOCK, Cell, false_claims

WORLDS = 100
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
    assert false_claims(cell, WORLDS, looks=10) <= BAR


@pytest.mark.simulation
def test_a_posterior_looked_at_often_claims_too_much_which_is_why_it_never_promotes() -> None:
    assert false_claims(Cell("normal", 0.5, {"name": "bayes"}), WORLDS, looks=30) > 0.05
