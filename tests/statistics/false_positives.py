"""The table of false positives: `python -m tests.statistics.false_positives [worlds] [units]` prints it as Markdown.

Two arms without a true difference, 100 looks, alpha 0.05. For each kind of value and share of traffic: in how many
worlds in a hundred the sequence ever claims a difference (two-sided), ever claims the treatment is above or below the
control (each one-sided sequence), what a plain Welch interval of the same width would have claimed, what a fixed
test at each look would have, and in how many worlds nothing could be said at all.
"""

import sys
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from seatrial.stats.sequence import multipliers
from tests.statistics.looks import KINDS, SHARES, Kind, claims, simulate, speaks, z_scores


class Cell(NamedTuple):
    """Shares of worlds with a false claim at any look."""

    two_sided: float
    above: float
    below: float
    plain_welch: float
    peeking: float
    silent: float


def cell(kind: Kind, share: float, *, worlds: int, units: int = 20_000, looks: int = 100, seed: int = 1) -> Cell:
    """One cell of the table."""
    world = simulate(kind, share, worlds=worlds, units=units, looks=looks, seed=seed)
    half = multipliers(world.treatment.n + world.control.n)
    unpooled, two = np.abs(z_scores(world, pooled=False)), world.treatment.n >= 2
    peeking = np.abs(z_scores(world)) > ndtri(0.975)
    return Cell(
        two_sided=_ever(claims(world, "two", 0.05)),
        above=_ever(claims(world, "lower", 0.05)),
        below=_ever(claims(world, "upper", 0.05)),
        plain_welch=_ever(two & (unpooled > half)),
        peeking=_ever(speaks(world) & peeking),
        silent=1 - _ever(speaks(world)),
    )


def limit(worlds: int, alpha: float = 0.05) -> float:
    """alpha and two Monte-Carlo standard errors."""
    return alpha + 2 * float(np.sqrt(alpha * (1 - alpha) / worlds))


def _ever(flags: "np.typing.NDArray[np.bool_]") -> float:
    return float(flags.any(1).mean())


def main(worlds: int = 2000, units: int = 20_000) -> None:
    print(f"{worlds} worlds, {units} units, 100 looks; a pass is at most {limit(worlds):.2%}\n")
    print("| values | share | two-sided | above | below | plain Welch | peeking at a fixed test | silent |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        for share in SHARES:
            found = cell(kind, share, worlds=worlds, units=units)
            print(f"| {kind.name} | {share:.0%} | " + " | ".join(f"{100 * x:.2f}" for x in found) + " |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
