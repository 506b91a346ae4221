"""A/A tests on one's own past: the control's units split again by many salts, and judged as the experiment is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from seatrial.analysis.files import Files
from seatrial.analysis.judged import Judged
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
from seatrial.stats.quantile_difference import quantile_test
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
    if plan.looks is not None:
        raise BadInput("splits of one's own units are judged once each, and not at planned looks; leave --method out")
    relation = Relation(
        files,
        plan.metrics,
        several=True,
        cluster=plan.cluster,
        phase=plan.phase,
        as_of=plan.as_of,
        once=plan.method == "fixed",
    )
    reduction = Reduction(files, relation)
    plan = replace(plan, metrics=reduction.metrics)
    units = reduction.crowd.units
    control = plan.control or next((name for name in CONTROLS if name in units), "")
    if control not in units:
        raise BadInput(f"the variants are {', '.join(sorted(units))}; say whose units are split (--control)")
    table = reduction.table(control, MOST_UNITS)
    said: dict[str, tuple[list[bool], list[float]]] = {metric.name: ([], []) for metric in plan.metrics}
    shares = _shares(plan, control, reduction.units())
    for arms, columns in _split(table, plan.metrics, reduction, splits, shares):
        judged = Judged(plan, {"": arms}, _ARMS[0], {"": shares}, frozenset(), columns)
        for metric in plan.metrics:
            verdict = judged.verdict(metric, _ARMS[1], plan.alpha)
            effect = judged.measured(metric, _ARMS[1]).effect
            p_value = verdict.p_value if metric.ranks else welch_of(effect).p_value
            if metric.kind == "quantile":
                p_value = quantile_test(columns[metric.name].by_phase(_ARMS[1], _ARMS[0]), metric.q or 0.5).p_value
            # Too few carriers for a verdict make no claim, but what their p-values look like counts.
            spoke = verdict.word != "no-data" or what_is_missing(effect) is None
            if spoke and p_value is not None:
                said[metric.name][0].append(verdict.word in ("better", "worse"))
                said[metric.name][1].append(p_value)
    careful = {metric.name for metric in plan.metrics if metric.kind == "quantile"}
    return tuple(
        same_arms(name, *found, plan.alpha, len(said), careful=name in careful) for name, found in said.items()
    )


def _shares(plan: Plan, control: str, units: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """What the two arms get: as the control and the treatment of the smallest planned share, else half each.

    An interval that holds at an even split may not hold at the planned one, where few units speak for an arm.
    """
    parts: dict[str, float] = dict(plan.shares)
    for phase, shares in plan.phase_shares.items():
        came = sum(units.get(phase, {}).values())
        for name, share in shares.items():
            parts[name] = parts.get(name, 0.0) + came * share / sum(shares.values())
    if not parts:
        return dict.fromkeys(_ARMS, 0.5)
    others = {name: share for name, share in parts.items() if name != control and share > 0}
    if not others or not parts.get(control, 0.0) > 0:
        raise BadInput(f"the shares must give the control {control!r} and a treatment a share above 0 each")
    smallest = min(others.values())
    weight = smallest / (smallest + parts[control])
    return {_ARMS[0]: 1 - weight, _ARMS[1]: weight}


def _split(
    table: pa.Table, metrics: Sequence[Metric], reduction: Reduction, splits: int, shares: Mapping[str, float]
) -> Iterator[tuple[dict[str, Arms], dict[str, Column]]]:
    units = table["unit"].to_pylist()
    values = [
        np.column_stack([table[f"m{i}_{j}"].to_numpy() for j in range(reduction.width(metric))])
        for i, metric in enumerate(metrics)
    ]
    counted = [table[f"k{i}"].to_numpy(zero_copy_only=False) for i, _ in enumerate(metrics)]
    weights = tuple(Weight(name, share) for name, share in shares.items())
    one_phase = np.full(len(units), "", dtype=object)
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
            metric.name: Column(drawn[counted[i]], values[i][counted[i], 0], one_phase[counted[i]])
            for i, metric in enumerate(metrics)
            if metric.one_by_one
        }
        yield arms, columns
