"""One look by ranks where values are tied: false claims, what is found, and what the shift alone would have said.

``python -m tests.statistics.tied_ranks`` prints the tables (a quarter of an hour on one core with --worlds 1000).
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import brunnermunzel

from seatrial.stats.by_evidence import judge_by
from seatrial.stats.by_ranks import judge_ranks
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments
from seatrial.stats.ranked import ranked_evidence
from seatrial.stats.verdict import Question

ALPHA = 0.05
Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]
CLAIMS = ("better", "worse")


class Kind(NamedTuple):
    """What is drawn for the treatment and for the control, how many, and the smallest effect cared about."""

    name: str
    treatment: Draw
    control: Draw
    n: int
    m: int
    cared: float = 0.1


class Found(NamedTuple):
    """Shares of worlds: a direction, equivalence; of the shift alone; Brunner and Munzel's test as it is."""

    claims: float
    equivalent: float
    no_data: float
    shift_claims: float
    shift_equivalent: float
    plain: float


def buyers(share: float) -> Draw:
    """Revenue, lognormal, of a share of units."""
    return lambda rng, n: (rng.random(n) < share) * rng.lognormal(2, 1, n)


def stars(*chances: float) -> Draw:
    return lambda rng, n: rng.choice(np.arange(1.0, 6.0), n, p=chances)


def rounded(mean: float) -> Draw:
    return lambda rng, n: np.round(rng.normal(mean, 10, n))


ALIKE = stars(0.1, 0.1, 0.3, 0.4, 0.1)
NULL = (
    Kind("revenue of 10 % of units", buyers(0.1), buyers(0.1), 3000, 3000),
    Kind("revenue of 10 % of units", buyers(0.1), buyers(0.1), 300, 5700),
    Kind("revenue of 1 % of units", buyers(0.01), buyers(0.01), 1000, 1000),
    Kind("revenue of 1 % of units", buyers(0.01), buyers(0.01), 200, 4000),
    Kind("stars", ALIKE, ALIKE, 1000, 1000, 0.5),
    Kind("stars", ALIKE, ALIKE, 30, 970, 0.5),
    Kind("stars", ALIKE, ALIKE, 12, 12, 0.5),
    Kind("stars, more of both ends", stars(0.25, 0.05, 0.4, 0.05, 0.25), stars(0.0, 0.1, 0.8, 0.1, 0.0), 500, 500, 0.5),
    Kind("normal, sd of 10 steps", rounded(0), rounded(0), 500, 500, 2.0),
)
DIFFERENT = (
    Kind("revenue of 10 %, then 7 % of units", buyers(0.07), buyers(0.1), 4000, 4000),
    Kind("revenue of 10 %, then 13 % of units", buyers(0.13), buyers(0.1), 3000, 3000),
    Kind("stars, a tenth from 3 to 4", stars(0.1, 0.1, 0.2, 0.5, 0.1), ALIKE, 1000, 1000, 0.5),
    Kind("normal, sd of 10 steps, 1 step", rounded(1), rounded(0), 1500, 1500, 2.0),
)


def found(kind: Kind, worlds: int, *, seed: int = 3) -> Found:
    """What is said of ``worlds`` worlds."""
    rng = np.random.default_rng(seed)
    question = Question(metric="m", alpha=ALPHA, margin=Margin("absolute", kind.cared))
    words, by_shift, plain = [], [], 0
    for _ in range(worlds):
        t, c = kind.treatment(rng, kind.n), kind.control(rng, kind.m)
        effect = Effect.of_means(Moments.from_values(t), Moments.from_values(c))
        words.append(judge_ranks(effect, question, "primary", (t, c)).word)
        by_shift.append(judge_by(effect, question, "primary", lambda at, t=t, c=c: ranked_evidence(t, c, at)).word)
        if max(np.unique(t).size, np.unique(c).size) > 1:
            plain += float(brunnermunzel(t, c).pvalue) <= ALPHA
    return Found(
        claims=sum(word in CLAIMS for word in words) / worlds,
        equivalent=words.count("equivalent") / worlds,
        no_data=words.count("no-data") / worlds,
        shift_claims=sum(word in CLAIMS for word in by_shift) / worlds,
        shift_equivalent=by_shift.count("equivalent") / worlds,
        plain=plain / worlds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    worlds = parser.parse_args().worlds
    print(
        "| values | units | claims | equivalent | by the shift alone: claims | equivalent | Brunner and Munzel's test |"
    )
    print("|---|---|---|---|---|---|---|")
    for kind in (*NULL, *DIFFERENT):
        one = found(kind, worlds)
        shown = (one.claims, one.equivalent, one.shift_claims, one.shift_equivalent, one.plain)
        print(f"| {kind.name} | {kind.n} and {kind.m} | {' | '.join(f'{100 * x:.1f} %' for x in shown)} |", flush=True)


if __name__ == "__main__":
    main()
