"""A small part of the estimates without labels on real data; ``make unlabelled`` runs all of it."""

import pytest

from tests.statistics.unlabelled_worlds import flipped, summary


@pytest.mark.simulation
@pytest.mark.parametrize("scene", ["digits", "ink"])
def test_accuracy_is_estimated_within_a_point_and_a_half_where_only_inputs_moved(scene: str) -> None:
    found = summary(scene, splits=8)
    assert found.gap <= 0.015
    assert found.inside >= 0.9 - 2 * (0.09 / 16) ** 0.5


@pytest.mark.simulation
def test_a_regressions_error_is_estimated_far_closer_than_the_holdout_says() -> None:
    found = summary("shade", splits=8)
    assert found.gap < found.naive / 3
    assert found.inside >= 0.9 - 2 * (0.09 / 16) ** 0.5


@pytest.mark.simulation
@pytest.mark.parametrize("scene", ["digits", "ink", "shade"])
def test_estimates_are_blind_where_labels_changed_and_inputs_did_not(scene: str) -> None:
    """The estimate stays where it was; what came is outside of every interval."""
    honest, blind = summary(scene, splits=3), summary(scene, splits=3, labels=flipped)
    assert blind.inside == 0
    assert blind.gap > 4 * honest.gap
