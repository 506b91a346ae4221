"""A small part of the detectors' bars; ``make concept`` runs all of it."""

import pytest
from scipy.stats import binomtest

from seatrial.drift.concept import Adwin
from tests.statistics.concept_streams import delays, false_alarms


@pytest.mark.simulation
def test_adwin_alarms_in_two_still_streams_of_a_hundred_at_most() -> None:
    alarmed, _ = false_alarms(Adwin(), seeds=30)
    assert binomtest(alarmed, 30, 0.02, alternative="greater").pvalue > 1e-3


@pytest.mark.simulation
@pytest.mark.parametrize("change", [(0.1, 0.3), (0.2, 0.4)])
def test_adwin_finds_a_rise_by_twenty_points_within_250_errors(change: tuple[float, float]) -> None:
    found = delays(Adwin(), change, seeds=15)
    assert found.median <= 250
    assert found.found == 1
