"""One look at small samples: false claims, and power, of what is chosen there beside what would be used in large ones.

Means by permutation in their own standard errors, of uneven arms with Welch's t, beside Welch's t and the plain
permutation of differences; shares by the unconditional exact test, beside the z-test and Fisher's. ``python -m
tests.statistics.at_once`` prints the tables.
"""

import argparse
import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.stats.contrast import ZERO
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Level, Levels
from seatrial.stats.exact_proportion import fisher
from seatrial.stats.moments import Moments
from seatrial.stats.permuted import permuted_evidence
from seatrial.stats.proportion import two_proportion_z
from seatrial.stats.resampling import permutation_test
from seatrial.stats.unconditional import Table, unconditional_p
from seatrial.stats.welch import welch

ALPHA = 0.05
BOTH = Levels((Level(ALPHA, 2),), (Level(ALPHA, 2),))
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


class Means(NamedTuple):
    """Values of both arms, treatment first, and how many; ``true`` is whether their means differ."""

    name: str
    treatment: Draw
    control: Draw
    n: int
    m: int
    true: bool = False


def normal(mean: float, sd: float) -> Draw:
    return lambda rng, n: rng.normal(mean, sd, n)


def lognormal(mu: float, sigma: float) -> Draw:
    """With mean exp(mu), whatever the spread."""
    return lambda rng, n: rng.lognormal(mu - sigma * sigma / 2, sigma, n)


def few_buy(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.where(rng.random(n) < 0.2, rng.lognormal(0, 1, n), 0.0)
    return found


MEANS = (
    Means("normal", normal(0, 1), normal(0, 1), 20, 20),
    Means("normal, sd 3 against 1", normal(0, 3), normal(0, 1), 15, 60),
    Means("normal, sd 1 against 3", normal(0, 1), normal(0, 3), 15, 60),
    Means("lognormal 1.5", lognormal(0, 1.5), lognormal(0, 1.5), 30, 30),
    Means("lognormal 1.5", lognormal(0, 1.5), lognormal(0, 1.5), 20, 80),
    Means("one in five buys", few_buy, few_buy, 40, 40),
    Means("normal, 1 sd apart", normal(1, 1), normal(0, 1), 20, 20, true=True),
    Means("lognormal 1.5, 2.7 times", lognormal(1, 1.5), lognormal(0, 1.5), 60, 60, true=True),
)

SHARES = (
    (0.01, 0.01, 500, 500),
    (0.001, 0.001, 2000, 2000),
    (0.3, 0.3, 25, 25),
    (0.1, 0.1, 20, 80),
    (0.001, 0.0125, 1000, 1000),
    (0.2, 0.6, 25, 25),
)
"""Treatment's share, control's, and their units; the last two differ."""


def claims_of_means(cell: Means, worlds: int, seed: int = 1) -> dict[str, float]:
    """The share of worlds in which each method says that the means differ."""
    rng = np.random.default_rng(seed)
    found = {"chosen": 0, "Welch": 0, "plain permutation": 0}
    for world in range(worlds):
        t, c = cell.treatment(rng, cell.n), cell.control(rng, cell.m)
        effect = Effect.of_means(Moments.from_values(t), Moments.from_values(c))
        found["chosen"] += permuted_evidence(t, c, effect, BOTH, seed=world).p_value(ZERO, "two") <= ALPHA
        found["Welch"] += (welch(Moments.from_values(t), Moments.from_values(c)).p_value or 0.0) <= ALPHA
        plain = permutation_test(t, c, seed=world, resamples=999).p_value
        found["plain permutation"] += plain is not None and plain <= ALPHA
    return {name: n / worlds for name, n in found.items()}


@cache
def _says(x: int, n: int, y: int, m: int) -> tuple[bool, bool, bool]:
    z, exact = two_proportion_z(x, n, y, m).p_value, fisher(x, n, y, m).p_value
    return (
        unconditional_p(Table(x, n, y, m)) <= ALPHA,
        z is not None and z <= ALPHA,
        exact is not None and exact <= ALPHA,
    )


def claims_of_shares(p: float, q: float, n: int, m: int) -> dict[str, float]:
    """The chance that each method says that the shares differ, over all tables that ever come."""
    found = np.zeros(3)
    for x, px in _likely(n, p):
        for y, py in _likely(m, q):
            found += px * py * np.array(_says(x, n, y, m), dtype=float)
    return dict(zip(("chosen", "z", "Fisher"), found.tolist(), strict=True))


def _likely(n: int, p: float) -> list[tuple[int, float]]:
    chances = [(x, math.exp(_log_chance(x, n, p))) for x in range(n + 1)]
    return [(x, chance) for x, chance in chances if chance > 1e-7]


def _log_chance(x: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(x + 1) - math.lgamma(n - x + 1)
    return ways + x * math.log(p) + (n - x) * math.log1p(-p)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000)
    worlds = parser.parse_args().worlds
    print("| values | units | differ | chosen | Welch's t | plain permutation |")
    print("|---|---|---|---|---|---|")
    for cell in MEANS:
        found = " | ".join(f"{100 * share:.1f} %" for share in claims_of_means(cell, worlds).values())
        print(f"| {cell.name} | {cell.n} and {cell.m} | {'yes' if cell.true else ''} | {found} |", flush=True)
    print("\n| shares | units | chosen | two-proportion z | Fisher's |")
    print("|---|---|---|---|---|")
    for p, q, n, m in SHARES:
        found = " | ".join(f"{100 * share:.1f} %" for share in claims_of_shares(p, q, n, m).values())
        print(f"| {p:.4g} and {q:.4g} | {n} and {m} | {found} |", flush=True)


if __name__ == "__main__":
    main()
