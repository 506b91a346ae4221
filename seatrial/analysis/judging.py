"""Judging an experiment from files: read once, reduced to moments, checked, then decided. The library by itself.

import seatrial
seatrial.judge("exposures.parquet", "outcomes.parquet", metrics={"conversion": "proportion:purchase"})
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seatrial.analysis import trust
from seatrial.analysis.at_looks import take_looks
from seatrial.analysis.changing import check_changing
from seatrial.analysis.deciding import conclude
from seatrial.analysis.ends import check_ends
from seatrial.analysis.families import together
from seatrial.analysis.files import Columns, Data, Files
from seatrial.analysis.joining import check_early, check_joined
from seatrial.analysis.judged import Judged
from seatrial.analysis.one_by_one import read_columns
from seatrial.analysis.phases import (
    Shares,
    merged,
    shares_by_phase,
    shares_of_all,
    shares_of_variants,
)
from seatrial.analysis.planning import CONTROLS, Plan, plan_of, with_options
from seatrial.analysis.reduce import Arms, Phased, Reduction
from seatrial.analysis.relation import Relation
from seatrial.analysis.repeats import check_repeats
from seatrial.analysis.unfolding import unfold
from seatrial.analysis.verdicts import Analysis, Check, How
from seatrial.spec.errors import BadInput, NoData
from seatrial.spec.problems import did_you_mean
from seatrial.stats.effect import Effect
from seatrial.stats.families import FamilyName
from seatrial.stats.looks_so_far import LookPlan
from seatrial.stats.novelty import Novelty, novelty
from seatrial.stats.phases import combine_phases


def judge(
    exposures: Data,
    outcomes: Data | None = None,
    *,
    metrics: Mapping[str, str] | str | Path,
    primary: str = "",
    minimum_effect: str | None = None,
    guardrails: Mapping[str, str] | None = None,
    alpha: float | None = None,
    method: How = "fixed",
    looks: LookPlan | None = None,
    over: bool = False,
    control: str = "",
    shares: Mapping[str, float | Mapping[str, float]] | None = None,
    columns: Columns = Columns(),
    over_time: bool | None = False,
    segments: Sequence[str] = (),
    family: FamilyName | None = None,
    cluster: str = "",
    phase: str = "",
    as_of: str | None = None,
) -> Analysis:
    """Judges an experiment from files or tables; nothing is served, stored or installed.

    Args:
        exposures: Who was exposed to what: ``unit``, ``variant``, ``at``. Without outcomes a row a unit, with its
            totals as columns.
        outcomes: What happened afterwards: ``unit``, ``outcome``, ``at``, ``value`` and fields as columns.
        metrics: By name, as flags write them (``{"revenue": "mean:purchase.amount,within=7d"}``), or a metrics file.
        primary: The metric that decides; the first unless named.
        minimum_effect: The smallest difference that matters: ``relative:2%`` or ``absolute:0.5``.
        guardrails: By how much a metric may be worse at most, written likewise.
        alpha: Chance of a false claim on the primary; 0.05.
        method: ``fixed`` for one look at the planned end; ``always-valid`` when it is repeated as data come in;
            ``group-sequential`` for a few planned looks.
        looks: Those: planned units of all variants, how many looks, and how alpha is spent over them.
        over: Whether no more units come, so that what is left of alpha is spent on all there are.
        control: Which variant the others are compared with; the one called ``control`` or ``champion`` unless named.
        shares: What each variant was to get (any scale), or that by phase; equal unless given.
        columns: What the files call unit, variant and time.
        over_time: Also the effect as it stood over time; needs times. None: where there are times.
        segments: Columns of the exposures by whose values effects are shown too.
        family: How several treatments, and the metrics that do not decide, are adjusted: ``holm`` unless said.
        cluster: A column of the exposures above the unit that was drawn whole; clusters are then what is counted.
        phase: A column of the exposures that names the period of constant weights; variants are compared inside each.
        as_of: Until when both files are complete (2026-03-02T09:00:00Z); as far as their outcomes reach unless given.

    Raises:
        BadInput: A file, column, metric or value that cannot be used; the message names it.

    Example:
        >>> import pandas as pd
        >>> units = pd.DataFrame({"unit": range(400), "variant": ["control", "new"] * 200, "spent": [1, 2, 3, 5] * 100})
        >>> judge(units, metrics={"spent": "mean:spent"}).comparisons[0].primary.verdict.word
        'better'
    """
    plan = plan_of(metrics, outcomes=outcomes is not None)
    plan = with_options(
        plan,
        primary=primary,
        minimum_effect=minimum_effect,
        guardrails=guardrails or {},
        alpha=alpha,
        method=method,
        looks=looks,
        over=over,
        control=control,
        shares=shares or {},
        family=family,
        cluster=cluster,
        phase=phase,
        as_of=as_of,
    )
    with Files(exposures, outcomes, columns) as files:
        unfolded = files.timed if over_time is None else over_time
        return judge_files(files, plan, over_time=unfolded, segments=segments)


def judge_files(files: Files, plan: Plan, *, over_time: bool = False, segments: Sequence[str] = ()) -> Analysis:
    """The same with the files open and the plan made."""
    plan = plan.checked()
    segments = tuple(dict.fromkeys((*plan.segments, *segments)))
    for segment in segments:
        files.text("exposures", segment)
    apart = [metric for metric in plan.metrics if metric.one_by_one]
    several = over_time or bool(segments or apart)
    relation = Relation(
        files,
        plan.metrics,
        segments,
        several=several,
        cluster=plan.cluster,
        phase=plan.phase,
        as_of=plan.as_of,
        once=plan.method == "fixed",
    )
    reduction = Reduction(files, relation)
    plan = replace(plan, metrics=reduction.metrics)
    phased = reduction.arms()[""] if reduction.crowd.units else {}
    if not phased:
        raise NoData(f"{files.names['exposures']} has no rows; there is nobody to judge yet")
    control = _control(plan, reduction.crowd.units)
    treatments = tuple(v for v in sorted(reduction.crowd.units) if v != control)
    if not treatments:
        raise NoData(
            f"{files.names['exposures']} has the one variant {control!r}; there is nothing to compare it with yet"
        )
    if plan.looks is not None and len(treatments) > 1:
        raise BadInput(
            f"planned looks compare two variants, and these are {control}, {', '.join(treatments)}; use --method "
            "always-valid, or judge two of them"
        )
    units = reduction.units()
    shares = shares_by_phase(plan, units, (control, *treatments))
    checks, unbalanced = _checks(plan, reduction, phased, control, treatments, shares)
    judged = Judged(plan, phased, control, shares, unbalanced, taken=take_looks(reduction, plan))
    judged = replace(judged, columns=read_columns(reduction, plan, judged.small_means(treatments)))
    failed = [check for check in checks if check.withholds and not check.ok]
    findings = together(judged, treatments)
    if len(phased) > 1:
        checks = (*checks, trust.check_phases(judged.heterogeneity(treatments)))
    found = Analysis(
        control=control,
        method=plan.method,
        alpha=plan.alpha,
        units=dict(reduction.crowd.units),
        shares=shares_of_all(shares, units, (control, *treatments)),
        until=reduction.crowd.until,
        checks=checks,
        family=plan.family,
        comparisons=tuple(
            conclude(treatment, control, found, failed, judged.next_by) for treatment, found in findings.items()
        ),
        all_variants=shares_of_variants(plan.metrics, phased),
    )
    if over_time or segments:
        return unfold(
            found, reduction, plan, over_time=over_time, segments=segments, shares=shares, unbalanced=unbalanced
        )
    return found


def _control(plan: Plan, units: Mapping[str, int]) -> str:
    if plan.control:
        if plan.control not in units:
            raise BadInput(f"no unit was exposed to the control {plan.control!r}; {did_you_mean(plan.control, units)}")
        return plan.control
    found = [name for name in CONTROLS if name in units]
    if len(found) != 1:
        raise BadInput(f"the variants are {', '.join(sorted(units))}; say which is the control (--control)")
    return found[0]


def _checks(
    plan: Plan,
    reduction: Reduction,
    phased: Phased,
    control: str,
    treatments: Sequence[str],
    shares: Shares,
) -> tuple[tuple[Check, ...], frozenset[str]]:
    """The checks, and the covariates that are out of balance."""
    variants = (control, *treatments)
    found = [
        trust.check_sample_ratio(
            reduction.units(), shares, plan.method, stated=bool(plan.shares or plan.phase_shares), phase=plan.phase
        ),
        trust.check_both_arms(reduction.crowd),
        trust.check_coverage(plan.metrics, phased, variants),
    ]
    counts = reduction.counts()
    found += [] if counts is None else [check_changing(counts, shares, plan.method, plan.phase)]
    found += _of_outcomes(reduction)
    found += _warnings(plan, phased, control, treatments)
    found += [] if counts is None else [trust.check_gaps(counts, shares)]
    balance: dict[str, list[Effect]] = {}
    for metric in plan.metrics:
        for column, name in enumerate(reduction.covariates(metric), start=len(metric.totals)):
            for treatment in treatments:
                effects = [_covariate_effect(arms, treatment, control, column) for arms in merged(phased, metric.name)]
                known = [effect for effect in effects if effect is not None]
                balance.setdefault(name, []).extend([combine_phases(known).effect] if known else [])
    if not balance:
        return tuple(found), frozenset()
    check, odd = trust.check_covariates(balance)
    return (*found, check), odd


def _of_outcomes(reduction: Reduction) -> list[Check]:
    """Of a file of outcomes: whose they are, when they happened, and which stand twice."""
    crowd = reduction.crowd
    found = [check_joined(crowd.joined)] if crowd.joined else []
    timed = {name: one for name, one in crowd.joined.items() if one.early is not None}
    found += [check_early(timed)] if timed else []
    found += [check_repeats(crowd.repeats)] if crowd.repeats.checked else []
    return [*found, check_ends(crowd.ends)] if crowd.ends else found


def _warnings(plan: Plan, phased: Phased, control: str, treatments: Sequence[str]) -> list[Check]:
    """What makes a verdict doubtful without withholding it, as far as the files tell."""
    faded: dict[str, list[Novelty]] = {}
    before: dict[str, list[Effect]] = {}
    for metric in plan.metrics:
        for treatment in treatments:
            earlier: list[Effect] = []
            for arms in merged(phased, metric.name):
                t, c = arms.get(treatment), arms.get(control)
                if t is None or c is None or min(t.moments.n, c.moments.n) < 2:
                    continue
                if t.halves is not None and c.halves is not None and (one := novelty(t.halves, c.halves)) is not None:
                    faded.setdefault(metric.name, []).append(one)
                if t.before is not None and c.before is not None and t.before.m2 + c.before.m2 > 0:
                    earlier.append(Effect.of_means(t.before, c.before))
            if earlier:
                before.setdefault(metric.name, []).append(combine_phases(earlier).effect)
    checks = [trust.check_novelty(faded)] if faded else []
    return checks + ([trust.check_carry_over(before)] if before else [])


def _covariate_effect(arms: Arms, treatment: str, control: str, column: int) -> Effect | None:
    if treatment not in arms or control not in arms or min(arms[v].moments.n for v in (treatment, control)) < 2:
        return None
    return Effect.of_means(arms[treatment].moments.column(column), arms[control].moments.column(column))
