import numpy as np
import pytest
from scipy import stats as scipy_stats

from seatrial.spec.errors import BadInput
from seatrial.stats.same_arms import same_arms


def test_the_two_questions_are_scipys() -> None:
    rng = np.random.default_rng(1)
    p_values = rng.random(500)
    claims = p_values < 0.05
    found = same_arms("x", list(claims), list(p_values), 0.05)
    assert found.claims == claims.sum()
    assert found.p_claims == pytest.approx(scipy_stats.binom.sf(claims.sum() - 1, 500, 0.05), rel=1e-9)
    assert found.p_uniform == pytest.approx(scipy_stats.kstest(p_values, "uniform", mode="asymp").pvalue, rel=1e-9)
    assert found.trustworthy


def test_of_honest_metrics_one_in_a_thousand_is_distrusted_at_most() -> None:
    rng = np.random.default_rng(2)
    worlds = [rng.random(200) for _ in range(3000)]
    odd = sum(not same_arms("x", list(p < 0.05), list(p), 0.05).trustworthy for p in worlds)
    assert scipy_stats.binom.sf(odd - 1, 3000, 0.001) > 1e-4


@pytest.mark.parametrize(
    ("p_values", "says"),
    [
        (np.linspace(0, 1, 500) ** 2, "more than it may"),
        (0.06 + 0.3 * np.linspace(0, 1, 500), "not uniform"),
    ],
)
def test_a_metric_that_breaks_its_word_is_named(p_values: np.ndarray, says: str) -> None:
    found = same_arms("revenue", list(p_values < 0.05), list(p_values), 0.05)
    assert not found.trustworthy
    assert says in found.sentence


def test_no_verdicts_say_nothing() -> None:
    with pytest.raises(BadInput, match="verdict in none of its splits"):
        same_arms("x", [], [], 0.05)
