"""Bounded metrics and quantiles under a hundred looks: how often betting and quantile sequences exclude the truth.

``python -m tests.statistics.bounded`` prints the tables, 2 000 worlds a cell.
"""

import argparse
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.stats.betting import betting_difference, log_wealth
from seatrial.stats.bounded import Bounded as Units
from seatrial.stats.bounded import betting_effect, log_evidence
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments
from seatrial.stats.quantile import quantile_interval
from seatrial.stats.sequence import multiplier

Floats = NDArray[np.float64]
ALPHA = 0.05
LOOKS = 100


class Bounded(NamedTuple):
    """A metric in 0 to 1, the same in both arms: its name, its mean, how it is drawn."""

    name: str
    mean: float
    draw: Callable[[np.random.Generator, int], Floats]


METRICS = (
    Bounded("coin 0.2", 0.2, lambda rng, n: (rng.random(n) < 0.2).astype(float)),
    Bounded("coin 0.01", 0.01, lambda rng, n: (rng.random(n) < 0.01).astype(float)),
    Bounded("Beta(2, 5)", 2 / 7, lambda rng, n: rng.beta(2, 5, n)),
    Bounded("Beta(0.1, 0.4)", 0.2, lambda rng, n: rng.beta(0.1, 0.4, n)),
)


class Errors(NamedTuple):
    """Shares of worlds that ever excluded the truth, and widths at the end over the asymptotic sequence's.

    Attributes:
        one_arm: Excluded the mean of one arm, looked at after every unit.
        effect: Excluded the effect of 0, by pseudo-outcomes, looked at after every unit.
        width_effect: Width of the interval of the effect by pseudo-outcomes.
        width_difference: The same from each arm's own interval.
    """

    one_arm: float
    effect: float
    width_effect: float
    width_difference: float


def errors(metric: Bounded, share: float, *, worlds: int, units: int, seed: int, widths: int = 20) -> Errors:
    """Draws worlds without an effect; widths are taken in the first few."""
    rng = np.random.default_rng(seed)
    level = math.log(2 / ALPHA)
    one = both = 0
    found: list[tuple[float, float]] = []
    for world in range(worlds):
        values, treated = metric.draw(rng, units), rng.random(units) < share
        one += _crosses(values, metric.mean, level)
        units_ = Units.of(values, treated, share, 0.0, 1.0)
        ever = max(float(log_evidence(units_, 0.0, ALPHA / 2, side).max()) for side in ("lower", "upper"))
        both += ever >= level
        if world < widths:
            t, c = values[treated], values[~treated]
            effect = Effect.of_means(Moments.from_values(t), Moments.from_values(c))
            plain = 2 * multiplier(units, ALPHA) * effect.se
            bets = betting_effect(values, treated, share, 0.0, 1.0, ALPHA)
            arms = betting_difference(t, c, 0.0, 1.0, ALPHA)
            found.append(((bets.upper - bets.lower) / plain, (arms.upper - arms.lower) / plain))
    mean_widths = np.mean(found, axis=0)
    return Errors(one / worlds, both / worlds, float(mean_widths[0]), float(mean_widths[1]))


def _crosses(values: Floats, mean: float, level: float) -> bool:
    above, below = log_wealth(values, mean, ALPHA / 2), log_wealth(1 - values, 1 - mean, ALPHA / 2)
    return bool(max(above.max(), below.max()) >= level)


def quantile_errors(q: float, share: float, *, worlds: int, units: int, looks: int, seed: int) -> float:
    """Share of worlds in which the difference of two arms' equal quantiles was ever said not to be 0."""
    rng = np.random.default_rng(seed)
    wrong = 0
    at = np.unique(np.geomspace(100, units, looks).astype(int))
    for _ in range(worlds):
        values, treated = rng.lognormal(0, 1, units), rng.random(units) < share
        for n in at:
            t, c = values[:n][treated[:n]], values[:n][~treated[:n]]
            if not t.size or not c.size:
                continue
            a, b = (quantile_interval(arm, q, ALPHA / 2, "always-valid") for arm in (t, c))
            if a.lower > b.upper or b.lower > a.upper:
                wrong += 1
                break
    return wrong / worlds


def table(worlds: int, seed: int) -> str:
    """All cells as Markdown."""
    lines = [
        "| metric | share | one arm | effect | width by pseudo-outcomes | width by arms |",
        "|---|---|---|---|---|---|",
    ]
    for metric in METRICS:
        for share in (0.5, 0.05):
            f = errors(metric, share, worlds=worlds, units=20_000, seed=seed)
            lines.append(
                f"| {metric.name} | {share} | {f.one_arm:.4f} | {f.effect:.4f} | {f.width_effect:.2f} "
                f"| {f.width_difference:.2f} |"
            )
    lines += ["", "| quantile | share | ever excluded |", "|---|---|---|"]
    for q in (0.5, 0.99):
        for share in (0.5, 0.05):
            wrong = quantile_errors(q, share, worlds=worlds // 4, units=10_000, looks=40, seed=seed)
            lines.append(f"| {q} | {share} | {wrong:.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(table(given.worlds, given.seed))
