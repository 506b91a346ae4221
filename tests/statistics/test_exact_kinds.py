"""Quantiles and bounded means hold alpha at every look through the judge's own functions; few worlds of it."""

import pytest

from tests.statistics.exact_kinds import CELLS, Cell, rate

WORLDS = 200
BAR = 0.05 + 2 * (0.05 * 0.95 / WORLDS) ** 0.5


@pytest.mark.simulation
@pytest.mark.parametrize("cell", CELLS, ids=lambda c: f"{c.kind}-{c.q}-{'ramp' if c.ramp else 'even'}-{c.part}")
def test_versions_that_are_alike_are_seldom_told_apart(cell: Cell) -> None:
    assert rate(cell, WORLDS, looks=8) <= BAR


@pytest.mark.simulation
@pytest.mark.parametrize(("kind", "least"), [("quantile", 0.7), ("bounded", 0.9)])
def test_a_true_effect_is_found(kind: str, least: float) -> None:
    """Two sequences of alpha / 2 on one value a unit, which is what quantiles have, find less."""
    assert rate(Cell(kind, ramp=False), 20, 0.3, looks=3) >= least  # type: ignore[arg-type]
