"""How often a window alarms when nothing moved, and how often it finds what did.

The suite runs a small part; the figures in ``docs/drift.md`` come of

    python tests/statistics/test_drift_false_alarms.py --worlds 1000 --large 50 --power 200

A world has a fresh reference of m rows and a window of n rows of 49 mixed features: normal, skewed, heavy-tailed,
zero-inflated, counts, pixels that are nearly always 0, a constant, booleans, categories with rare values, text lengths,
ids, and columns with missing values.
"""

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from seatrial.drift import FeatureDrift, FeatureProfile, decide_window, profile_of_tally, profile_of_window
from seatrial.spec.signature import Feature, FeatureKind

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def gaps(draw: Draw, share: float) -> Draw:
    """The same column with a share of its values missing."""

    def drawn(rng: np.random.Generator, n: int) -> Floats:
        values = draw(rng, n)
        values[rng.random(n) < share] = np.nan
        return values

    return drawn


def normal(rng: np.random.Generator, n: int) -> Floats:
    return rng.standard_normal(n)


def lognormal(sigma: float) -> Draw:
    return lambda rng, n: rng.lognormal(0, sigma, n)


def inflated(zeros: float, sigma: float) -> Draw:
    return lambda rng, n: np.where(rng.random(n) < zeros, 0.0, rng.lognormal(0, sigma, n))


def pixel(zeros: float) -> Draw:
    return lambda rng, n: np.where(rng.random(n) < zeros, 0.0, rng.integers(1, 17, n))


def bernoulli(p: float) -> Draw:
    return lambda rng, n: (rng.random(n) < p).astype(np.float64)


def zipf(k: int, exponent: float) -> Draw:
    weights = np.arange(1, k + 1) ** -exponent
    edges = np.cumsum(weights / weights.sum())
    return lambda rng, n: np.minimum(np.searchsorted(edges, rng.random(n)), k - 1).astype(np.float64)


def counts(mean: float) -> Draw:
    return lambda rng, n: rng.poisson(mean, n).astype(np.float64)


def constant(_rng: np.random.Generator, n: int) -> Floats:
    return np.zeros(n)


COLUMNS: list[tuple[FeatureKind, Draw]] = [
    *[("number", normal)] * 6,
    ("number", gaps(normal, 0.02)),
    ("number", gaps(normal, 0.3)),
    *[("number", lognormal(1.0))] * 3,
    *[("number", lognormal(1.5))] * 3,
    ("number", lognormal(2.0)),
    ("number", gaps(lognormal(1.0), 0.005)),
    *[("number", lambda rng, n: rng.uniform(size=n))] * 2,
    *[("number", lambda rng, n: rng.exponential(size=n))] * 2,
    *[("number", lambda rng, n: rng.standard_t(3, n))] * 3,
    *[("number", inflated(0.9, 1.0))] * 2,
    ("number", inflated(0.98, 1.5)),
    *[("integer", counts(3.0))] * 2,
    *[("integer", counts(0.1))] * 2,
    *[("integer", pixel(0.5))] * 2,
    *[("integer", pixel(0.99))] * 2,
    *[("integer", pixel(0.999))] * 2,
    ("integer", constant),
    ("boolean", bernoulli(0.5)),
    ("boolean", bernoulli(0.05)),
    ("boolean", bernoulli(0.003)),
    ("boolean", gaps(bernoulli(0.5), 0.1)),
    ("category", zipf(3, 0.0)),
    ("category", zipf(12, 1.0)),
    ("category", gaps(zipf(12, 1.0), 0.05)),
    ("category", zipf(300, 1.0)),
    ("category", zipf(300, 1.6)),
    ("text", counts(40.0)),
    ("embedding", lambda rng, n: np.sqrt(rng.chisquare(16, n))),
    ("id", gaps(constant, 0.01)),
]


def profile(kind: FeatureKind, name: str, values: Floats, reference: FeatureProfile | None = None) -> FeatureProfile:
    if kind == "category":
        return category(name, values, reference)
    column = np.where(np.isnan(values), None, values) if kind == "id" else values
    if reference is None:
        return FeatureProfile.from_values(Feature(name=name, kind=kind), column)
    return profile_of_window(reference, column)


