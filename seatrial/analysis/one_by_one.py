"""Metrics of files that are judged unit by unit, in order of exposure: quantiles, means with a declared range, ranks,
and means of samples too small for their moments."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.analysis.metrics import Metric
from seatrial.analysis.planning import Plan
from seatrial.analysis.reduce import Reduction
from seatrial.spec.errors import BadInput
from seatrial.stats.bounded import Bounded, bounded_evidence
from seatrial.stats.by_evidence import judge_by
from seatrial.stats.effect import Effect
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.phases import combine_phases
from seatrial.stats.quantile_difference import Arms, quantile_effect, quantile_evidence
from seatrial.stats.statement import no_data
from seatrial.stats.verdict import Question, Role, Verdict


class Column(NamedTuple):
    """One metric's counted units of all variants, in order of exposure; arrays [n]."""

    variant: NDArray[Any]
    values: NDArray[np.float64]
    phase: NDArray[Any]

    def arms(self, treatment: str, control: str) -> Arms:
        """Two variants' values, of all phases."""
        return Arms.of(self.values[self.variant == treatment], self.values[self.variant == control])

    def by_phase(self, treatment: str, control: str) -> list[Arms]:
        """The same phase by phase; those in which one of them has none are left out."""
        phases = [self.phase == name for name in sorted(set(self.phase))]
        found = [
            Arms.of(self.values[here & (self.variant == treatment)], self.values[here & (self.variant == control)])
            for here in phases
        ]
        return [arms for arms in found if arms.fewest] or found[:1]


def read_columns(reduction: Reduction, plan: Plan, small: Collection[str] = ()) -> Mapping[str, Column]:
    """By name, of those metrics that need them; ``small`` are names of others that do.

    Raises:
        BadInput: Bets are laid in order of exposure, and the exposures have no times.
    """
    found = {}
    for metric in plan.metrics:
        if not metric.one_by_one and metric.name not in small:
            continue
        if metric.range is not None and plan.method != "fixed" and not reduction.timed:
            raise BadInput(
                f"{metric.name!r} has a range, and is judged at any time by betting in order of exposure, which needs "
                "times; add the column `at` to the exposures, or remove the range"
            )
        table = reduction.column(metric)
        found[metric.name] = Column(_names(table["variant"]), table["x"].to_numpy(), _names(table["phase"]))
    return found


def _names(column: pa.ChunkedArray) -> NDArray[Any]:
    names = np.empty(len(column), dtype=object)
    names[:] = column.to_pylist()
    return names


def quantile_of(metric: Metric, column: Column, treatment: str, control: str) -> Effect:
    """The effect on a quantile, with the standard error that holds for one look."""
    phases = [quantile_effect(arms, metric.q or 0.5) for arms in column.by_phase(treatment, control)]
    return phases[0] if len(phases) == 1 else combine_phases(phases).effect


def judge_column(
    metric: Metric, column: Column, effect: Effect, question: Question, part: Role, weights: Mapping[str, float]
) -> Verdict:
    """The verdict at any look; ``weights`` are the treatment's share of the units of both arms in each phase."""
    if metric.kind == "quantile":
        phases = column.by_phase(question.treatment, question.control)
        fewest = min(sum(arms.treatment.size for arms in phases), sum(arms.control.size for arms in phases))
        if fewest < MINIMUM_UNITS:
            reason = f"{fewest} of {MINIMUM_UNITS} matured units in the smaller arm"
            return no_data(effect, question, part, "always-valid", reason)
        return judge_by(effect, question, part, lambda levels: quantile_evidence(phases, metric.q or 0.5, levels))
    drawn = [name for name, weight in weights.items() if 0 < weight < 1]
    here = np.isin(column.variant, [question.treatment, question.control]) & np.isin(column.phase, drawn)
    treated = column.variant[here] == question.treatment
    if not (treated.any() and not treated.all()):
        return no_data(effect, question, part, "always-valid", "one arm has no matured units")
    low, high = metric.range or (0.0, 1.0)
    chance = np.array([weights[name] for name in column.phase[here]])
    units = Bounded.of(column.values[here], treated, chance, low, high)
    return judge_by(effect, question, part, lambda levels: bounded_evidence(units, levels))
