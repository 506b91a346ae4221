"""False claims of what a release may be judged by: adjusted sequences, planned looks, one look, and a posterior.

Worlds without a true effect, looked at many times; the share of worlds in which the primary was ever called better or
worse. ``python -m tests.statistics.wired`` prints the table. The posterior is shown for what it is: it does not hold.
"""

import argparse
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from seatrial.experiments.asks import Ask
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.metric import verdict_of
from seatrial.experiments.sample import take_sample
from seatrial.experiments.units import NEVER, Units
from seatrial.releases.plan import Plan
from seatrial.stats.contrast import Margin
from seatrial.stats.verdict import Question
from tests import worlds

UNITS = 5000
SECOND = worlds.SECOND
MEASURE = Measure("revenue", "mean", 30 * SECOND, 10 * SECOND, "")
QUESTION = Question(metric="revenue", margin=Margin("relative", 0.01))


class Cell(NamedTuple):
    """One kind of world and one way of judging it.

    Attributes:
        values: ``normal`` or ``lognormal``, both with correlation 0.7 to the covariate (of logarithms for the second).
        share: The challenger's.
        plan: When it may be judged.
        adjusted: Whether the covariate is used.
    """

    values: str
    share: float
    plan: dict[str, Any]
    adjusted: bool = False


ANY_TIME: dict[str, Any] = {"name": "always-valid"}
LOOKS: dict[str, Any] = {"name": "group-sequential", "units": UNITS, "looks": 5}
POCOCK = LOOKS | {"spending": "pocock"}
ONCE: dict[str, Any] = {"name": "fixed", "units": UNITS}
CELLS = (
    Cell("normal", 0.5, LOOKS),
    Cell("normal", 0.5, POCOCK),
    Cell("normal", 0.5, ONCE),
    Cell("normal", 0.5, {"name": "bayes"}),
    Cell("normal", 0.5, ANY_TIME),
    Cell("normal", 0.5, ANY_TIME, adjusted=True),
    Cell("lognormal", 0.05, ANY_TIME, adjusted=True),
    Cell("normal", 0.05, ANY_TIME, adjusted=True),
    Cell("lognormal", 0.5, ANY_TIME, adjusted=True),
)


def claims(cell: Cell, effect: float, looks: int, seed: int) -> int | None:
    """Matured units of the first look at which the primary is called better or worse; None when it never is."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(UNITS)
    noise = 0.7 * z + np.sqrt(1 - 0.49) * rng.standard_normal(UNITS)
    treated = rng.random(UNITS) < cell.share
    x = 10 + noise if cell.values == "normal" else np.exp(1.5 * noise)
    x = x + effect * x.std() * treated
    covariate = z if cell.values == "normal" else np.exp(1.5 * z)
    ones, none = np.ones(UNITS), np.zeros(UNITS)
    column = Column(
        x=x, y=ones, x_all=x, y_all=ones, labels=ones, wanted=ones, late=none, early=none, z=covariate[:, None]
    )
    units = Units(
        unit=pa.chunked_array([pa.nulls(UNITS, pa.string())]),
        variant=np.where(treated, "challenger", "champion").astype(object),
        phase=np.ones(UNITS, dtype=np.int64),
        first_at=worlds.START + np.arange(UNITS) * SECOND,
        moved_at=np.full(UNITS, NEVER),
    )
    measure = MEASURE if not cell.adjusted else Measure(**(MEASURE.__dict__ | {"covariates": ("context.prior",)}))
    ask = Ask("primary", "mean", QUESTION, plan=Plan(**cell.plan), began=worlds.START)
    run = worlds.release((cell.share, 0))
    for n in np.linspace(UNITS / looks, UNITS, looks).astype(int).tolist():
        sample = take_sample(units, column, measure, run, worlds.START + (n - 1) * SECOND + measure.matures)
        if verdict_of(ask, sample, measure, run).word in ("better", "worse"):
            return n
    return None


def false_claims(cell: Cell, count: int, *, seed: int = 1, looks: int = 15) -> float:
    """The share of ``count`` worlds without an effect in which the primary was ever called better or worse."""
    return float(np.mean([claims(cell, 0.0, looks, seed + i) is not None for i in range(count)]))


def power(cell: Cell, count: int, *, seed: int = 1, looks: int = 15, effect: float = 0.08) -> float:
    """The share of worlds with an effect, in standard deviations of the values, in which it was found."""
    return float(np.mean([claims(cell, effect, looks, 10**6 + seed + i) is not None for i in range(count)]))


HEAD = ("values", "share", "judged", "covariate", "false claims", "found at 0.08 sd")


def line(cell: Cell, *figures: str) -> str:
    """A row of the table, as Markdown."""
    judged = " ".join(str(cell.plan[key]) for key in ("name", "spending") if key in cell.plan)
    return f"| {' | '.join((cell.values, f'{cell.share:.0%}', judged, 'ρ 0.7' * cell.adjusted, *figures))} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--looks", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--power", action="store_true", help="worlds with an effect as well: twice the time")
    given = parser.parse_args()
    head = HEAD if given.power else HEAD[:-1]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for each in CELLS:
        of = {"seed": given.seed, "looks": given.looks}
        shown = [f"{100 * false_claims(each, given.worlds, **of):.1f} %"]
        if given.power:
            shown.append(f"{100 * power(each, given.worlds, **of):.0f} %")
        print(line(each, *shown), flush=True)
