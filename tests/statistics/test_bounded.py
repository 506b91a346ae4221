"""Betting and quantile sequences hold alpha at every look; few worlds of ``bounded``."""

import pytest

from tests.statistics.bounded import ALPHA, METRICS, Bounded, errors, quantile_errors

WORLDS = 200


@pytest.mark.simulation
@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
@pytest.mark.parametrize("share", [0.5, 0.05])
def test_bets_exclude_the_truth_in_at_most_alpha_of_worlds(metric: Bounded, share: float) -> None:
    found = errors(metric, share, worlds=WORLDS, units=2000, seed=5, widths=1)
    allowed = ALPHA + 2 * (ALPHA * (1 - ALPHA) / WORLDS) ** 0.5
    assert found.one_arm <= allowed
    assert found.effect <= allowed


@pytest.mark.simulation
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_quantile_sequences_do_too(q: float) -> None:
    wrong = quantile_errors(q, 0.5, worlds=100, units=2000, looks=10, seed=6)
    assert wrong <= ALPHA + 2 * (ALPHA * (1 - ALPHA) / 100) ** 0.5
