"""The effect by the time since the exposure: by day, or in at most eight equal spans of a metric's window.

Descriptive: for one look, of units whose whole window has matured, whatever the verdict's method; the check of novelty
is what tells whether an effect changes. Read only for somebody who asks, from the outcomes themselves: sums that are
kept for judging know the first third of the window and the rest. A cap limits what a unit counts with in each span.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np

from seatrial.experiments.counted import Counted, Values
from seatrial.experiments.declared_measures import declared_measures, span_measure
from seatrial.experiments.exposing import in_clusters
from seatrial.experiments.judgement import Judgement, MetricJudgement, SpanEffect
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.question import read
from seatrial.experiments.source import Source
from seatrial.experiments.standing import standing
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.stats.interval import finite
from seatrial.stats.minimum import what_is_missing_once
from seatrial.stats.welch import welch_of

DAY = 86_400_000_000
SHORTEST = 2 * DAY
"""Windows shorter than this are not told span by span."""

MOST = 8


def with_spans(judgement: Judgement, deployment: Deployment, run: ReleaseRun, view: Source) -> Judgement:
    """The judgement with ``spans`` of every metric that has them: a mean or a proportion, with a window of two days."""
    here = {m.name for m in judgement.metrics if m.triggered is None and m.verdict.effect is not None}
    known = [m for m in declared_measures(deployment, run) if m.name in here and m.unfolds and m.within >= SHORTEST]
    if not known or not run.phases:
        return judgement
    parts = {m.name: [span_measure(deployment.metrics[m.name], m, *ends) for ends in ends_of(m.within)] for m in known}
    asked = [*known, *(part for each in parts.values() for part in each)]
    units, columns = read(view, run, asked, judgement.at)
    units = in_clusters(units, view, run, judgement.at, deployment.unit.cluster)

    def told(metric: MetricJudgement) -> MetricJudgement:
        measure = next((m for m in known if m.name == metric.name), None)
        if measure is None:
            return metric
        whole = _whole(units, columns[measure.name], measure, run, judgement.at)
        spans = tuple(
            _span(replace(whole, x=_capped(columns[part.name].x, measure.cap)), ends, metric.verdict.alpha)
            for part, ends in zip(parts[measure.name], ends_of(measure.within), strict=True)
        )
        return msgspec.structs.replace(metric, spans=spans)

    return msgspec.structs.replace(judgement, metrics=tuple(told(metric) for metric in judgement.metrics))


def ends_of(within: int) -> list[tuple[int, int]]:
    """Where spans of a window begin and end, microseconds since the exposure: whole days where those are few enough."""
    many = min(MOST, math.ceil(within / DAY))
    cuts = [within * k // many for k in range(many + 1)]
    return list(pairwise(cuts))


def span_names(spans: Sequence[SpanEffect]) -> tuple[str, ...]:
    """``day 1``, or ``day 1.75 to 3.5`` where spans are no whole days."""

    def name(span: SpanEffect) -> str:
        first, last = (seconds * 1e6 / DAY for seconds in (span.begins, span.ends))
        return f"day {last:g}" if last - first == 1 and last == round(last) else f"day {first:.3g} to {last:.3g}"

    return tuple(name(span) for span in spans)


def _whole(units: Units, column: Column, measure: Measure, run: ReleaseRun, now: int) -> Counted:
    """Units whose whole window has matured, and of whom it is known what they count with."""
    matured = standing(units, measure.within, measure.matures, run, now).matured
    return Counted(
        shape=measure.shape,
        x=column.x,
        y=column.y,
        treatment=units.of(run.challenger),
        strata=units.strata(run, measure.within),
        here=matured & measure.told(column),
        first_at=units.first_at,
        cluster=units.cluster,
    )


def _capped(x: Values, cap: float | None) -> Values:
    return x if cap is None else np.minimum(x, cap)


def _span(counted: Counted, ends: tuple[int, int], alpha: float) -> SpanEffect:
    begins, ended = (end / 1e6 for end in ends)
    effect = counted.combined().effect
    if min(effect.n_treatment, effect.n_control) < 2:
        return SpanEffect(begins=begins, ends=ended)
    found = None if what_is_missing_once(effect) is not None else welch_of(effect, alpha)
    return SpanEffect(
        begins=begins,
        ends=ended,
        champion=finite(effect.control_mean),
        challenger=finite(effect.treatment_mean),
        effect=finite(effect.effect),
        lower=None if found is None else found.lower,
        upper=None if found is None else found.upper,
    )
