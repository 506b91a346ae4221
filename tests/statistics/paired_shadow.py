"""Two models that are right equally often, in shadow, looked at a hundred times: how often is a difference claimed?

Pairs are counted as the product counts them (one an input and unit, in the order of their labels), and beside it as if
all were independent; the decisions are those of ``judge_pairs``, and McNemar's test at every look stands beside.

    python -m tests.statistics.paired_shadow
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.shadow.pairs import independent
from seatrial.stats import Question
from seatrial.stats.paired import PairedAccuracy, judge_pairs, mcnemar
from seatrial.stats.paired.discordant import MINIMUM_PAIRS

ALPHA = 0.05
Codes = NDArray[np.int64]


class Traffic(NamedTuple):
    """Pairs in order of the label's arrival: which input and unit, and 1 (only the challenger right), -1 or 0."""

    inputs: Codes
    units: Codes
    side: Codes


Draw = Callable[[np.random.Generator, int, float, float], Traffic]
"""From a generator, the number of pairs, and the chances that only the challenger or only the champion is right."""


def _sides(rng: np.random.Generator, n: int, challenger: float, champion: float) -> Codes:
    u = rng.random(n)
    sides: Codes = np.where(u < challenger, 1, np.where(u < challenger + champion, -1, 0))
    return sides


def once(rng: np.random.Generator, n: int, challenger: float, champion: float) -> Traffic:
    """Every pair is of an input and unit of its own."""
    return Traffic(np.arange(n), np.arange(n), _sides(rng, n, challenger, champion))


def popular(rng: np.random.Generator, n: int, challenger: float, champion: float) -> Traffic:
    """Few inputs are asked for by many, and a model answers one input always alike."""
    inputs = np.minimum(rng.zipf(1.3, n), n) - 1
    return Traffic(inputs, np.arange(n), _sides(rng, n, challenger, champion)[inputs])


def returning(rng: np.random.Generator, n: int, challenger: float, champion: float) -> Traffic:
    """Units ask twenty times each, for what is hard to one model for this unit."""
    units = rng.integers(0, n // 20, n)
    own, fresh = (_sides(rng, n, challenger, champion) for _ in range(2))
    return Traffic(np.arange(n), units, np.where(rng.random(n) < 0.5, own[units], fresh))


def mistakes_first(rng: np.random.Generator, n: int, challenger: float, champion: float) -> Traffic:
    """Labels of pairs that a model got wrong are asked for and arrive before the others."""
    found = once(rng, n, challenger, champion)
    late = rng.random(n) + (found.side == 0)
    return Traffic(found.inputs, found.units, found.side[np.argsort(late)])


WORLDS: dict[str, Draw] = {
    "every pair its own input and unit": once,
    "few inputs asked for often": popular,
    "units that return twenty times": returning,
    "labels of mistakes arrive first": mistakes_first,
}
DISCORDANT = (0.01, 0.06, 0.3)


class Claims(NamedTuple):
    """Shares of worlds in which a difference is claimed at any look."""

    ours: float
    all_pairs: float
    mcnemar: float


def _speaks(challenger: int, champion: int, pairs: int) -> bool:
    return pairs >= MINIMUM_PAIRS and _word(challenger, champion)


@cache
def _word(challenger: int, champion: int) -> bool:
    """The word rests on the discordant pairs alone, whatever the number of the others."""
    accuracy = PairedAccuracy(both=MINIMUM_PAIRS, treatment_only=challenger, control_only=champion, neither=0)
    return judge_pairs(accuracy, Question(metric="accuracy", alpha=ALPHA)).word in ("better", "worse")


@cache
def _tested(challenger: int, champion: int) -> bool:
    return mcnemar(challenger, champion).mid_p < ALPHA


def _looked(side: Codes, at: Codes) -> list[tuple[int, int, int]]:
    """Counts at each look: only the challenger right, only the champion, pairs."""
    up, down = np.cumsum(side == 1), np.cumsum(side == -1)
    return [(int(up[n - 1]), int(down[n - 1]), int(n)) for n in at.tolist() if n]


def claims(
    draw: Draw, discordant: float, *, worlds: int, tilt: float = 0.5, pairs: int = 2000, looks: int = 100, seed: int = 1
) -> Claims:
    """Of ``worlds`` shadows; ``tilt``: the challenger's share of discordant pairs, half where both are as good."""
    rng = np.random.default_rng(seed)
    ends = np.linspace(pairs / looks, pairs, looks).astype(np.int64)
    spoken = np.zeros(3)
    for _ in range(worlds):
        found = draw(rng, pairs, discordant * tilt, discordant * (1 - tilt))
        kept = np.array(independent(found.inputs.tolist(), found.units.tolist(), range(pairs)))
        own = _looked(found.side[kept], np.searchsorted(kept, ends))
        everything = _looked(found.side, ends)
        spoken += [
            any(_speaks(*counts) for counts in own),
            any(_speaks(*counts) for counts in everything),
            any(_tested(a, b) for a, b, _ in own),
        ]
    return Claims(*(spoken / worlds).tolist())


def main(worlds: int) -> None:
    """Prints the table of the documentation."""
    print("| pairs | discordant | false claims | all pairs counted | McNemar at every look | two to one found |")
    print("|---|---|---|---|---|---|")
    for name, draw in WORLDS.items():
        for discordant in DISCORDANT:
            alike = claims(draw, discordant, worlds=worlds)
            power = claims(draw, discordant, worlds=worlds, tilt=2 / 3, seed=2).ours
            cells = (f"{share:.1%}" for share in (*alike, power))
            print(f"| {name} | {discordant:.0%} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
