"""Quantiles and bounded means through the judge's own functions: false claims, and what is found, while weights climb.

Worlds in which the baseline rises and the challenger's share goes from 5 to 50 %: whoever adds the phases up calls
the rise an effect. ``python -m tests.statistics.exact_kinds`` prints the table.
"""

import argparse
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from seatrial.experiments.asks import Ask
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.metric import verdict_of
from seatrial.experiments.sample import take_sample
from seatrial.experiments.units import NEVER, Units
from seatrial.releases.run import ReleaseRun
from seatrial.stats.contrast import Margin
from seatrial.stats.verdict import Question, Role
from tests import worlds

UNITS = 4000
SECOND = worlds.SECOND


class Cell(NamedTuple):
    """One metric, and how units come.

    Attributes:
        kind: ``quantile`` (the median, the 90 % quantile) or ``bounded`` (0 to 5).
        q: Of a quantile.
        ramp: Whether the share climbs from 5 to 50 % at half time; else it is 50 %.
        part: ``guardrail`` asks whether a margin of 10 % is broken, with the effect just on it.
    """

    kind: Literal["quantile", "bounded"]
    q: float = 0.5
    ramp: bool = True
    part: Role = "primary"


CELLS = (
    Cell("quantile", 0.5),
    Cell("quantile", 0.9),
    Cell("quantile", 0.5, ramp=False),
    Cell("bounded"),
    Cell("bounded", ramp=False),
    Cell("quantile", 0.5, part="guardrail"),
    Cell("bounded", part="guardrail"),
)
MARGIN = Margin("relative", 0.1)


def claims(cell: Cell, effect: float, looks: int, seed: int) -> bool:
    """Whether a claim is ever made: better or worse; of a guardrail that it is kept, or broken.

    Args:
        effect: Relative: what the challenger's values are more by; of a guardrail, beyond its margin.
    """
    rng = np.random.default_rng(seed)
    run = worlds.release((0.05, 0.0), (0.5, UNITS / 2)) if cell.ramp else worlds.release((0.5, 0.0))
    phase = 1 + (np.arange(UNITS) >= UNITS / 2) if cell.ramp else np.ones(UNITS, dtype=np.int64)
    treated = rng.random(UNITS) < np.where(phase == 1, run.phases[0].arms[1].weight, 0.5)
    # Of a guardrail whose higher values are better, the truth lies on its line; any claim is false.
    factor = (1 - MARGIN.size) * (1 - effect) if cell.part == "guardrail" else 1 + effect
    level = np.where(phase == 1, 1.0, 1.5) * np.where(treated, factor, 1.0)
    x = level * (5 * rng.beta(2, 5, UNITS) / 1.7 if cell.kind == "bounded" else rng.lognormal(0, 1, UNITS))
    ones, none = np.ones(UNITS), np.zeros(UNITS)
    column = Column(x=x, y=ones, x_all=x, y_all=ones, labels=ones, wanted=ones, late=none, early=none)
    units = Units(
        unit=pa.chunked_array([pa.nulls(UNITS, pa.string())]),
        variant=np.where(treated, "challenger", "champion").astype(object),
        phase=phase,
        first_at=worlds.START + np.arange(UNITS) * SECOND,
        moved_at=np.full(UNITS, NEVER),
    )
    shape, bounds = ("mean", (0.0, 5.0)) if cell.kind == "bounded" else ("quantile", None)
    measure = Measure("wait", shape, 30 * SECOND, 10 * SECOND, "", range=bounds, q=cell.q)  # type: ignore[arg-type]
    margin = MARGIN if cell.part == "guardrail" else None
    ask = Ask(cell.part, cell.kind, Question(metric="wait", margin=margin))
    return any(_word(n, ask, units, column, measure, run) for n in np.linspace(UNITS / looks, UNITS, looks).astype(int))


def _word(n: int, ask: Ask, units: Units, column: Column, measure: Measure, run: ReleaseRun) -> bool:
    sample = take_sample(units, column, measure, run, int(units.first_at[n - 1]) + measure.matures)
    return verdict_of(ask, sample, measure, run).word in ("better", "worse", "non-inferior")


def rate(cell: Cell, count: int, effect: float = 0.0, *, seed: int = 1, looks: int = 10) -> float:
    """The share of worlds in which a claim is ever made."""
    return float(np.mean([claims(cell, effect, looks, seed + i) for i in range(count)]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--looks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("| metric | share | part | false claims | found at 20 % |\n|---|---|---|---|---|")
    for each in CELLS:
        of = {"seed": given.seed, "looks": given.looks}
        name = "bounded mean" if each.kind == "bounded" else f"{each.q:.0%} quantile"
        wrong, found = rate(each, given.worlds, **of), rate(each, max(given.worlds // 10, 20), 0.2, **of)
        share = "5 to 50 %" if each.ramp else "50 %"
        print(f"| {name} | {share} | {each.part} | {100 * wrong:.1f} % | {100 * found:.0f} % |", flush=True)
