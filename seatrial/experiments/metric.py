"""From one metric's sample to what is said about it: the verdict, and everything shown beside it."""

from typing import NamedTuple

import msgspec

from seatrial.experiments import sentences
from seatrial.experiments.asks import Ask
from seatrial.experiments.counted import Counted
from seatrial.experiments.exactly import judge_exactly
from seatrial.experiments.judgement import Counts, MetricJudgement, PhaseEffect
from seatrial.experiments.measure import Measure
from seatrial.experiments.one_look import judge_once
from seatrial.experiments.planned import judge_planned
from seatrial.experiments.returns import returns_on_costs
from seatrial.experiments.sample import Sample, weight_left
from seatrial.experiments.scores import scores_of
from seatrial.experiments.shapes import BY_ROW
from seatrial.experiments.shown_items import coverage_of, coverage_scores, coverage_sentence, places_of
from seatrial.experiments.trigger import triggered
from seatrial.releases.run import ReleaseRun
from seatrial.stats.bayes import Bayesian, compare_normal, compare_shares, region
from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Method
from seatrial.stats.exact_proportion import shares_tests
from seatrial.stats.guardrail import judge_guardrail
from seatrial.stats.interval import TestResult, finite
from seatrial.stats.minimum import is_few, what_is_missing_once
from seatrial.stats.primary import judge_primary
from seatrial.stats.quantile_difference import quantile_test
from seatrial.stats.resampling import bootstrap_of_few
from seatrial.stats.statement import no_data
from seatrial.stats.uncertain_ratio import fieller_test, is_uncertain
from seatrial.stats.verdict import Verdict
from seatrial.stats.welch import welch_of


def judge_metric(ask: Ask, sample: Sample, measure: Measure, run: ReleaseRun, unit: str) -> MetricJudgement:
    """All that can be said about a metric now; ``unit`` is what a unit is called."""
    verdict = verdict_of(ask, sample, measure, run)
    effect = sample.effect
    judged = MetricJudgement(
        name=ask.question.metric,
        part=ask.part,
        kind=ask.kind,
        verdict=verdict,
        within=measure.within / 1e6,
        matures=measure.matures / 1e6,
        counts=Counts(
            champion=effect.n_control,
            challenger=effect.n_treatment,
            waiting=sample.waiting,
            censored=sample.censored,
            missing=sample.missing,
            late=sample.late,
            early=sample.early,
            events=_events(sample),
            clusters=None if sample.effect.clusters is None else max(sample.effect.clusters),
        ),
        phases=tuple(_phase(number, found, run) for number, found in sample.by_phase.items()),
        fixed=_fixed(ask, sample, run),
        bayesian=_bayesian(ask, sample),
        uncapped=None if sample.uncapped is None else finite(sample.uncapped.effect),
        cap=ask.cap,
        tolerated=ask.tolerated,
        adjustment=sample.adjustment,
        scores=scores_of(ask.kind, sample.counted, run),
        places=places_of(sample.counted, run) if measure.one_by_one and sample.counted is not None else (),
        sentence="",
    )
    judged = msgspec.structs.replace(judged, triggered=triggered(judged, sample, run))
    if measure.catalogue is not None and sample.counted is not None:
        return _covered(judged, sample.counted, measure.catalogue, run, unit)
    return msgspec.structs.replace(judged, sentence=sentences.of_metric(judged, run, unit))


def _covered(judged: MetricJudgement, counted: Counted, catalogue: int, run: ReleaseRun, unit: str) -> MetricJudgement:
    """Coverage: a number of the whole variant, beside a verdict that says nothing."""
    found = coverage_of(counted, catalogue, judged.verdict.alpha)
    sentence = coverage_sentence(judged.name, found, catalogue, run, unit)
    return msgspec.structs.replace(
        judged,
        verdict=msgspec.structs.replace(judged.verdict, sentence=sentence),
        fixed=() if found.difference is None else (found.difference,),
        scores=coverage_scores(found, run),
        sentence=sentence,
    )


def without_data(ask: Ask, reason: str) -> MetricJudgement:
    """A metric of which nothing is known yet, and why."""
    question = ask.question
    verdict = Verdict(
        metric=question.metric,
        role=ask.part,
        word="no-data",
        want=question.want,
        method="always-valid",
        alpha=question.alpha,
        alpha_worse=question.alpha_worse,
        margin_scale=None if question.margin is None else question.margin.scale,
        margin=None if question.margin is None else question.margin.size,
        reason=reason,
        sentence=f"{question.metric}: no data yet, {reason}.",
    )
    return MetricJudgement(
        name=question.metric,
        part=ask.part,
        kind=ask.kind,
        verdict=verdict,
        within=0.0,
        matures=0.0,
        counts=Counts(champion=0, challenger=0),
        cap=ask.cap,
        tolerated=ask.tolerated,
        sentence=verdict.sentence,
    )


