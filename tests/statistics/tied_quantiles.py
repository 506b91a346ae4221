"""One look at a quantile of tied values: false claims, coverage of one arm's interval, and what it costs without ties.

Beside it what was done before: a normal approximation from the outer interval at the share of values not above the
quantile. ``python -m tests.statistics.tied_quantiles`` prints the tables (some minutes on one core).
"""

import argparse
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from seatrial.stats.at_once import judge_quantile_at_once
from seatrial.stats.clustered_quantile import clustered_quantile
from seatrial.stats.quantile_difference import Arms, quantile_effect
from seatrial.stats.verdict import Question

ALPHA = 0.05
QUESTION = Question(metric="m", alpha=ALPHA)
Z = float(ndtri(1 - ALPHA / 2))
Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]


def of(values: tuple[float, ...], chances: tuple[float, ...]) -> Draw:
    """Values drawn with these chances."""
    return lambda rng, n: rng.choice(np.array(values, dtype=np.float64), n, p=chances)


class Kind(NamedTuple):
    """What is drawn, which quantile, and units of treatment and control."""

    name: str
    draw: Draw
    q: float
    n: int
    m: int
    phases: int = 1


class Found(NamedTuple):
    """Shares of worlds with a claim: by the verdict, and by the normal approximation."""

    claims: float
    before: float


STARS = of((1, 2, 3, 4, 5), (0.1, 0.1, 0.3, 0.4, 0.1))
TIED = (
    Kind("items, 0 to 2, half 0", of((0, 1, 2), (0.5, 0.48, 0.02)), 0.5, 5000, 5000),
    Kind("items, 0 to 2, 49 % 0", of((0, 1, 2), (0.49, 0.49, 0.02)), 0.5, 1000, 1000),
    Kind("stars, half at most 3", STARS, 0.5, 5000, 5000),
    Kind("stars, half at most 3", STARS, 0.5, 500, 9500),
    Kind("stars, half at most 3, two phases", STARS, 0.5, 2500, 2500, 2),
    Kind("stars, half at most 4", of((1, 2, 3, 4, 5), (0.05, 0.05, 0.1, 0.3, 0.5)), 0.5, 5000, 5000),
    Kind("latency in three buckets", of((100, 200, 500), (0.6, 0.3, 0.1)), 0.9, 5000, 5000),
    Kind("normal, sd of 10 steps", lambda rng, n: np.round(rng.normal(0, 10, n)), 0.5, 1000, 1000),
    Kind("normal, sd of 30 steps", lambda rng, n: np.round(rng.normal(0, 30, n)), 0.5, 1000, 1000),
    Kind("normal, sd of 100 steps", lambda rng, n: np.round(rng.normal(0, 100, n)), 0.5, 1000, 1000),
    Kind("geometric, mean 50", lambda rng, n: rng.geometric(0.02, n).astype(np.float64), 0.9, 1000, 1000),
)


def lognormal(rng: np.random.Generator, n: int) -> Values:
    """Without ties."""
    return rng.lognormal(0, 1, n)


SMOOTH = (
    Kind("lognormal", lognormal, 0.5, 1000, 1000),
    Kind("lognormal", lognormal, 0.5, 200, 3800),
    Kind("lognormal", lognormal, 0.9, 1000, 1000),
    Kind("lognormal", lognormal, 0.99, 2000, 2000),
    Kind("lognormal, two phases", lognormal, 0.5, 500, 500, 2),
)


def found(kind: Kind, worlds: int, *, lift: float = 0.0, seed: int = 5) -> Found:
    """What is claimed of ``worlds`` worlds in which the treatment's values are ``lift`` larger."""
    rng = np.random.default_rng(seed)
    claims = before = 0
    for _ in range(worlds):
        phases = [Arms.of(kind.draw(rng, kind.n) + lift, kind.draw(rng, kind.m)) for _ in range(kind.phases)]
        effect = quantile_effect(phases[0], kind.q)
        claims += judge_quantile_at_once(effect, QUESTION, "primary", phases, kind.q).word in ("better", "worse")
        before += _claimed_before(phases, kind.q)
    return Found(claims / worlds, before / worlds)


