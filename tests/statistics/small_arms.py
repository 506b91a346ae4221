"""One look at means and ratios while an arm is small: false claims by share of traffic, and power at equal shares.

Each world is judged as a file or a ``fixed`` release judges it; beside it what Welch's t says of every world, whatever
its events. ``python -m tests.statistics.small_arms`` prints the tables (half an hour on one core).
"""

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.stats.at_once import judge_at_once
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.verdict import Question
from seatrial.stats.welch import welch_of

ALPHA = 0.05
QUESTION = Question(metric="m", alpha=ALPHA)
Values = NDArray[np.float64]


class Kind(NamedTuple):
    """Values of a unit: of ``rate`` of them, e^(``sigma`` · normal); of a ``ratio`` beside 1 + Poisson(3) visits."""

    name: str
    rate: float
    sigma: float = 0.0
    ratio: bool = False
    signed: bool = False


class Found(NamedTuple):
    """Shares of worlds: with a verdict of either kind, by Welch's t alone, without a verdict."""

    better: float
    worse: float
    welch: float
    silent: float


ORDERS = Kind("orders, 1 % of units", 0.01)
KINDS = (
    ORDERS,
    Kind("orders, 10 % of units", 0.1),
    Kind("revenue, lognormal 1 of 1 % of units", 0.01, 1.0),
    Kind("revenue, lognormal 1.5 of every unit", 1.0, 1.5),
    Kind("revenue, lognormal 2 of every unit", 1.0, 2.0),
    Kind("orders of 1 % of units by visits", 0.01, ratio=True),
    Kind("orders of 10 % of units by visits", 0.1, ratio=True),
    Kind("gains and losses, normal about 0", 1.0, 1.0, signed=True),
)
SHARES = (0.5, 0.05, 0.01)


def found(kind: Kind, share: float, units: int, worlds: int, *, lift: float = 0.0, seed: int = 1) -> Found:
    """What is said of ``worlds`` worlds in which the treatment adds the share ``lift`` of a mean (of a signed one, of a
    standard deviation)."""
    rng = np.random.default_rng(seed)
    said, welch = [], 0
    treated = round(units * share)
    for _ in range(worlds):
        t, c = _arm(rng, kind, treated, lift), _arm(rng, kind, units - treated, 0.0)
        effect = _effect(rng, kind, t, c)
        welch += (welch_of(effect, ALPHA).p_value or 0.0) <= ALPHA
        read = None if kind.ratio else lambda t=t, c=c: (t, c)
        said.append(judge_at_once(effect, QUESTION, "primary", values=read).word)
    return Found(
        *(said.count(word) / worlds for word in ("better", "worse")), welch / worlds, said.count("no-data") / worlds
    )


def _arm(rng: np.random.Generator, kind: Kind, n: int, lift: float) -> Values:
    if kind.signed:
        return rng.normal(lift, kind.sigma, n)
    rate = kind.rate * (1 + lift) if kind.rate < 1 else 1.0
    values = np.exp(kind.sigma * rng.standard_normal(n)) * (rng.random(n) < rate)
    return values if kind.rate < 1 else values * (1 + lift)


def _effect(rng: np.random.Generator, kind: Kind, t: Values, c: Values) -> Effect:
    if not kind.ratio:
        return Effect.of_means(Moments.from_values(t), Moments.from_values(c))
    visits = [1.0 + rng.poisson(3, arm.size) for arm in (t, c)]
    return Effect.of_ratios(*(PairMoments.from_values(x, y) for x, y in zip((t, c), visits, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--units", type=int, default=10_000)
    given = parser.parse_args()
    print("| values | share | better | worse | no verdict | Welch's t alone |\n|---|---|---|---|---|---|")
    for kind in KINDS:
        for share in SHARES:
            one = found(kind, share, given.units, given.worlds)
            shown = (one.better, one.worse, one.silent, one.welch)
            print(f"| {kind.name} | {share:.0%} | {' | '.join(f'{100 * x:.1f} %' for x in shown)} |", flush=True)
    print("\n| values, half the units each | effect | found | by Welch's t alone |\n|---|---|---|---|")
    for kind, lift in zip(KINDS, (0.6, 0.17, 0.8, 0.18, 0.4, 0.6, 0.17, 0.056), strict=True):
        one = found(kind, 0.5, given.units, given.worlds, lift=lift, seed=2)
        effect = f"{lift:.2g} sd" if kind.signed else f"{lift:+.0%}"
        print(f"| {kind.name} | {effect} | {100 * one.better:.1f} % | {100 * one.welch:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
