"""Statistics of columns together, and what every statistic is when nothing drifted."""

import msgspec
import numpy as np
import pytest
from scipy import stats
from scipy.stats.contingency import association

from seatrial.drift import cramers_v, hellinger, jensen_shannon, psi, total_variation, wasserstein
from seatrial.drift.auc import auc
from seatrial.drift.cramers_v import cramers_v_unbiased
from seatrial.drift.domain_classifier import domain_classifier, linear
from seatrial.drift.moments import Moments
from seatrial.drift.null import (
    ScaledChi,
    null_cramers_v,
    null_hellinger,
    null_jensen_shannon,
    null_psi,
    null_total_variation,
    null_wasserstein,
)
from seatrial.drift.reconstruction import Reconstruction
from seatrial.spec.errors import BadInput

A, B = [120, 30, 0, 55, 7], [80, 42, 3, 70, 0]


def test_cramers_v_is_scipys() -> None:
    assert cramers_v(A, B) == pytest.approx(association(np.array([A, B]), method="cramer"), rel=1e-9)


def test_cramers_v_without_chance_is_bergsmas_formula() -> None:
    n, r, k = sum(A) + sum(B), 2, 5
    phi = stats.chi2_contingency([A, B], correction=False).statistic / n - (k - 1) * (r - 1) / (n - 1)
    k_less, r_less = k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)
    expected = (max(0, phi) / min(k_less - 1, r_less - 1)) ** 0.5
    assert cramers_v_unbiased(A, B) == pytest.approx(expected, rel=1e-9)
    assert cramers_v_unbiased([100, 100], [50, 50]) == 0


def test_psi_with_epsilon_is_what_tools_give_that_fill_empty_cells() -> None:
    p, q = np.array(A) / sum(A), np.array(B) / sum(B)
    p, q = np.where(p == 0, 1e-4, p), np.where(q == 0, 1e-4, q)
    assert psi(A, B, epsilon=1e-4) == pytest.approx(float(((q - p) * np.log(q / p)).sum()), rel=1e-12)
    with pytest.raises(BadInput, match="`epsilon` is 0, and is a share"):
        psi(A, B, epsilon=0)


def draws(n: int, m: int, worlds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of windows and references of one distribution of ten cells."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(10, 5.0))
    return rng.multinomial(m, shares, worlds), rng.multinomial(n, shares, worlds)


@pytest.mark.parametrize(("n", "m"), [(500, 5000), (2000, 1000)])
@pytest.mark.parametrize(
    ("statistic", "null"),
    [
        (psi, null_psi),
        (jensen_shannon, null_jensen_shannon),
        (hellinger, null_hellinger),
        (cramers_v, null_cramers_v),
    ],
    ids=["psi", "jensen_shannon", "hellinger", "cramers_v"],
)
def test_a_statistic_without_drift_is_distributed_as_documented(statistic, null, n: int, m: int) -> None:  # type: ignore[no-untyped-def]
    worlds = 1500
    found = np.array([statistic(a.tolist(), b.tolist()) for a, b in zip(*draws(n, m, worlds, n), strict=True)])
    said: ScaledChi = null(n, m, 10)
    assert found.mean() == pytest.approx(said.mean, rel=0.05)
    for share in (0.5, 0.95):
        below = float((found <= said.quantile(share)).mean())
        assert below == pytest.approx(share, abs=4 * (share * (1 - share) / worlds) ** 0.5)
    assert said.p_value(said.quantile(0.95)) == pytest.approx(0.05, rel=1e-9)


def test_total_variation_and_wasserstein_without_drift_have_the_documented_mean() -> None:
    a, b = draws(800, 3000, 1500, 3)
    tv = np.mean([total_variation(x, y) for x, y in zip(a, b, strict=True)])
    assert tv == pytest.approx(null_total_variation(800, 3000, a.sum(axis=0)), rel=0.03)
    rng = np.random.default_rng(4)
    distances = [wasserstein(rng.exponential(2, 600), rng.exponential(2, 300)) for _ in range(600)]
    assert np.mean(distances) == pytest.approx(null_wasserstein(300, 600, rng.exponential(2, 50_000)), rel=0.05)


def test_psi_passes_a_tenth_in_a_third_of_small_windows_in_which_nothing_moved() -> None:
    assert null_psi(200, 200, 10).p_value(0.1) == pytest.approx(0.345, abs=0.01)


def test_the_area_is_mann_and_whitneys_and_its_error_what_worlds_show() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=80).round(1), rng.normal(0.5, 1.3, 120).round(1)
    assert auc(a, b).value == pytest.approx(stats.mannwhitneyu(b, a).statistic / (80 * 120), rel=1e-12)
    found = [auc(rng.normal(size=80), rng.normal(0.5, 1.3, 120)) for _ in range(2000)]
    seen, said = np.std([f.value for f in found]), np.mean([f.se for f in found])
    assert said == pytest.approx(seen, rel=0.06)


def test_the_linear_rule_is_sklearns_discriminant_up_to_its_scale() -> None:
    discriminant = pytest.importorskip("sklearn.discriminant_analysis")
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(400, 4)), rng.normal(0.3, 1, size=(300, 4))
    both = np.vstack([a, b])
    both = (both - both.mean(axis=0)) / both.std(axis=0)
    theirs = discriminant.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    theirs.fit(both, np.repeat([0, 1], [400, 300]))
    assert np.corrcoef(theirs.decision_function(both), linear(a, b)(np.vstack([a, b])))[0, 1] > 0.9999


