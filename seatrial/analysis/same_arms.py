"""A/A tests on one's own past: the control's units split again by many salts, and judged as the experiment is.

What is asked of each split is its verdict, by whichever method spoke, and that verdict's own p-value. Where units are
few they are relabelled less often than in an experiment, for there are hundreds of splits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

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
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import is_by_welch
from seatrial.stats.minimum import what_is_missing
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.quantile_difference import quantile_test
from seatrial.stats.same_arms import SameArms, same_arms
from seatrial.stats.welch import welch_of

MOST_UNITS = 100_000
"""Units that are split; of more, so many by the hash of their names."""

DRAWN = 499
"""Relabellings of a split: p-values are then multiples of 0.002. An experiment has 9 999."""

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
    said: dict[str, list[_Said]] = {metric.name: [] for metric in plan.metrics}
    shares = _shares(plan, control, reduction.units())
    in_phases = len(reduction.units()) > 1
    for arms, columns in _split(table, plan.metrics, reduction, splits, shares, in_phases=in_phases):
        judged = Judged(plan, {"": arms}, _ARMS[0], {"": shares}, frozenset(), columns, drawn=DRAWN)
        for metric in plan.metrics:
            found = _said(judged, metric)
            if found is not None:
                said[metric.name].append(found)
    return tuple(
        same_arms(
            name,
            [one.claimed for one in found],
            [one.p_value for one in found],
            plan.alpha,
            len(said),
            careful=any(one.careful for one in found),
        )
        for name, found in said.items()
    )


class _Said(NamedTuple):
    """What one split said; ``careful``: by a method whose p-values may be larger than uniform ones."""

    claimed: bool
    p_value: float
    careful: bool


def _said(judged: Judged, metric: Metric) -> _Said | None:
    """Of one metric; None where there was too little for any verdict."""
    verdict = judged.verdict(metric, _ARMS[1], judged.plan.alpha)
    effect = judged.measured(metric, _ARMS[1]).effect
    enough = what_is_missing(effect) is None
    if verdict.word == "no-data":
        # Too few carriers for a verdict make no claim, but what their p-values look like counts.
        p_value = _beside(judged, metric, effect) if enough else None
        return None if p_value is None else _Said(False, p_value, metric.kind == "quantile")
    # The asymptotic sequence is made of the same t, whose p-values tell more than its own, which are next to 1.
    of_values = metric.kind == "quantile"  # of which an outer interval's p-values may be larger than uniform ones
    by_t = is_by_welch(verdict.method) or (judged.plan.method != "fixed" and not metric.one_by_one and enough)
    by_t = by_t and not of_values
    p_value = _beside(judged, metric, effect) if by_t or of_values else verdict.p_value
    return None if p_value is None else _Said(verdict.word in ("better", "worse"), p_value, not by_t)


def _beside(judged: Judged, metric: Metric, effect: Effect) -> float | None:
    if metric.kind != "quantile":
        return welch_of(effect).p_value
    return quantile_test(judged.columns[metric.name].by_phase(_ARMS[1], _ARMS[0]), metric.q or 0.5).p_value


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
    table: pa.Table,
    metrics: Sequence[Metric],
    reduction: Reduction,
    splits: int,
    shares: Mapping[str, float],
    *,
    in_phases: bool,
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
            # As an experiment of one phase reads them: of a mean its units, should they be few.
            if metric.one_by_one or (metric.kind == "mean" and not (metric.divided or in_phases))
        }
        yield arms, columns
