"""Verdicts by a plan: one look at a planned end, a few planned looks, or a posterior.

What a planned look saw is found again at any time, because what had arrived when a unit matured never changes: the
units that were first exposed until the planned end, or the first so many by exposure. Looking between two planned looks
therefore shows what the last one showed, and nothing is spent. A single look at a planned end has no earlier one to
agree with: what arrived late until then enters it. What arrives after it does not, for a verdict that changes with
every late outcome is many looks (as much variance late as on time: 12.9 % false claims instead of 5 %).
"""

import math

import numpy as np

from seatrial.experiments.asks import Ask
from seatrial.experiments.counted import Counted, Mask, refusal
from seatrial.experiments.measure import Measure, micros
from seatrial.experiments.one_look import judge_once
from seatrial.experiments.sample import Sample
from seatrial.experiments.shapes import BY_ROW
from seatrial.releases.plan import Plan
from seatrial.spec.units import show_count, show_moment
from seatrial.stats.at_once import judge_at_once, judge_by_ranks, judge_quantile_at_once
from seatrial.stats.bayes import NOTE, compare_normal
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence
from seatrial.stats.interval import Interval
from seatrial.stats.looks_so_far import LookPlan, judge_so_far
from seatrial.stats.minimum import what_is_missing, what_is_missing_once
from seatrial.stats.primary import word_of
from seatrial.stats.spending import Spending
from seatrial.stats.statement import no_data, stated
from seatrial.stats.uncertain_ratio import is_uncertain
from seatrial.stats.unconditional import Table
from seatrial.stats.verdict import Verdict


def judge_planned(ask: Ask, sample: Sample, measure: Measure, watched: Verdict) -> Verdict:
    """The verdict of a metric that is not a guardrail, by its release's plan.

    Args:
        ask: Its question and plan.
        sample: Its units.
        measure: When they mature.
        watched: The verdict at every look, which alone may say ``worse`` for a posterior.
    """
    counted = sample.counted
    if counted is None:  # only totals are known: nothing can be cut to a plan
        return watched
    if ask.plan.name == "fixed":
        return _at_the_end(ask, sample, counted, measure)
    if ask.plan.name == "group-sequential":
        return _at_looks(ask, sample, counted, measure)
    return _posterior(ask, sample.effect, watched) if ask.plan.name == "bayes" else watched


def _at_the_end(ask: Ask, sample: Sample, counted: Counted, measure: Measure) -> Verdict:
    """Once, of the units that were planned: before that nothing, and afterwards the same of the same units. What came
    late until the planned end counts where that is a moment; by units, and of answers, only what each matured with."""
    plan = ask.plan
    waiting = _until(plan, ask.began + measure.matures, sample.at, counted)
    if waiting:
        return no_data(sample.effect, ask.question, ask.part, "fixed", waiting)
    planned = np.cumsum(counted.here) <= plan.units if plan.units is not None else _exposed_by(counted, ask)
    whole = sample.with_late if sample.with_late is not None and measure.stops else counted
    part = whole.where(planned)
    if measure.shape in BY_ROW:
        return judge_once(ask, effect_of(part), part)
    return _once(ask, measure, part)


def _once(ask: Ask, measure: Measure, part: Counted) -> Verdict:
    """By the method that fits: few units, or events, are judged exactly and not adjusted; within one stratum."""
    plain, strata = part.without_covariate(), part.parts()
    effect = plain.combined().effect
    small = what_is_missing_once(effect) is not None
    if measure.shape == "quantile":
        return judge_quantile_at_once(effect, ask.question, ask.part, part.arms(), part.q)
    ratios = part.ratios()
    if len(strata) != 1:
        if measure.ranks:
            reason = "ranks cannot be combined over changes of weights"
            return no_data(effect, ask.question, ask.part, "fixed", reason)
        by_fieller = is_uncertain(ratios)
        return judge_at_once(effect if by_fieller else effect_of(part), ask.question, ask.part, ratios=ratios)
    (here,) = strata.values()
    t, c = part.x[here & part.treatment], part.x[here & ~part.treatment]
    if measure.ranks:
        return judge_by_ranks(effect, ask.question, ask.part, lambda: (t, c))
    return judge_at_once(
        effect if small or is_uncertain(ratios) else effect_of(part),
        ask.question,
        ask.part,
        table=Table(int((t > 0).sum()), t.size, int((c > 0).sum()), c.size) if measure.shape == "proportion" else None,
        values=(lambda: (t, c)) if measure.shape == "mean" else None,
        ratios=ratios,
    )


def _exposed_by(counted: Counted, ask: Ask) -> Mask:
    until: Mask = counted.first_at <= ask.began + micros(ask.plan.after or 0.0)
    return until


def _until(plan: Plan, matured_from: int, now: int, counted: Counted) -> str:
    """What the planned end waits for, in words; "" when it has come."""
    if plan.units is not None:
        if counted.n >= plan.units:
            return ""
        return (
            f"{show_count(counted.n)} of {show_count(plan.units)} planned units have matured; it is judged once, then"
        )
    end = matured_from + micros(plan.after or 0.0)
    return f"it is judged once, at its planned end {show_moment(end)}" if now < end else ""


def _at_looks(ask: Ask, sample: Sample, counted: Counted, measure: Measure) -> Verdict:
    """At the looks so far. A release that has run `at_most` looks once more, at all that had matured by then."""
    over = ask.ends is not None and sample.at >= ask.ends
    n = counted.n if ask.ends is None or not over else counted.where(counted.first_at + measure.matures <= ask.ends).n
    plan = LookPlan(ask.plan.units or 1, ask.plan.looks, Spending(ask.plan.spending))
    found = judge_so_far(
        plan,
        n,
        lambda end: effect_of(counted.first(end)),
        ask.question,
        ask.part,
        over=over,
        last="the last at `at_most`",
    )
    if found is not None:
        return found
    reason = f"{show_count(n)} of {show_count(plan.ends[0])} matured units for the first of {plan.looks} planned looks"
    return no_data(sample.effect, ask.question, ask.part, "group-sequential", reason)


def _posterior(ask: Ask, effect: Effect, watched: Verdict) -> Verdict:
    """The words from a credible interval; ``worse`` takes a version back by itself, so it needs the sequence too."""
    question = ask.question
    missing = what_is_missing(effect, question.treatment, question.control)
    if missing is not None:
        return no_data(effect, question, ask.part, "always-valid", missing)
    found = compare_normal(effect, ask.plan.prior_sd, question.alpha, prior_mean=ask.plan.prior_mean)
    interval = Interval(found.lower, found.upper)

    def beyond(shift: Margin) -> Interval:
        by = shift.size * (abs(effect.control_mean) if shift.scale == "relative" else 1.0)
        return Interval(interval.lower - by, interval.upper - by)

    evidence = Evidence(
        method=f"{100 * (1 - question.alpha):.4g}% credible interval, prior {found.prior}; {NOTE.rstrip('.')}",
        absolute=interval,
        relative=None,
        beyond=beyond,
        p_value=lambda _shift, _side: math.nan,
    )
    word = word_of(evidence, question)
    if word == "worse" and watched.word != "worse":
        word = "inconclusive"
    return stated(effect, question, evidence, role=ask.part, word=word, p_value=math.nan)


def effect_of(part: Counted) -> Effect:
    """The effect of some units, adjusted where their covariate allows it."""
    return (part.without_covariate() if part.z is not None and refusal(part) else part).combined().effect
