"""Shares of arrivals that stay are seldom said to change, however often one looks; a ramp always is."""

import pytest

from tests.statistics.changing_shares import WORLDS, World, alarms


@pytest.mark.simulation
@pytest.mark.parametrize("world", [world for world in WORLDS if world.early == world.late])
def test_constant_shares_are_not_said_to_change(world: World) -> None:
    bar = 0.001 if world.looks == 1 else 0.01
    assert alarms(world, 500) <= bar + 3 * (bar / 500) ** 0.5


@pytest.mark.parametrize("looks", [1, 20])
def test_a_ramp_is(looks: int) -> None:
    assert alarms(World(20_000, 0.1, 0.5, looks), 20) == 1.0