def _claimed_before(phases: list[Arms], q: float) -> bool:
    """Equal phases: the mean of the differences against its normal standard error."""
    ends = [[_before(values, q) for values in arms] for arms in phases]
    gap = sum(t[0] - c[0] for t, c in ends)
    return abs(gap) > Z * math.hypot(*(one[1] for pair in ends for one in pair))


def _before(x: Values, q: float) -> tuple[float, float]:
    n = x.size
    value = float(x[math.ceil(q * n) - 1])
    share = float(np.mean(x <= value))
    error = Z * math.sqrt(share * (1 - share) / (n - 1))
    low, high = math.floor(n * (q - error)), math.ceil(n * (q + error)) + 1
    return value, (float(x[high - 1] - x[low - 1]) / (2 * Z) if low >= 1 and high <= n else math.inf)


class Requests(NamedTuple):
    """Requests of units whose share below the middle value differs: the true quantile, and ``rows`` a unit."""

    name: str
    rows: int
    spread: float


REQUESTS = (Requests("one request a unit", 1, 0.0), Requests("8 requests a unit, alike", 8, 0.3))
ITEMS = ((0.0, 1.0, 2.0), (0.501, 0.479, 0.02))
"""The median is 0, and next to 1."""


def covered(kind: Requests, units: int, worlds: int, *, seed: int = 1) -> tuple[float, float]:
    """How often one arm's interval of the median holds it: the interval given, and the one of before.

    With the chance ``spread`` a unit's requests all have the value of its first.
    """
    rng = np.random.default_rng(seed)
    values, chances = (np.array(one) for one in ITEMS)
    unit = np.repeat(np.arange(units), kind.rows)
    held = before = 0
    for _ in range(worlds):
        x = rng.choice(values, (units, kind.rows), p=chances)
        alike = rng.random(units) < kind.spread
        x[alike] = x[alike, :1]
        flat = x.ravel()
        held += clustered_quantile(flat, unit, 0.5).interval.contains(0.0)
        before += _covered_before(flat, unit, 0.5)
    return held / worlds, before / worlds


def _covered_before(x: Values, unit: NDArray[np.int64], q: float) -> bool:
    ordered, n = np.sort(x), x.size
    value = ordered[math.ceil(q * n) - 1]
    below = np.bincount(unit, weights=x <= value)
    size = np.bincount(unit)
    rest = below - below.sum() / size.sum() * size
    error = Z * math.sqrt(float(rest @ rest) / (size.size - 1) / size.size) / float(size.mean())
    low, high = math.floor(n * (q - error)), math.ceil(n * (q + error)) + 1
    return bool(ordered[max(low, 1) - 1] <= 0.0 <= ordered[min(high, n) - 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    worlds = parser.parse_args().worlds
    print("| values | quantile | units | false claims | normal approximation |\n|---|---|---|---|---|")
    for kind in (*TIED, *SMOOTH):
        one = found(kind, worlds)
        units = f"{kind.n * kind.phases} and {kind.m * kind.phases}"
        shown = f"{100 * one.claims:.1f} % | {100 * one.before:.1f} %"
        print(f"| {kind.name} | {kind.q:.0%} | {units} | {shown} |", flush=True)
    print("\n| lognormal, median | added | found | by the normal approximation |\n|---|---|---|---|")
    for kind, lift in ((SMOOTH[0], 0.15), (SMOOTH[1], 0.25), (SMOOTH[4], 0.15)):
        one = found(kind, worlds, lift=lift, seed=6)
        units = f"{kind.n * kind.phases} and {kind.m * kind.phases}"
        print(f"| {units} | {lift} | {100 * one.claims:.1f} % | {100 * one.before:.1f} % |", flush=True)
    print("\n| items, median 0 and next to 1, 2 000 units | covered | before |\n|---|---|---|")
    for asked in REQUESTS:
        now, before = covered(asked, 2000, worlds)
        print(f"| {asked.name} | {100 * now:.1f} % | {100 * before:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