@pytest.mark.simulation
@pytest.mark.parametrize(("rows", "columns"), [(300, 5), (200, 30)])
def test_two_samples_of_one_distribution_cannot_be_told_apart(rows: int, columns: int) -> None:
    """Its p-value is as often small as it says (and its interval holds ½)."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng([7, seed])
        found.append(domain_classifier(rng.normal(size=(2 * rows, columns)), rng.normal(size=(rows, columns))))
    small = sum(f.p_value < 0.01 for f in found)
    assert stats.binomtest(small, 100, 0.01, alternative="greater").pvalue > 1e-3
    inside = sum(f.lower <= 0.5 <= f.upper for f in found)
    assert inside >= 100 * 0.99 - 4 * (100 * 0.99 * 0.01) ** 0.5


def test_embeddings_that_moved_are_told_apart_and_by_how_much() -> None:
    """Two normal clouds of 32 dimensions a distance d apart: the best area is Φ(d / √2)."""
    rng = np.random.default_rng(8)
    shift = np.full(32, 1.5 / 32**0.5)
    found = domain_classifier(rng.normal(size=(3000, 32)), rng.normal(size=(2000, 32)) + shift)
    assert found.lower <= stats.norm.cdf(1.5 / 2**0.5) <= found.upper
    assert found.p_value < 1e-9
    assert found.rows == 5000


def test_trees_see_a_relation_that_no_column_shows() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(9)
    a = rng.normal(size=(800, 2))
    b = np.column_stack([a[:, 0], 0.9 * a[:, 0] + 0.44 * rng.normal(size=800)])
    a[::7, 1] = b[::7, 1] = np.nan
    assert domain_classifier(a, b).upper < 0.6
    assert domain_classifier(a, b, model="trees").lower > 0.6


def relation(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    x = rng.normal(size=n)
    rest = (1 - correlation**2) ** 0.5 * rng.normal(size=n)
    return np.column_stack([10 + 3 * x, correlation * x + rest, rng.normal(size=n) * 5])


def test_reconstruction_is_sklearns_pca() -> None:
    pca = pytest.importorskip("sklearn.decomposition").PCA
    rng = np.random.default_rng(10)
    table = relation(rng, 400, 0.9)
    made = Reconstruction.fit(table, explained=0.8, seed=3)
    learn = table[np.random.default_rng(3).permutation(400)[:200]]
    standard = (learn - learn.mean(axis=0)) / learn.std(axis=0)
    theirs = pca(n_components=len(made.directions)).fit(standard)
    window = (relation(rng, 50, 0.2) - learn.mean(axis=0)) / learn.std(axis=0)
    expected = np.linalg.norm(window - theirs.inverse_transform(theirs.transform(window)), axis=1)
    assert made.of(window * learn.std(axis=0) + learn.mean(axis=0)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.simulation
def test_reconstruction_moves_when_a_relation_breaks_and_rarely_otherwise() -> None:
    alarms, found = 0, 0
    for seed in range(300):
        rng = np.random.default_rng([11, seed])
        made = Reconstruction.fit(relation(rng, 1000, 0.95), explained=0.6, seed=seed)
        still = made.shift(Moments.from_values(made.of(relation(rng, 400, 0.95))))
        broken = made.shift(Moments.from_values(made.of(relation(rng, 400, 0.5))))
        assert still is not None
        assert broken is not None
        alarms += still.p_value < 0.01
        found += broken.p_value < 0.001 and broken.effect > 0.2
    assert stats.binomtest(alarms, 300, 0.01, alternative="greater").pvalue > 1e-3
    assert found == 300


def test_reconstructions_of_windows_merge_and_outlive_a_restart() -> None:
    rng = np.random.default_rng(12)
    table = relation(rng, 300, 0.8)
    table[::10, 1] = np.nan
    made = Reconstruction.fit(table)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Reconstruction) == made
    whole = Moments.from_values(made.of(table))
    parts = Moments.from_values(made.of(table[:90])).merge(Moments.from_values(made.of(table[90:])))
    assert (parts.mean, parts.m2) == pytest.approx((whole.mean, whole.m2), rel=1e-9)


def test_what_cannot_be_compared_together_is_refused_in_words() -> None:
    rows = np.zeros((60, 3))
    with pytest.raises(BadInput, match="3 and 2 columns"):
        domain_classifier(rows, np.zeros((60, 2)))
    with pytest.raises(BadInput, match="9 rows are too few"):
        domain_classifier(rows, np.zeros((9, 3)))
    assert domain_classifier(rows, rows).p_value == 1
    with pytest.raises(BadInput, match="10 rows and 3 columns"):
        Reconstruction.fit(rows[:10])
    with pytest.raises(BadInput, match="rows have 2 columns"):
        Reconstruction.fit(rows).of(np.zeros((4, 2)))
    with pytest.raises(BadInput, match="1 cell cannot drift"):
        null_psi(10, 10, 1)
    with pytest.raises(BadInput, match="0 rows have no distribution"):
        null_hellinger(0, 10, 4)
