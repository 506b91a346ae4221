"""Ratios by unit whose denominators are uncertain: how often intervals miss, at one look and at ten.

``python -m tests.statistics.uncertain_ratios`` prints the tables (some minutes on one core).
"""

import argparse
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Level, Levels
from seatrial.stats.fieller import fieller
from seatrial.stats.moments import PairMoments
from seatrial.stats.primary import judge_primary
from seatrial.stats.ratio import linearise
from seatrial.stats.uncertain_ratio import Ratios, fieller_evidence, uncertainty
from seatrial.stats.verdict import Question
from seatrial.stats.welch import welch_of

ALPHA = 0.05
BOTH = Levels((Level(ALPHA, 2),), (Level(ALPHA, 2),))
Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Values, Values]]


def baskets(uncertain: float) -> Callable[[int], Draw]:
    """Value by item of few buyers, 1 + Poisson(1) items each, so many that the denominator is so uncertain."""

    def of(n: int) -> Draw:
        share = min(1.0, 5 / (4 * n * uncertain**2))

        def draw(rng: np.random.Generator, n: int) -> tuple[Values, Values]:
            items = (rng.random(n) < share) * (1.0 + rng.poisson(1, n))
            return items * 10 * rng.lognormal(-0.125, 0.5, n), items

        return draw

    return of


def normal(uncertain: float) -> Callable[[int], Draw]:
    """Numerator and denominator normal with mean 1, unrelated."""

    def of(n: int) -> Draw:
        sd = uncertain * math.sqrt(n)
        return lambda rng, n: (rng.normal(1, 1, n), rng.normal(1, sd, n))

    return of


class Missed(NamedTuple):
    """Shares of worlds in which the interval lies above, and below, the truth."""

    above: float
    below: float


class Found(NamedTuple):
    """How uncertain the denominators were, and what missed: one arm's ratio, and the difference of two alike."""

    uncertain: float
    delta: Missed
    fieller: Missed
    welch: float
    judged: float


def found(of: Callable[[int], Draw], truth: float, n: int, m: int, worlds: int, *, seed: int = 1) -> Found:
    """One arm of ``n`` units against ``truth``, and against another of ``m`` with the same ratio.

    The arms' units are alike, so the smaller arm's denominator is as uncertain as asked.
    """
    rng = np.random.default_rng(seed)
    draw = of(n)
    cv, missed, claims, spoke = 0.0, np.zeros((2, 2)), np.zeros(2), 0
    for _ in range(worlds):
        t, c = (PairMoments.from_values(*draw(rng, size)) for size in (n, m))
        effect = Effect.of_ratios(t, c)
        if min(effect.carriers or (0, 0)) < 10:
            continue
        spoke += 1
        cv += uncertainty(t)
        one = linearise(t)
        half = float(stdtrit(n - 1, 1 - ALPHA / 2)) * one.standard_error
        ends = ((one.mean - half, one.mean + half), fieller(t, ALPHA).interval)
        missed += [[low > truth, high < truth] for low, high in ends]
        claims[0] += (welch_of(effect, ALPHA).p_value or 0.0) <= ALPHA
        known = fieller_evidence([Ratios(t, c)], float(n + m - 2), BOTH).absolute
        claims[1] += known.lower > 0 or known.upper < 0
    delta, fiellers = (Missed(*(row / spoke)) for row in missed)
    return Found(cv / spoke, delta, fiellers, *(claims / spoke).tolist())


def by_sequence(of: Callable[[int], Draw], n: int, worlds: int, *, looks: int = 10, seed: int = 2) -> float:
    """The share of worlds of versions alike in which the sequence, which keeps the delta method, ever claims."""
    rng = np.random.default_rng(seed)
    draw, question = of(n), Question(metric="m", alpha=ALPHA)
    ever = 0
    for _ in range(worlds):
        arms = [draw(rng, n) for _ in "tc"]
        at = [n * (look + 1) // looks for look in range(looks)]
        ever += any(
            judge_primary(Effect.of_ratios(*(PairMoments.from_values(x[:k], y[:k]) for x, y in arms)), question).word
            in ("better", "worse")
            for k in at
        )
    return ever / worlds


CELLS = (
    *((f"value by item, {x}", baskets(x), 10.0, 4000, 4000) for x in (0.05, 0.1, 0.15, 0.2)),
    ("value by item, 0.2, a small arm", baskets(0.2), 10.0, 1000, 9000),
    *((f"normal, {x}", normal(x), 1.0, 400, 400) for x in (0.05, 0.1, 0.2, 0.3)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    worlds = parser.parse_args().worlds
    print(
        "| values | uncertainty | delta above, below | Fieller above, below | claims, Welch's t | claims, Fieller's |"
    )
    print("|---|---|---|---|---|---|")
    for name, of, truth, n, m in CELLS:
        one = found(of, truth, n, m, worlds)
        ends = " | ".join(f"{100 * x.above:.1f}, {100 * x.below:.1f} %" for x in (one.delta, one.fieller))
        claims = f"{100 * one.welch:.1f} % | {100 * one.judged:.1f} %"
        print(f"| {name} | {one.uncertain:.2f} | {ends} | {claims} |", flush=True)
    print("\n| looked at ten times, by the sequence | claims |\n|---|---|")
    for name, of, n in (("value by item, 0.2 at the end", baskets(0.2), 4000), ("normal, 0.2", normal(0.2), 1000)):
        print(f"| {name} | {100 * by_sequence(of, n, worlds):.1f} % |", flush=True)


if __name__ == "__main__":
    main()
