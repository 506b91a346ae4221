import math

import msgspec
import numpy as np
import pytest
from scipy import stats

from seatrial.spec.errors import BadInput
from seatrial.stats.sample_ratio import PhaseShares, SampleRatio, chi_squared_sample_ratio, sample_ratio

HALF = {"champion": 0.5, "challenger": 0.5}


def check(champion: int, challenger: int) -> SampleRatio:
    return sample_ratio([PhaseShares({"champion": champion, "challenger": challenger}, HALF)])


def test_the_configured_split_is_believed() -> None:
    result = check(5020, 4980)
    assert not result.failed
    assert result.log_bayes_factor is not None
    assert result.log_bayes_factor < 0
    assert result.expected == {"champion": 5000, "challenger": 5000}


def test_a_lost_tenth_is_found() -> None:
    result = check(10_000, 9_000)
    assert result.failed
    assert "champion 10000 (expected 9500)" in result.sentence


def test_the_bayes_factor_is_the_ratio_of_two_predictions() -> None:
    """Against scipy's Dirichlet-multinomial and multinomial."""
    counts = [520, 430, 50]
    weights = [0.5, 0.45, 0.05]
    names = "abc"
    result = sample_ratio([PhaseShares(dict(zip(names, counts, strict=True)), dict(zip(names, weights, strict=True)))])
    expected = stats.dirichlet_multinomial.logpmf(counts, 1000 * np.array(weights), 1000) - stats.multinomial.logpmf(
        counts, 1000, weights
    )
    assert result.log_bayes_factor == pytest.approx(float(expected), rel=1e-9)


def test_phases_multiply_and_a_ramp_is_no_alarm() -> None:
    five = PhaseShares({"champion": 9500, "challenger": 500}, {"champion": 95, "challenger": 5})
    fifty = PhaseShares({"champion": 5000, "challenger": 5000}, HALF)
    both = sample_ratio([five, fifty])
    assert not both.failed
    parts = [sample_ratio([phase]).log_bayes_factor for phase in (five, fifty)]
    assert both.log_bayes_factor == pytest.approx(sum(part for part in parts if part is not None))
    assert both.counts == {"champion": 14_500, "challenger": 5500}
    assert both.expected == pytest.approx({"champion": 14_500, "challenger": 5500})


def test_units_in_a_variant_of_weight_zero_are_an_alarm_at_once() -> None:
    result = sample_ratio([PhaseShares({"a": 10, "b": 1}, {"a": 1.0, "b": 0.0})])
    assert result.failed
    assert result.log_bayes_factor is None
    assert msgspec.json.decode(msgspec.json.encode(result), type=SampleRatio) == result
    assert not sample_ratio([PhaseShares({"a": 10}, {"a": 1.0, "b": 0.0})]).failed


def test_no_units_are_no_alarm() -> None:
    assert not sample_ratio([]).failed
    assert sample_ratio([]).sentence == "no units yet"
    assert not sample_ratio([PhaseShares({}, HALF)]).failed


def test_weights_that_are_none_are_refused() -> None:
    for weights in ({"a": 0.0}, {"a": -1.0, "b": 2.0}, {}):
        with pytest.raises(BadInput, match="weights"):
            sample_ratio([PhaseShares({"a": 1}, weights)])


def test_chi_squared_at_a_fixed_end() -> None:
    expected = stats.chisquare([5100, 4800, 100], [4950, 4950, 100]).pvalue
    weights = {"a": 49.5, "b": 49.5, "c": 1.0}
    assert chi_squared_sample_ratio({"a": 5100, "b": 4800, "c": 100}, weights) == pytest.approx(float(expected))
    assert chi_squared_sample_ratio({"a": 1, "b": 1}, {"a": 1.0, "b": 0.0}) == 0.0
    assert chi_squared_sample_ratio({}, HALF) == 1.0
    assert math.isclose(chi_squared_sample_ratio({"champion": 50, "challenger": 50}, HALF), 1.0)
