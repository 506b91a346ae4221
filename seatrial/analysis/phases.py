"""Phases of constant weights in files: compared inside themselves, then weighted by precision, never added up.

A ramp from 10 to 50 % meets another week in each arm; pooled, what the weeks differ in is taken for an effect (Simpson
1951, The interpretation of interaction in contingency tables, JRSS B 13).
"""

import math
from collections.abc import Mapping, Sequence

from seatrial.analysis.effects import Measured, counts_of, measure
from seatrial.analysis.metrics import Metric
from seatrial.analysis.planning import Plan
from seatrial.analysis.reduce import Arms, Phased
from seatrial.analysis.verdicts import PhaseEffect
from seatrial.spec.errors import BadInput, NoData
from seatrial.spec.problems import did_you_mean
from seatrial.stats.all_variants import AllVariants, all_variants
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.effect import Effect
from seatrial.stats.phases import Phases, combine_phases

Shares = Mapping[str, Mapping[str, float]]
"""What each variant was to get, fractions of 1, by phase."""


def merged(phased: Phased, metric: str) -> list[Arms]:
    """One metric's arms, a phase each."""
    return [metrics[metric] for metrics in phased.values()]


def measure_over(
    metric: Metric, phases: Sequence[Arms], treatment: str, control: str, *, adjust: bool = True
) -> Measured:
    """The effect of one metric over all phases, each adjusted for its covariates by itself."""
    found = [
        measure(metric, arms.get(treatment), arms.get(control), adjust=adjust)
        for arms in phases
        if treatment in arms or control in arms
    ]
    if len(found) == 1:
        return found[0]
    effect = combine_phases([one.effect for one in found]).effect
    plain = combine_phases([one.unadjusted for one in found]).effect
    if all(one.variance_ratio is None for one in found) or not plain.se_unpooled > 0:
        return Measured(effect, plain, None)
    return Measured(effect, plain, (effect.se_unpooled / plain.se_unpooled) ** 2)


def measured_by_phase(metric: Metric, phases: Sequence[Arms], treatment: str, control: str, *, adjust: bool) -> Phases:
    """The same phase by phase, with Cochran's Q."""
    return combine_phases(
        [
            measure(metric, arms.get(treatment), arms.get(control), adjust=adjust).effect
            for arms in phases
            if treatment in arms or control in arms
        ]
    )


def shown(phased: Phased, metric: Metric, found: Phases, treatment: str, control: str) -> tuple[PhaseEffect, ...]:
    """Every phase's effect by name."""
    here = [name for name, metrics in phased.items() if {treatment, control} & metrics[metric.name].keys()]
    return tuple(
        PhaseEffect(
            name=name,
            n_treatment=one.n_treatment,
            n_control=one.n_control,
            effect=one.effect if _known(one) else None,
            se=one.se if _known(one) else None,
        )
        for name, one in zip(here, found.phases, strict=True)
    )


def _known(effect: Effect) -> bool:
    return min(effect.n_treatment, effect.n_control) > 1 and math.isfinite(effect.effect) and math.isfinite(effect.se)


def weight_of(shares: Mapping[str, float], treatment: str, control: str) -> float:
    """The treatment's part of the units of two variants; 0 where it had none."""
    t, c = shares.get(treatment, 0.0), shares.get(control, 0.0)
    return t / (t + c) if t + c > 0 else 0.0


def counts_over(
    metric: Metric, phased: Phased, shares: Shares, treatment: str, control: str
) -> tuple[PhaseCounts, ...]:
    """Units with and without the event, phase by phase, for the exact sequence; phases of one variant say nothing."""
    return tuple(
        counts
        for name, metrics in phased.items()
        if 0 < (weight := weight_of(shares[name], treatment, control)) < 1
        for counts in counts_of(metric, metrics[metric.name], treatment, control, weight)
    )


