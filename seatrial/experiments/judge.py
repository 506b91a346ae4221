"""The judge: what is known about a release now, from rows and outcomes, as one frozen value.

It reads once, decides by the always-valid sequences alone, and puts everything else beside them. The same source,
release and moment give the same judgement, whatever is remembered of earlier ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from seatrial.experiments import sentences
from seatrial.experiments.asks import Ask, asks_of, measures_of
from seatrial.experiments.caps import fixed_caps
from seatrial.experiments.census import Census
from seatrial.experiments.checks import (
    Losses,
    check_both_arms,
    check_covariates,
    check_coverage,
    check_crossers,
    check_dropped,
    check_outcome_ids,
    check_phases,
    check_sample_ratio,
)
from seatrial.experiments.doubts import check_carry_over, check_gaps, check_novelty
from seatrial.experiments.exposing import in_clusters
from seatrial.experiments.family import as_family
from seatrial.experiments.gaps import find_gaps
from seatrial.experiments.judgement import Check, Judgement, MetricJudgement
from seatrial.experiments.measure import Measure
from seatrial.experiments.metric import judge_metric, without_data
from seatrial.experiments.model_measures import KINDS
from seatrial.experiments.narrowed import Shared, shared_ids
from seatrial.experiments.outcome_ids import ids_of_both_arms
from seatrial.experiments.question import outcomes_of
from seatrial.experiments.remembered import read_again
from seatrial.experiments.row_columns import answer_column, column_names
from seatrial.experiments.sample import Sample, take_sample
from seatrial.experiments.shadow.compare import compare_shadow, failures_tolerated
from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.experiments.shelf import Shelves
from seatrial.experiments.source import Source
from seatrial.experiments.summed import sample_of
from seatrial.experiments.sums import is_summed
from seatrial.experiments.thresholds import fixed_thresholds
from seatrial.experiments.trigger import Triggers, check_trigger_rate, check_untriggered, read_triggers
from seatrial.experiments.units import RowCounts, Units, count_crossers, count_rows
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput
from seatrial.stats.recommendation import Recommendation, recommend
from seatrial.stats.verdict import Word, withheld

NO_LOSSES = Losses()


def judge(
    deployment: Deployment,
    run: ReleaseRun,
    view: Source,
    now: int,
    *,
    losses: Losses = NO_LOSSES,
    shelves: Shelves | None = None,
    in_detail: bool = False,
    primary_alpha: float | None = None,
) -> Judgement:
    """What is known about a release at one moment.

    Args:
        deployment: The file: metrics, primary, guardrails, unit.
        run: The release as it stands: phases, versions, and the numbers fixed before the first look.
        view: Where rows and outcomes are read; one consistent state.
        now: Microseconds since 1970 UTC; nothing later is seen.
        losses: Rows that were served and never written.
        shelves: Where what was read is kept, so that the next judgement reads only what is new; None: nowhere.
        in_detail: Also what takes seconds or shows answers, of a shadow: for somebody who asked, not to be kept.
        primary_alpha: Of the primary, where it is one of several questions; None: the release's, as of all metrics.

    Raises:
        BadInput: The file has no release, or names a metric that does not exist.
    """
    if deployment.release is None:
        raise BadInput(f"deployment {deployment.deployment!r} has no release to judge: add `release:` to its file.")
    shadow = compare_shadow(deployment, run, view, now, in_detail=in_detail)
    if not run.phases:
        return _before_units(deployment, run, now, shadow)
    run = msgspec.structs.replace(run, caps=fixed_caps(deployment, run, view, now) | run.caps)
    thresholds = fixed_thresholds(view, run, now)
    answers = answer_column(view) is not None
    names = column_names(view)
    asks = asks_of(deployment, deployment.release, run, thresholds, answers=answers, columns=names)
    if primary_alpha is not None:
        name = deployment.release.primary.metric
        question = msgspec.structs.replace(asks[name].question, alpha=primary_alpha)
        asks[name] = replace(asks[name], question=question)
    measures = {measure.name: measure for measure in measures_of(deployment, run, asks)}
    outcomes = outcomes_of(list(measures.values()))
    shared = shared_ids(view, outcomes)
    whole = deployment.unit.cluster is None and deployment.release.trigger is None
    summed = [name for name, measure in measures.items() if whole and _by_sums(asks[name], measure)]
    known = read_again(view, run, list(measures.values()), now, shelves, shared, summed)
    triggers = read_triggers(view, run, now, names) if deployment.release.trigger is not None else None
    units: Units | None = None
    samples: dict[str, Sample] = {}
    judged: dict[str, MetricJudgement] = {}
    for name, measure in measures.items():  # one by one, for their columns may be long
        if name in known.sums:
            samples[name] = sample_of(known.sums[name], measure, run, now)
            judged[name] = judge_metric(asks[name], samples[name], measure, run, deployment.unit.name)
            continue
        if units is None:
            units = in_clusters(known.units, view, run, now, deployment.unit.cluster)
        asked = triggers is not None and asks[name].part != "guardrail" and bool(measure.outcomes)
        only = triggers.within(units, measure.within) if triggers is not None and asked else None
        sample = take_sample(units, known.columns[name], measure, run, now, only)
        judged[name] = judge_metric(asks[name], sample, measure, run, deployment.unit.name)
        samples[name] = sample.without_units()
    rows = count_rows(view, run, now)
    checks = (
        check_sample_ratio(known.census.fresh(), run),
        check_both_arms(known.census.in_both_arms),
        *check_crossers(count_crossers(view, run, now, names), known.census.n, deployment.unit.name),
        *_check_ids(view, run, outcomes, shared, now),
        check_dropped(losses, rows, run),
        check_coverage({name: s.coverage for name, s in samples.items() if s.coverage is not None}, run),
        check_phases({name: samples[name] for name in samples if asks[name].part != "secondary"}),
        *check_covariates(samples),
        *(_trigger_checks(samples, triggers, run) if triggers is not None else ()),
        *check_novelty(samples, run),
        *check_carry_over(samples, run),
        check_gaps(find_gaps(view, run, known.census, outcomes, now)),
    )
    metrics = [judged.get(name) or without_data(ask, ask.impossible) for name, ask in asks.items()]
    metrics = as_family(metrics, run, deployment.unit.name)
    return _conclude(deployment, run, now, _Found(known.census, rows, metrics, checks, run.caps | thresholds, shadow))


def _by_sums(ask: Ask, measure: Measure) -> bool:
    """Whether all that is said of a metric can be told from sums: planned looks cut units, scores read answers."""
    at_any_time = ask.part == "guardrail" or ask.plan.name == "always-valid"
    return is_summed(measure) and at_any_time and ask.kind not in KINDS and ask.kind != "value"


def _trigger_checks(samples: Mapping[str, Sample], triggers: Triggers, run: ReleaseRun) -> tuple[Check, ...]:
    return check_trigger_rate(samples, triggers, run), check_untriggered(samples, run)


def _check_ids(
    view: Source, run: ReleaseRun, outcomes: Sequence[str], shared: Shared | None, now: int
) -> tuple[Check, ...]:
    """None where no outcome is measured."""
    if not outcomes:
        return ()
    moved = None if shared is None else shared.moved
    return (check_outcome_ids(ids_of_both_arms(view, run, outcomes, moved, now)),)


class _Found(NamedTuple):
    census: Census
    rows: RowCounts
    metrics: Sequence[MetricJudgement]
    checks: tuple[Check, ...]
    caps: dict[str, float]
    shadow: ShadowComparison | None


def _before_units(deployment: Deployment, run: ReleaseRun, now: int, shadow: ShadowComparison | None) -> Judgement:
    assert deployment.release is not None
    return Judgement(
        **_identity(deployment, run, now),
        recommendation="wait",
        caps=run.caps,
        edited=run.edited,
        shadow=shadow,
        sentence=sentences.before_units(deployment.release, run, shadow, now, failures_tolerated(deployment.release)),
    )


def _conclude(deployment: Deployment, run: ReleaseRun, now: int, found: _Found) -> Judgement:
    failed = [check for check in found.checks if check.withholds and not check.ok]
    metrics = [_distrusted(metric, failed) for metric in found.metrics] if failed else list(found.metrics)
    recommendation = _recommend(metrics, trusted=not failed)
    unit = deployment.unit.name
    return Judgement(
        **_identity(deployment, run, now),
        recommendation=recommendation,
        because=_because(recommendation, metrics, failed),
        metrics=tuple(metrics),
        checks=found.checks,
        exposed={variant: found.census.of(variant) for variant in (run.champion, run.challenger)},
        fresh=found.census.fresh().get(run.phase.number, {}).get(run.challenger, 0) if run.phase else 0,
        left_out=found.rows.left_out,
        caps=found.caps,
        edited=run.edited,
        shadow=found.shadow,
        sentence=sentences.overall(recommendation, metrics, found.checks, run, unit),
    )


def _identity(deployment: Deployment, run: ReleaseRun, now: int) -> dict[str, Any]:
    return {
        "deployment": run.deployment,
        "release": run.id,
        "stage": run.stage,
        "unit": deployment.unit.name,
        "champion": run.champion,
        "challenger": run.challenger,
        "champion_version": run.champion_version,
        "challenger_version": run.challenger_version,
        "at": now,
        "method": run.plan.name,
    }


def _distrusted(metric: MetricJudgement, failed: Sequence[Check]) -> MetricJudgement:
    reason = " and ".join(_REASONS[check.name] for check in failed)
    verdict = withheld(metric.verdict, reason)
    return msgspec.structs.replace(metric, verdict=verdict, sentence=verdict.sentence)


_REASONS: dict[str, str] = {
    "sample-ratio": "units do not arrive in the configured shares",
    "both-arms": "units met two variants within one phase",
    "outcome-ids": "units of both variants share ids of outcomes",
    "dropped-rows": "rows were dropped",
    "label-coverage": "the arms have unequal shares of their labels or numbers",
    "trigger-rate": "the arms were triggered unequally",
    "untriggered": "units whose answers did not differ show an effect",
}


def _recommend(metrics: Sequence[MetricJudgement], *, trusted: bool) -> Recommendation:
    words: dict[str, list[Word]] = {"primary": [], "guardrail": [], "secondary": []}
    for metric in metrics:
        words[metric.part].append(metric.verdict.word)
    return recommend(primary=words["primary"][0], guardrails=words["guardrail"], trusted=trusted)


def _because(
    recommendation: Recommendation, metrics: Sequence[MetricJudgement], failed: Sequence[Check]
) -> tuple[str, ...]:
    """The checks or metrics that made it so: for ``wait``, those that something is still missing of."""
    if recommendation == "withheld":
        return tuple(check.name for check in failed)
    acting = [metric for metric in metrics if metric.part != "secondary"]
    if recommendation == "stop":
        return tuple(metric.name for metric in acting if metric.verdict.word == "worse")
    if recommendation == "wait":
        settled = ("better", "equivalent", "non-inferior")
        return tuple(metric.name for metric in acting if metric.verdict.word not in settled)
    return tuple(metric.name for metric in acting)
