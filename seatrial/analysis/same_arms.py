"""A/A tests on one's own past: the control's units split again by many salts, and judged as the experiment is."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from seatrial.analysis.files import Files
from seatrial.analysis.judging import Judged
from seatrial.analysis.metrics import Metric
from seatrial.analysis.one_by_one import Column
from seatrial.analysis.planning import CONTROLS, Plan
from seatrial.analysis.reduce import Arm, Arms, Reduction
from seatrial.analysis.relation import Relation
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm as Weight
from seatrial.routing.snapshot import Entry
from seatrial.spec.errors import BadInput
from seatrial.stats.minimum import what_is_missing
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.same_arms import SameArms, same_arms
from seatrial.stats.welch import welch_of

MOST_UNITS = 100_000
"""Units that are split; of more, so many by the hash of their names."""

_ARMS = ("same", "again")


def split_files(files: Files, plan: Plan, splits: int) -> tuple[SameArms, ...]:
    """One answer a metric.

    Args:
        files: Open.
        plan: Its metrics, method and alpha; margins do not matter, for there is no difference.
        splits: How many salts.

    Raises:
        BadInput: No control, or too few of its units for any verdict.
    """
    plan = replace(plan.checked(), guardrails={}, minimum_effect=None)
    reduction = Reduction(
        files, Relation(files, plan.metrics, several=True, cluster=plan.cluster, once=plan.method == "fixed")
    )
    plan = replace(plan, metrics=reduction.metrics)
    units = reduction.crowd.units
    control = plan.control or next((name for name in CONTROLS if name in units), "")
    if control not in units:
        raise BadInput(f"the variants are {', '.join(sorted(units))}; say whose units are split (--control)")
    table = reduction.table(control, MOST_UNITS)
    said: dict[str, tuple[list[bool], list[float]]] = {metric.name: ([], []) for metric in plan.metrics}
    for arms, columns in _split(table, plan.metrics, reduction, splits):
        judged = Judged(plan, arms, _ARMS[0], dict.fromkeys(_ARMS, 0.5), frozenset(), columns)
        for metric in plan.metrics:
            verdict = judged.verdict(metric, _ARMS[1], plan.alpha)
            effect = judged.measured(metric, _ARMS[1]).effect
            welch = welch_of(effect).p_value
            p_value = verdict.p_value if metric.ranks else welch
            # Too few carriers for a verdict make no claim, but what their p-values look like counts.
            spoke = verdict.word != "no-data" or what_is_missing(effect) is None
            if spoke and p_value is not None:
                said[metric.name][0].append(verdict.word in ("better", "worse"))
                said[metric.name][1].append(p_value)
    return tuple(same_arms(name, *found, plan.alpha, len(said)) for name, found in said.items())


def _split(
    table: pa.Table, metrics: Sequence[Metric], reduction: Reduction, splits: int
) -> Iterator[tuple[dict[str, Arms], dict[str, Column]]]:
    units = table["unit"].to_pylist()
    values = [
        np.column_stack([table[f"m{i}_{j}"].to_numpy() for j in range(reduction.width(metric))])
        for i, metric in enumerate(metrics)
    ]
    counted = [table[f"k{i}"].to_numpy(zero_copy_only=False) for i, _ in enumerate(metrics)]
    weights = tuple(Weight(name, 0.5) for name in _ARMS)
    for salt in range(splits):
        drawn = assign_many(Entry(name="same", arms=weights, salt=f"same-{salt}"), units)
        masks = {name: drawn == name for name in _ARMS}
        arms = {
            metric.name: {
                name: Arm(MultiMoments.from_values(values[i][mask & counted[i]]), None, 0, 0)
                for name, mask in masks.items()
            }
            for i, metric in enumerate(metrics)
        }
        columns = {
            metric.name: Column(drawn[counted[i]], values[i][counted[i], 0])
            for i, metric in enumerate(metrics)
            if metric.one_by_one
        }
        yield arms, columns
