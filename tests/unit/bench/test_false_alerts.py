"""The simulated months count as the product does."""

import msgspec
import numpy as np
import pytest

from bench import false_alerts
from bench.false_alerts import HOURS, PAST, WORLDS, count_windows
from seatrial.drift import FeatureProfile, profile_of_window
from seatrial.drift.feature import merged
from seatrial.spec.signature import Feature


def a_column(kind: int, rows: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=rows),
        np.where(rng.random(rows) < 0.8, 0.0, rng.integers(1, 17, rows)),
        rng.poisson(3.0, rows).astype(np.float64),
        rng.normal(size=rows) * 100,
    ][kind]


@pytest.mark.parametrize("kind", range(4))
def test_windows_that_are_counted_together_are_counted_as_each_by_itself(kind: int) -> None:
    reference = FeatureProfile.from_values(Feature(name="x", kind="number"), a_column(kind % 3, 500))
    values = a_column(kind, 40 * 30, seed=2).reshape(40, 30)
    for found, row in zip(count_windows(reference, values), values, strict=True):
        alone = profile_of_window(reference, row)
        assert msgspec.structs.replace(found, moments=alone.moments) == alone
        assert msgspec.structs.astuple(found.moments) == pytest.approx(msgspec.structs.astuple(alone.moments), rel=1e-9)


@pytest.mark.parametrize("step", [24, 168])
def test_the_past_of_an_hour_is_that_hour_of_the_last_28_days(step: int) -> None:
    reference = FeatureProfile.from_values(Feature(name="x", kind="number"), a_column(0, 500))
    lived = [[profile] for profile in count_windows(reference, a_column(0, HOURS * 5, seed=3).reshape(HOURS, 5))]
    found = false_alerts._pasts(lived, step)
    for hour in (0, step - 1, step, 500, PAST - 1, PAST, PAST + 1, HOURS - 1):
        past = [lived[at][0] for at in range(hour - step, max(hour - PAST, 0) - 1, -step)]
        assert bool(found[hour]) == bool(past)
        if past:
            whole, (mine,) = merged(past), found[hour]
            assert (mine.rows, mine.counts, mine.outside) == (whole.rows, whole.counts, whole.outside)
            assert mine.moments.m2 == pytest.approx(whole.moments.m2, rel=1e-9)


def test_a_month_is_the_same_each_time_it_is_lived() -> None:
    world = WORLDS[0]
    assert false_alerts.month(world, 3) == false_alerts.month(world, 3)
