"""Return on investment by its own contrast, and its coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from seatrial.spec.errors import BadInput
from seatrial.stats.moments import PairMoments
from seatrial.stats.roi import incremental_roi, roi


def test_of_one_variant_the_ends_are_where_the_contrast_is_at_its_limit() -> None:
    rng = np.random.default_rng(1)
    cost = rng.gamma(3, 1, 80)
    value = 1.3 * cost + rng.normal(0, 1, 80)
    found = roi(PairMoments.from_values(value, cost))
    assert found.value == pytest.approx(value.sum() / cost.sum() - 1)
    for end in found.interval:
        t = stats.ttest_1samp(value - (1 + end) * cost, 0).statistic
        assert abs(t) == pytest.approx(stats.t.ppf(0.975, 79), rel=1e-9)


def test_of_a_difference_it_covers() -> None:
    rng = np.random.default_rng(2)
    covered, worlds = 0, 400
    for _ in range(worlds):
        arms = []
        for mean in (2.0, 1.0):
            cost = rng.gamma(mean, 1, 300)
            arms.append(PairMoments.from_values(1.5 * cost + rng.normal(3, 2, 300), cost))
        found = incremental_roi(*arms)
        covered += found.interval.contains(0.5) == (found.shape != "outside")
    assert covered / worlds == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / worlds))


def test_a_cost_that_may_be_nothing_has_no_plain_interval() -> None:
    rng = np.random.default_rng(3)
    arms = [PairMoments.from_values(rng.normal(m, 1, 50), rng.normal(1, 1, 50)) for m in (2, 1)]
    assert incremental_roi(*arms).shape != "interval"
    with pytest.raises(BadInput, match="1 and 2 units"):
        incremental_roi(PairMoments.from_values([1.0], [1.0]), PairMoments.from_values([1.0, 2.0], [1.0, 2.0]))


def test_of_one_that_earns_more_and_costs_less_no_return_is_read() -> None:
    rng = np.random.default_rng(4)
    cheaper, dearer = (
        PairMoments.from_values(rng.normal(value, 1, 500), rng.normal(cost, 0.01, 500))
        for value, cost in ((12, 0.2), (10, 0.5))
    )
    found = incremental_roi(cheaper, dearer)
    assert found.shape == "everything"
    assert math.isnan(found.value)
    assert incremental_roi(dearer, cheaper).value == pytest.approx(-1 - 2 / 0.3, rel=0.1)