def shares_of_variants(metrics: Sequence[Metric], phased: Phased) -> tuple[AllVariants, ...]:
    """Of each share of units, one test over all variants; none of fewer than three."""
    found = []
    for metric in metrics:
        if metric.kind != "proportion" or metric.divided:
            continue
        phases = [
            {name: (round(arm.moments.column(0).total), arm.moments.n) for name, arm in arms.items()}
            for arms in merged(phased, metric.name)
        ]
        one = all_variants(metric.name, phases)
        found += [] if one is None else [one]
    return tuple(found)


def uncapped_over(phases: Sequence[Arms], treatment: str, control: str) -> float | None:
    """The effect without the cap, where there is one, weighted as the capped one is."""
    total = weights = 0.0
    for arms in phases:
        t, c = arms.get(treatment), arms.get(control)
        if t is None or c is None or t.uncapped is None or c.uncapped is None or min(t.moments.n, c.moments.n) < 1:
            continue
        weight = t.moments.n * c.moments.n / (t.moments.n + c.moments.n)
        total, weights = total + weight * (t.uncapped - c.uncapped), weights + weight
    return total / weights if weights and math.isfinite(total) else None


def shares_by_phase(
    plan: Plan, units: Mapping[str, Mapping[str, int]], variants: Sequence[str]
) -> dict[str, dict[str, float]]:
    """What each variant was to get in each phase, as planned; else equal shares of those that it has.

    Raises:
        BadInput: Shares of a phase or a variant that is not there, or none above 0 for one that is.
        NoData: Shares of a variant that nobody was exposed to yet.
    """
    if not plan.phase_shares:
        whole = _shares(plan.shares, variants)
        found = {}
        for phase, counts in units.items():
            kept = {name: whole[name] for name in variants if plan.shares or name in counts}
            found[phase] = {name: share / sum(kept.values()) for name, share in kept.items()}
        return found
    for name in plan.phase_shares:
        if name not in units:
            raise BadInput(f"the shares name the phase {name!r}, in which no unit came; {did_you_mean(name, units)}")
    named = {name for shares in plan.phase_shares.values() for name in shares}
    _shares(dict.fromkeys(named, 1.0), variants)
    found = {}
    for phase, counts in units.items():
        if phase not in plan.phase_shares:
            raise BadInput(f"the shares leave out the phase {phase!r}; give them for each of {', '.join(units)}")
        given = plan.phase_shares[phase]
        for name, share in given.items():
            if not (share >= 0 and math.isfinite(share)):
                raise BadInput(f"the share {share!r} of {name!r} in {phase!r} is none; give 0 or more")
        missing = [name for name in counts if not given.get(name, 0.0) > 0]
        if missing:
            raise BadInput(f"units came to {missing[0]!r} in the phase {phase!r}, whose shares give it nothing")
        found[phase] = {name: share / sum(given.values()) for name, share in given.items() if share > 0}
    return found


def _shares(shares: Mapping[str, float], variants: Sequence[str]) -> dict[str, float]:
    if not shares:
        return dict.fromkeys(variants, 1 / len(variants))
    if set(variants) < set(shares):
        empty = ", ".join(repr(name) for name in shares if name not in variants)
        raise NoData(f"no unit was exposed to {empty} yet, which the shares name; {did_you_mean(empty, variants)}")
    for name in shares:
        if name not in variants:
            raise BadInput(f"the shares name {name!r}, which no unit was exposed to; {did_you_mean(name, variants)}")
    missing = [name for name in variants if name not in shares]
    if missing or not all(share > 0 for share in shares.values()):
        raise BadInput(f"the shares must give each of {', '.join(variants)} a share above 0")
    total = sum(shares.values())
    return {name: shares[name] / total for name in variants}


def shares_of_all(shares: Shares, units: Mapping[str, Mapping[str, int]], variants: Sequence[str]) -> dict[str, float]:
    """What each variant was to get of the units of all phases, fractions of 1."""
    total = sum(sum(counts.values()) for counts in units.values())
    return {
        name: sum(sum(counts.values()) * shares[phase].get(name, 0.0) for phase, counts in units.items()) / total
        for name in variants
    }


def only(phased: Phased) -> dict[str, Arms] | None:
    """The arms by metric where there is one phase; else None."""
    return next(iter(phased.values())) if len(phased) == 1 else None
