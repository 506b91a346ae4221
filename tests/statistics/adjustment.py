"""Worlds with a covariate: how much narrower CUPED and Lin's regression are, and whether their intervals still cover.

``python -m tests.statistics.adjustment`` prints the table, 2 000 worlds a cell.
"""

import argparse
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from seatrial.stats.contrast import relative_interval
from seatrial.stats.cuped import cuped
from seatrial.stats.degrees import degrees_of
from seatrial.stats.lin import lin
from seatrial.stats.multivariate import MultiMoments

UNITS = 400
EFFECT = 0.3
MEAN = 4.0
Z = 1.959964


class Cell(NamedTuple):
    """One kind of world.

    Attributes:
        correlation: Of metric and covariate within an arm.
        share: The treatment's share of the units.
        uneven: How much the effect grows with the covariate.
    """

    correlation: float
    share: float
    uneven: float = 0.0


class Figures(NamedTuple):
    """Over all worlds of a cell.

    Attributes:
        cuped: Squared error of CUPED's estimate over the plain one's, which 1 - correlation² predicts.
        claimed: What CUPED itself says of that, on average.
        lin: The same ratio for Lin's regression.
        cuped_covers: Share of 95 % intervals that hold the true effect.
        lin_covers: The same of Lin's.
        relative_covers: The same of CUPED's relative intervals, to the unadjusted baseline.
    """

    cuped: float
    claimed: float
    lin: float
    cuped_covers: float
    lin_covers: float
    relative_covers: float


CELLS = (
    Cell(0.0, 0.5),
    Cell(0.5, 0.5),
    Cell(0.7, 0.5),
    Cell(0.9, 0.5),
    Cell(0.7, 0.1),
    Cell(0.7, 0.5, 0.8),
    Cell(0.7, 0.2, 0.8),
)


def simulate(cell: Cell, worlds: int, seed: int) -> Figures:
    """Draws the worlds of a cell."""
    rng = np.random.default_rng(seed)
    errors, covers, claims = [], [], []
    for _ in range(worlds):
        x = rng.standard_normal(UNITS)
        treated = rng.random(UNITS) < cell.share
        noise = np.sqrt(1 - cell.correlation**2) * rng.standard_normal(UNITS)
        y = MEAN + cell.correlation * x + noise + treated * (EFFECT + cell.uneven * x)
        rows = np.column_stack([y, x])
        adjusted = cuped(MultiMoments.from_values(rows[treated]), MultiMoments.from_values(rows[~treated]))
        regression = lin(y, x, treated)
        found = [adjusted.unadjusted, adjusted.effect, regression.effect]
        errors.append([effect.effect - EFFECT for effect in found])
        claims.append(adjusted.variance_ratio)
        relative = relative_interval(adjusted.effect.unpooled(), Z, Z)
        covers.append(
            [
                *(
                    abs(effect.effect - EFFECT) <= stdtrit(degrees_of(effect), 0.975) * effect.se_unpooled
                    for effect in found[1:]
                ),
                relative is not None and relative.contains(EFFECT / MEAN),
            ]
        )
    squared = (np.array(errors) ** 2).mean(axis=0)
    shares = np.array(covers, dtype=float).mean(axis=0)
    return Figures(
        cuped=float(squared[1] / squared[0]),
        claimed=float(np.mean(claims)),
        lin=float(squared[2] / squared[0]),
        cuped_covers=float(shares[0]),
        lin_covers=float(shares[1]),
        relative_covers=float(shares[2]),
    )


def table(worlds: int, seed: int) -> str:
    """All cells as Markdown."""
    head = (
        "| correlation | share | uneven | 1 - ρ² | CUPED | said | Lin | CUPED covers | Lin covers | relative covers |"
    )
    lines = [head, "|" + "---|" * 10]
    for cell in CELLS:
        f = simulate(cell, worlds, seed)
        lines.append(
            f"| {cell.correlation} | {cell.share} | {cell.uneven} | {1 - cell.correlation**2:.3f} | {f.cuped:.3f} "
            f"| {f.claimed:.3f} | {f.lin:.3f} | {f.cuped_covers:.3f} | {f.lin_covers:.3f} | {f.relative_covers:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(table(given.worlds, given.seed))
