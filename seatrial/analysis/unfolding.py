"""An analysis unfolded: each effect as it stood over time, units as they came, and effects by segment."""

from collections.abc import Mapping, Sequence

import msgspec

from seatrial.analysis.metrics import Metric
from seatrial.analysis.phases import Shares, counts_over, measure_over, merged
from seatrial.analysis.planning import Plan, question
from seatrial.analysis.reduce import Arm, Phased, Reduction
from seatrial.analysis.verdicts import Analysis, Comparison, Daily, Finding, Look
from seatrial.ledger.sql import quoted
from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect
from seatrial.stats.guardrail import judge_guardrail
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.primary import judge_primary
from seatrial.stats.segments import Segments, compare_segments
from seatrial.stats.verdict import Verdict

MOST_LOOKS = 60
MOST_SEGMENTS = 50

_STEPS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
"""Seconds that a look may be apart."""

_AT = "first_at"


def unfold(
    found: Analysis,
    reduction: Reduction,
    plan: Plan,
    *,
    over_time: bool,
    segments: Sequence[str],
    shares: Shares,
    unbalanced: frozenset[str] = frozenset(),
) -> Analysis:
    """The analysis with what was asked for; ``shares`` are what each variant was to get in each phase.

    Raises:
        BadInput: The effect over time where the exposures have no times; a segment column of too many values.
    """
    if over_time and not reduction.timed:
        raise BadInput(
            "the effect over time needs times; add the column `at` to the exposures, or say what it is called"
        )
    looks, arrivals = _over_time(reduction) if over_time else ({}, ())
    by_segment = {column: _segments(reduction, column) for column in segments}

    def finding(one: Finding, treatment: str) -> Finding:
        metric = next(m for m in plan.metrics if m.name == one.name)
        adjust = not unbalanced.intersection(metric.covariates)
        if metric.kind == "quantile" or metric.ranks:  # its effects over time and by segment are not made from moments
            return one
        reader = _Reader(found, plan, metric, treatment, adjust, shares)
        return msgspec.structs.replace(
            one,
            looks=tuple(look for at, phased in looks.items() if (look := reader.look(at, phased, one)) is not None),
            segments={column: reader.segments(groups) for column, groups in by_segment.items()},
        )

    def comparison(one: Comparison) -> Comparison:
        return msgspec.structs.replace(one, metrics=tuple(finding(m, one.treatment) for m in one.metrics))

    return msgspec.structs.replace(
        found, comparisons=tuple(comparison(one) for one in found.comparisons), arrivals=arrivals
    )


class _Reader:
    """One metric of one treatment, read from any arms."""

    def __init__(
        self, found: Analysis, plan: Plan, metric: Metric, treatment: str, adjust: bool, shares: Shares
    ) -> None:
        self._plan, self._metric, self._treatment, self._control = plan, metric, treatment, found.control
        self._shares, self._adjust = shares, adjust

    def look(self, at: int, phased: Phased, finding: Finding) -> Look | None:
        if not any({self._treatment, self._control} & arms.keys() for arms in merged(phased, self._metric.name)):
            return None
        verdict = self._verdict(phased, finding)
        if verdict.lower is None or verdict.upper is None or verdict.effect is None:
            return None
        return Look(
            at=at,
            n_treatment=verdict.n_treatment,
            n_control=verdict.n_control,
            effect=verdict.effect,
            lower=verdict.lower,
            upper=verdict.upper,
            word=verdict.word,
        )

    def _verdict(self, phased: Phased, finding: Finding) -> Verdict:
        """Two-sided, so that a band can be drawn; a guardrail's word is its own."""
        arms = merged(phased, self._metric.name)
        effect = measure_over(self._metric, arms, self._treatment, self._control, adjust=self._adjust).effect
        counts = counts_over(self._metric, phased, self._shares, self._treatment, self._control)
        asked = question(self._plan, self._metric, self._treatment, self._control, finding.verdict.alpha)
        verdict = judge_primary(effect, asked, counts=counts, role=finding.part)
        if finding.part == "guardrail":
            word = judge_guardrail(effect, asked, counts=counts).word
            return msgspec.structs.replace(verdict, word=word)
        return verdict

    def segments(self, groups: Mapping[str, Phased]) -> Segments:
        effects = {name: self._plain(phased) for name, phased in groups.items()}
        known = {
            name: e for name, e in effects.items() if e is not None and min(e.n_treatment, e.n_control) >= MINIMUM_UNITS
        }
        found = compare_segments(known, self._plan.alpha)
        told = {one.name for one in found.segments}
        return msgspec.structs.replace(found, left_out=tuple(name for name in effects if name not in told))

    def _plain(self, phased: Phased) -> Effect | None:
        """The effect in one segment, without covariates; None where a variant has no units in it."""
        arms = merged(phased, self._metric.name)
        if any(not any(variant in one for one in arms) for variant in (self._treatment, self._control)):
            return None
        return measure_over(self._metric, arms, self._treatment, self._control, adjust=False).effect


def _over_time(reduction: Reduction) -> tuple[dict[int, Phased], tuple[Daily, ...]]:
    """Cumulative arms by the end of each step, and units that came in it."""
    (ends,) = reduction.query(f"SELECT min({_AT}) AS first, max({_AT}) AS last FROM judged")
    first, last = (int(ends[name]) for name in ("first", "last"))
    step = 1_000_000 * next((s for s in _STEPS if (last - first) / 1e6 / s <= MOST_LOOKS), _STEPS[-1])
    bucket = f"({_AT} // {step})"
    sofar: Phased = {}
    looks: dict[int, Phased] = {}
    for group, phased in sorted(reduction.arms(by=bucket).items(), key=lambda item: int(item[0])):
        looks[(int(group) + 1) * step] = add_up(sofar, phased)
    rows = reduction.query(f"SELECT {bucket} AS b, variant, count(*) AS n FROM judged GROUP BY ALL ORDER BY ALL")
    came: dict[int, dict[str, int]] = {}
    for row in rows:
        came.setdefault(int(row["b"]) * step, {})[row["variant"]] = int(row["n"])
    return looks, tuple(Daily(at=at, units=units) for at, units in came.items())


def add_up(sofar: Phased, phased: Phased) -> Phased:
    """Adds further units to ``sofar``, and gives a copy of what it is then."""
    for phase, metrics in phased.items():
        for name, arms in metrics.items():
            held = sofar.setdefault(phase, {}).setdefault(name, {})
            for variant, arm in arms.items():
                held[variant] = _merged(held.get(variant), arm)
    return {phase: {name: dict(arms) for name, arms in metrics.items()} for phase, metrics in sofar.items()}


def _merged(before: Arm | None, arm: Arm) -> Arm:
    if before is None:
        return arm
    moments = MultiMoments.merged([before.moments, arm.moments])
    return Arm(moments, None, before.waiting + arm.waiting, before.missing + arm.missing)


def _segments(reduction: Reduction, column: str) -> dict[str, Phased]:
    kept = quoted("kept " + column)
    (row,) = reduction.query(f"SELECT count(DISTINCT {kept}) AS n FROM {reduction.all_units}")
    if int(row["n"]) > MOST_SEGMENTS:
        raise BadInput(
            f"{column!r} has {row['n']} values, which are no segments; group them into {MOST_SEGMENTS} at most"
        )
    return reduction.segments(column)
