"""What is chosen for small samples keeps its error where what is used in large ones does not."""

import math

import pytest

from tests.statistics.at_once import ALPHA, Means, claims_of_means, claims_of_shares, normal

WORLDS = 400


@pytest.mark.parametrize(("n", "m", "a", "b"), [(6, 8, 1.0, 1.0), (5, 9, 2.0, 1.0), (15, 60, 3.0, 1.0)])
def test_permutation_holds_its_level(n: int, m: int, a: float, b: float) -> None:
    found = claims_of_means(Means("", normal(0, a), normal(0, b), n, m), WORLDS)
    bar = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / WORLDS)
    assert found["chosen"] <= bar + (0.02 if a != b else 0.0), "exact where arms are alike, near where they are not"


def test_the_exact_test_of_shares_never_passes_its_level_and_the_z_test_does() -> None:
    found = claims_of_shares(0.25, 0.25, 9, 14)
    assert found["chosen"] <= ALPHA
    assert found["chosen"] > found["Fisher"]
    assert claims_of_shares(0.08, 0.08, 8, 30)["chosen"] <= ALPHA