def category(name: str, codes: Floats, reference: FeatureProfile | None) -> FeatureProfile:
    if reference is None:
        values = [None if np.isnan(code) else str(int(code)) for code in codes]
        return FeatureProfile.from_values(Feature(name=name, kind="category"), values)
    gone = np.isnan(codes)
    found, rows = np.unique(codes[~gone].astype(np.int64), return_counts=True)
    tally: dict[str | None, int] = dict(zip(map(str, found.tolist()), rows.tolist(), strict=True))
    return profile_of_tally(reference, {**tally, None: int(gone.sum())})


def world(seed: int, m: int, n: int, change: dict[int, Draw] | None = None) -> tuple[FeatureDrift, ...]:
    """Decide on one window of one world; ``change`` gives columns of the window another distribution."""
    rng = np.random.default_rng([seed, m, n])
    pairs = []
    for index, (kind, draw) in enumerate(COLUMNS):
        reference = profile(kind, f"{index}", draw(rng, m))
        later = (change or {}).get(index, draw)
        pairs.append((reference, profile(kind, f"{index}", later(rng, n), reference)))
    return decide_window(pairs)


def alarms(drifts: tuple[FeatureDrift, ...]) -> list[str]:
    return [f"{d.feature}:{f.measure}" for d in drifts for f in d.findings if f.severity != "none"]


def false_alarms(worlds: int, m: int, n: int) -> tuple[int, Counter[str]]:
    found = [alarms(world(seed, m, n)) for seed in range(worlds)]
    return sum(bool(f) for f in found), Counter(name for f in found for name in f)


CHANGES: dict[str, tuple[int, int, Draw]] = {
    "mean by 0.5 sd": (1000, 0, lambda rng, n: rng.standard_normal(n) + 0.5),
    "missing 2 % to 7 %": (1000, 6, gaps(normal, 0.07)),
    "missing 0 % to 5 %": (1000, 0, gaps(normal, 0.05)),
    "a new category of 1 %": (1000, 41, lambda rng, n: np.where(rng.random(n) < 0.01, 99.0, rng.integers(0, 3, n))),
    "mean by 0.25 sd": (10_000, 0, lambda rng, n: rng.standard_normal(n) + 0.25),
    "sd times 1.2": (10_000, 0, lambda rng, n: rng.standard_normal(n) * 1.2),
}


def power(worlds: int, m: int, name: str) -> float:
    n, column, draw = CHANGES[name]
    found = 0
    for seed in range(worlds):
        drift = world(seed, m, n, {column: draw})[column]
        found += drift.severity != "none" or drift.quality != "none"
    return found / worlds


@pytest.mark.simulation
@pytest.mark.parametrize(("m", "n"), [(1000, 100), (1000, 1000), (1000, 10_000), (20_000, 100), (20_000, 1000)])
def test_windows_with_any_false_alarm_are_one_in_a_hundred_at_most(m: int, n: int) -> None:
    worlds = 100 if m == 1000 else 25
    bad, which = false_alarms(worlds, m, n)
    assert binomtest(bad, worlds, 0.01, alternative="greater").pvalue > 1e-3, which


@pytest.mark.simulation
@pytest.mark.parametrize("name", ["mean by 0.5 sd", "missing 0 % to 5 %", "mean by 0.25 sd", "sd times 1.2"])
def test_a_real_change_is_found_in_nine_windows_of_ten(name: str) -> None:
    assert power(30, 1000, name) >= 0.9 - 2 * (0.09 / 30) ** 0.5


@pytest.mark.simulation
@pytest.mark.parametrize("name", ["missing 2 % to 7 %", "a new category of 1 %"])
def test_a_rare_change_is_found_against_a_reference_of_twenty_thousand_rows(name: str) -> None:
    assert power(15, 20_000, name) >= 0.9 - 2 * (0.09 / 15) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--large", type=int, default=50, help="worlds of windows of a million rows")
    parser.add_argument("--power", type=int, default=200)
    options = parser.parse_args()
    for n in (100, 1000, 10_000, 1_000_000):
        for m in (1000, 20_000):
            worlds = options.large if n > 10_000 else options.worlds
            bad, which = false_alarms(worlds, m, n)
            high = binomtest(bad, worlds).proportion_ci(0.95, "exact").high
            print(
                f"n={n} m={m}: {bad} of {worlds} ({bad / worlds:.2%}, upper 95 % {high:.2%}) {dict(which)}", flush=True
            )
    for name in CHANGES:
        for m in (1000, 20_000):
            print(f"power, {name}, n={CHANGES[name][0]}, m={m}: {power(options.power, m, name):.3f}", flush=True)


if __name__ == "__main__":
    main()