def verdict_of(ask: Ask, sample: Sample, measure: Measure, run: ReleaseRun) -> Verdict:
    """The verdict that is acted on."""
    if measure.shape == "coverage":
        return no_data(sample.effect, ask.question, ask.part, "fixed", "it is a number of the whole variant")
    if measure.shape in BY_ROW and sample.counted is not None and ask.plan.name != "fixed":
        return judge_once(ask, sample.effect, sample.counted)
    if measure.ranks and ask.plan.name != "fixed":
        return no_data(sample.effect, ask.question, ask.part, "fixed", "ranks are compared once, by the method fixed")
    # A share's events are counted by request, an exact sequence's by unit (of latency: its first request): they answer
    # the same question only where the line is 0, as for a guardrail whose margin is inside its threshold.
    exact = measure.shape == "proportion" or (ask.kind == "latency" and ask.part == "guardrail")
    counts = sample.counts if exact else ()
    exactly = judge_exactly(ask, sample, measure, run)
    if ask.part == "guardrail":
        if exactly is not None:
            return exactly
        clustered = sample.counted is not None and sample.counted.cluster is not None
        method: Method = "always-valid" if clustered else method_of_guardrail(ask)
        return judge_guardrail(sample.effect, ask.question, counts=counts, method=method)
    watched = exactly or judge_primary(sample.effect, ask.question, counts=counts, role=ask.part)
    # A posterior has no p-value by which a word could stand as one of a family: the sequence speaks in its place.
    by_sequence = ask.plan.name == "always-valid" or (ask.plan.name == "bayes" and ask.part == "secondary")
    return watched if by_sequence else judge_planned(ask, sample, measure, watched)


def method_of_guardrail(ask: Ask) -> Method:
    """On a ratio of rates the exact sequence finds rare failures sooner; on an absolute margin it does not."""
    margin = ask.question.margin
    on_ratio = margin is None or margin.scale == "relative" or margin.size == 0
    return "exact" if ask.question.metric == "errors" and on_ratio else "always-valid"


def _phase(number: int, effect: Effect, run: ReleaseRun) -> PhaseEffect:
    known = effect.n_treatment > 1 and effect.n_control > 1
    return PhaseEffect(
        number=number,
        share=weight_left(run, number, 0) or 0.0,
        champion=effect.n_control,
        challenger=effect.n_treatment,
        effect=finite(effect.effect) if known else None,
        standard_error=finite(effect.se) if known else None,
    )


def _fixed(ask: Ask, sample: Sample, run: ReleaseRun) -> tuple[TestResult, ...]:
    effect, table = sample.arrived, _table(sample)
    if min(effect.n_treatment, effect.n_control) < 2:
        return ()
    found = [welch_of(effect, ask.question.alpha)]
    if sample.with_late is not None and sample.with_late.shape == "quantile":
        found = [quantile_test(sample.with_late.arms(), sample.with_late.q, ask.question.alpha)]
    found += _of_one_look(ask, sample)
    if ask.kind == "value" and sample.counted is not None:
        found += returns_on_costs(sample.counted, ask.question.alpha, (run.challenger, run.champion))
    if table is not None:
        found += shares_tests(*table, ask.question.alpha)
    return tuple(msgspec.structs.replace(result, method=f"{result.method} (fixed)") for result in found)


def _of_one_look(ask: Ask, sample: Sample) -> tuple[TestResult, ...]:
    """Where the plan is one look: of a mean that it tells by permutation the bootstrap too, and of a ratio whose
    denominators are uncertain Fieller's interval. At any time means and ratios may be known from sums alone."""
    units = sample.with_late
    if units is None or ask.plan.name != "fixed" or ask.part == "guardrail":
        return ()
    ratios, alpha = units.ratios(), ask.question.alpha
    if is_uncertain(ratios) and sample.arrived.se > 0:
        return (fieller_test(ratios, degrees_of(sample.arrived), alpha),)
    if units.shape != "mean" or what_is_missing_once(sample.arrived) is None:
        return ()
    strata = units.arms()
    few = len(strata) == 1 and strata[0].fewest > 1 and is_few(sample.arrived, *strata[0])
    return bootstrap_of_few(*strata[0], alpha) if few else ()


def _bayesian(ask: Ask, sample: Sample) -> Bayesian | None:
    effect, table = sample.arrived, _table(sample)
    if min(effect.n_treatment, effect.n_control) < 2:
        return None
    rope = region(ask.question.margin, effect.control_mean) if ask.part != "guardrail" else None
    alpha = ask.question.alpha
    if table is not None and ask.plan.prior_sd is None:
        found = compare_shares(*table, alpha=alpha, rope=rope)
    elif effect.se_unpooled > 0:
        found = compare_normal(effect, ask.plan.prior_sd, alpha, prior_mean=ask.plan.prior_mean, rope=rope)
    else:
        return None
    if ask.question.want == "higher":
        return found
    return msgspec.structs.replace(
        found, p_better=1 - found.p_better, loss_treatment=found.loss_control, loss_control=found.loss_treatment
    )


def _events(sample: Sample) -> tuple[tuple[int, int], tuple[int, int]] | None:
    table = _table(sample)
    if table is None:
        return None
    return (table.champion, table.champion_units), (table.challenger, table.challenger_units)


class _Table(NamedTuple):
    challenger: int
    challenger_units: int
    champion: int
    champion_units: int


def _table(sample: Sample) -> _Table | None:
    """Units with the event, and all, by arm; None where there are no events, several phases to be kept apart, or
    clusters."""
    events = None if sample.arrived.clusters is not None else sample.arrived.events
    if events is None or not sample.two_valued or len(sample.phases.phases) != 1:
        return None
    return _Table(round(events.treatment), sample.arrived.n_treatment, round(events.control), sample.arrived.n_control)
