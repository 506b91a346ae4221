import doctest
import subprocess
import sys

import numpy as np
import pytest

import seatrial.stats
from seatrial.spec.errors import BadInput
from seatrial.stats import (
    Margin,
    Moments,
    PairMoments,
    compare_bounded,
    compare_means,
    compare_proportions,
    compare_quantiles,
    compare_ratios,
)
from seatrial.stats import compare as compare_module

RNG = np.random.default_rng(11)


def test_means_from_values_or_moments() -> None:
    a, b = RNG.normal(1.5, 1, 600), RNG.normal(1, 1, 700)
    found = compare_means(a, b, minimum_effect=Margin("relative", 0.02))
    assert found.verdict.word == "better"
    assert found == compare_means(
        Moments.from_values(a), Moments.from_values(b), minimum_effect=Margin("relative", 0.02)
    )
    assert found.tests[0].method == "Welch's t"
    assert found.bayesian is not None
    assert found.bayesian.p_better > 0.999


def test_proportions_show_the_classical_tests_beside() -> None:
    found = compare_proportions(260, 1000, 180, 1000)
    assert found.verdict.word == "better"
    z, chi = found.tests
    assert z.statistic is not None
    assert chi.statistic == pytest.approx(z.statistic**2)
    assert chi.p_value == pytest.approx(z.p_value)
    assert found.bayesian is not None
    assert found.bayesian.p_better > 0.999


def test_sparse_proportions_need_the_share_of_traffic_to_speak() -> None:
    assert compare_proportions(6, 60, 0, 1140, want="lower").verdict.word == "no-data"
    assert compare_proportions(6, 60, 0, 1140, want="lower", weight=0.05).verdict.word == "worse"


def test_nothing_yet() -> None:
    found = compare_proportions(0, 0, 0, 0)
    assert found.verdict.word == "no-data"
    assert found.bayesian is None
    assert all(test.p_value is None for test in found.tests)
    assert compare_means([], []).bayesian is None
    assert compare_ratios(PairMoments.from_values([], []), PairMoments.from_values([], [])).verdict.word == "no-data"


def test_small_counts_bring_exact_tests_that_say_why() -> None:
    tests = compare_proportions(1, 60, 4, 55).tests
    assert [test.method for test in tests] == ["Boschloo's exact", "Fisher's exact"]
    assert all("fewer than 5" in test.note for test in tests)
    assert [test.method for test in compare_proportions(1, 900, 4, 900).tests] == ["Fisher's exact"]


def test_ratios_by_unit() -> None:
    y = RNG.integers(1, 9, 2000).astype(float)
    a, b = (
        PairMoments.from_values(0.9 * y + RNG.random(2000), y),
        PairMoments.from_values(0.8 * y + RNG.random(2000), y),
    )
    found = compare_ratios(a, b)
    assert found.verdict.word == "better"
    assert found.verdict.effect == pytest.approx(a.mean_x / a.mean_y - b.mean_x / b.mean_y)
    assert found.tests[0].p_value is not None


def test_quantiles_of_one_observation_a_unit() -> None:
    slow, fast = RNG.exponential(2.0, 3000), RNG.exponential(1.0, 3000)
    found = compare_quantiles(slow, fast, 0.9)
    assert found.verdict.word == "worse"
    assert found.verdict.relative_lower is None
    assert compare_quantiles(fast, slow, 0.9).verdict.word == "better"
    same = compare_quantiles(fast, RNG.exponential(1.0, 3000), 0.5, minimum_effect=Margin("absolute", 0.5))
    assert same.verdict.word == "equivalent"
    assert compare_quantiles(fast[:50], slow, 0.9).verdict.word == "no-data"
    assert compare_quantiles([], [], 0.9).verdict.word == "no-data"


def test_a_fixed_quantile_interval_is_narrower() -> None:
    a, b = RNG.exponential(1.0, 3000), RNG.exponential(1.0, 3000)
    fixed, sequence = compare_quantiles(a, b, 0.9, method="fixed"), compare_quantiles(a, b, 0.9)
    assert fixed.verdict.lower is not None
    assert sequence.verdict.lower is not None
    assert fixed.verdict.lower > sequence.verdict.lower


def test_bounded_metrics_by_betting() -> None:
    rng = np.random.default_rng(3)
    treated = rng.random(3000) < 0.5
    values = rng.beta(2, 5, 3000) * 5 + np.where(treated, 0.6, 0.0)
    found = compare_bounded(values, treated, 0.5, 0, 6).verdict
    assert found.word == "better"
    assert found.effect == pytest.approx(values[treated].mean() - values[~treated].mean())
    assert "by betting" in found.sentence
    same = compare_bounded(rng.random(9000), rng.random(9000) < 0.5, 0.5, 0, 1, minimum_effect=Margin("absolute", 0.1))
    assert same.verdict.word == "equivalent"
    assert compare_bounded([0.5], [True], 0.5, 0, 1).verdict.word == "no-data"
    alike = compare_bounded(
        0.5 + rng.random(9000) / 2, rng.random(9000) < 0.5, 0.5, 0, 1, minimum_effect=Margin("relative", 0.1)
    )
    assert alike.verdict.word == "equivalent"


def test_margins_are_checked() -> None:
    with pytest.raises(BadInput, match="no group-sequential interval"):
        compare_quantiles([1.0], [1.0], 0.5, method="group-sequential")
    with pytest.raises(BadInput, match="margin"):
        compare_means([1.0], [1.0], minimum_effect=Margin("relative", -0.1))
    with pytest.raises(BadInput, match=r"alpha 5 "):
        compare_means(RNG.normal(0, 1, 200), RNG.normal(0, 1, 200), alpha=5)


def test_the_examples_in_the_docstrings_hold() -> None:
    results = doctest.testmod(compare_module)
    assert results.attempted
    assert not results.failed


def test_everything_that_is_named_is_there() -> None:
    assert sorted(seatrial.stats.__all__) == list(seatrial.stats.__all__)
    assert all(hasattr(seatrial.stats, name) for name in seatrial.stats.__all__)


@pytest.mark.processes
def test_importing_the_room_loads_no_slow_library() -> None:
    code = "import sys, seatrial.stats; print(sorted({'scipy.stats', 'pandas', 'pydantic'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
