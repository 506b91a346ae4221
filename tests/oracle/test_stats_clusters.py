"""Errors by cluster against statsmodels' sandwich, ratios of cluster totals, and the spread over many worlds."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seatrial.stats.clusters import Stratum, by_cluster, combine_strata
from seatrial.stats.effect import Effect
from seatrial.stats.minimum import what_is_missing
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.phases import combine_phases

Floats = NDArray[np.float64]


def stratum(x: Floats, treatment: NDArray[np.bool_], cluster: NDArray[np.int64], y: Floats | None = None) -> Stratum:
    if y is None:
        effect = Effect.of_means(Moments.from_values(x[treatment]), Moments.from_values(x[~treatment]))
        return Stratum(effect, x, np.ones(len(x)), treatment, cluster)
    pairs = [PairMoments.from_values(x[arm], y[arm]) for arm in (treatment, ~treatment)]
    return Stratum(Effect.of_ratios(*pairs), x, y, treatment, cluster)


def shops(
    seed: int, clusters: int = 40, size: int = 25, *, whole: bool = False, within: float = 1.0
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
    """Customers of shops that differ; drawn one by one, or shop by shop."""
    rng = np.random.default_rng(seed)
    sizes = rng.poisson(size, clusters) + 2
    cluster = np.repeat(np.arange(clusters), sizes)
    x = rng.normal(0, 1, clusters)[cluster] * within + rng.normal(3, 1, len(cluster))
    drawn = rng.permutation(clusters) < clusters // 2
    treatment = drawn[cluster] if whole else rng.random(len(cluster)) < 0.5
    return x, treatment, cluster


@pytest.mark.parametrize("whole", [False, True])
def test_the_standard_error_is_the_sandwich_of_least_squares(whole: bool) -> None:
    x, treatment, cluster = shops(1, whole=whole)
    effect = by_cluster(stratum(x, treatment, cluster), 40)
    fit = sm.OLS(x, sm.add_constant(treatment.astype(float)))
    found = fit.fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
    factor = 20 / 19 if whole else 40 / 39
    assert effect.effect == pytest.approx(found.params[1], rel=1e-9)
    assert effect.se_unpooled == pytest.approx(found.bse[1] * math.sqrt(factor), rel=1e-9)
    assert effect.clusters == ((20, 20) if whole else (40, 40))


def test_clusters_drawn_whole_are_ratios_of_their_totals() -> None:
    x, treatment, cluster = shops(2, whole=True)
    totals, sizes = np.bincount(cluster, x), np.bincount(cluster).astype(float)
    drawn = np.array([treatment[cluster == g][0] for g in range(40)])
    pairs = [PairMoments.from_values(totals[arm], sizes[arm]) for arm in (drawn, ~drawn)]
    of_totals, effect = Effect.of_ratios(*pairs), by_cluster(stratum(x, treatment, cluster), 40)
    assert effect.effect == pytest.approx(of_totals.effect, rel=1e-9)
    assert effect.se_unpooled == pytest.approx(of_totals.se_unpooled, rel=1e-9)


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_clusters_of_one_unit_are_the_units(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    x, treatment = rng.lognormal(0, 1, 200), rng.random(200) < share
    treatment[:4] = [True, True, False, False]
    plain = stratum(x, treatment, np.arange(200))
    effect = by_cluster(plain, 200)
    assert effect.effect == plain.effect.effect
    assert effect.se_unpooled == pytest.approx(plain.effect.se_unpooled, rel=1e-9)
    assert effect.covariance == 0


def test_a_sequence_is_never_surer_than_the_units_one_by_one() -> None:
    for seed in range(50):
        x, treatment, cluster = shops(seed, clusters=5, size=20)
        plain = stratum(x, treatment, cluster)
        assert by_cluster(plain, 5).se >= plain.effect.se_pooled


@pytest.mark.parametrize("whole", [False, True])
def test_over_many_worlds_the_error_is_the_spread(whole: bool) -> None:
    """One by one drawn units of unlike shops, and shops drawn whole, where units counted one by one are too sure."""
    effects = [by_cluster(stratum(*shops(seed, whole=whole)), 40) for seed in range(600)]
    spread = np.std([effect.effect for effect in effects])
    assert np.median([effect.se_unpooled for effect in effects]) == pytest.approx(spread, rel=0.12)
    if whole:
        plain = [stratum(*shops(seed, whole=True)).effect.se_unpooled for seed in range(600)]
        assert np.median(plain) < 0.4 * spread


def test_ratios_and_strata_add_up_over_clusters() -> None:
    """A cluster in two phases: its two errors go together, which adding variances would miss."""
    effects, naive = [], []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        drawn = rng.permutation(60) < 30
        effect_of_shop = rng.normal(0, 1, 60)
        parts = []
        for _ in range(2):
            cluster = np.repeat(np.arange(60), 12)
            y = rng.poisson(3, len(cluster)) + 1.0
            x = y * (2 + effect_of_shop[cluster] + rng.normal(0, 1, len(cluster)))
            parts.append(stratum(x, drawn[cluster], cluster, y))
        effects.append(combine_strata(parts, 60).effect)
        naive.append(combine_phases([by_cluster(part, 60) for part in parts]).effect.se_unpooled)
    spread = np.std([effect.effect for effect in effects])
    assert np.median([effect.se_unpooled for effect in effects]) == pytest.approx(spread, rel=0.12)
    assert np.median(naive) < 0.85 * spread


def test_it_takes_a_hundred_clusters_an_arm_and_not_a_hundred_units() -> None:
    few = by_cluster(stratum(*shops(1)), 40)
    assert what_is_missing(few) == "40 of 100 clusters with matured units of challenger"
    assert what_is_missing(by_cluster(stratum(*shops(1, clusters=120)), 120)) is None


def test_an_empty_arm_stays_unknown() -> None:
    x, cluster = np.arange(4.0), np.arange(4)
    alone = stratum(x, np.array([True, True, True, False]), cluster)
    assert by_cluster(alone, 4) is alone.effect
    assert math.isnan(combine_strata([alone], 4).effect.effect)
