"""When a release under way can be decided: the day by which its primary is likely shown better or worse.

From what is seen now: the effect and its standard error, the rate at which units come under the present weights, how
many wait for the end of their window, what part of them a trigger lets count, and what part of the matured ones has a
label. It is a forecast; nothing acts on it.
"""

import msgspec

from seatrial.experiments.asks import ends_of
from seatrial.experiments.judgement import Expected, Judgement, MetricJudgement
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import ReleaseSpec
from seatrial.spec.units import show_count, show_moment
from seatrial.stats.power import chance_of_conclusion
from seatrial.stats.sequence import multiplier
from seatrial.stats.verdict import Verdict

CHANCE = 0.8
"""Of a conclusion by the day that is told."""

_DAY = 86_400_000_000


def with_forecast(judgement: Judgement, release: ReleaseSpec, run: ReleaseRun) -> Judgement:
    """The judgement with the day by which it can come to a conclusion; as it is where that cannot be told.

    Of a primary that is watched at any time and not decided: other plans have their looks, and say when.
    """
    primary = judgement.primary
    if primary is None or primary.verdict.word != "inconclusive" or judgement.recommendation != "wait" or run.ended_at:
        return judgement
    rate = arrival_rate(judgement, run)
    needed = units_needed(primary.verdict, run.plan_units)
    if rate is None or needed is None:
        return judgement
    rate *= triggered_share(primary)
    at = _when(primary, needed, rate, judgement.at)
    ends = ends_of(release, run)
    late = ends is not None and at > ends
    differing = "" if primary.triggered is None else " whose answers differ"
    sentence = (
        f"At {show_count(round(rate))} units a day{differing} {primary.name} is shown better or worse by "
        f"{show_moment(at)} ({show_count(needed)} units) with a chance of {CHANCE:.0%}, by what is seen now"
        f"{f'; the release ends before, at {show_moment(ends)}' if late and ends is not None else ''}."
    )
    found = Expected(at=at, units=needed, units_a_day=rate, chance=CHANCE, in_time=not late, sentence=sentence)
    return msgspec.structs.replace(judgement, expected=found)


def arrival_rate(judgement: Judgement, run: ReleaseRun) -> float | None:
    """Units of both arms that come a day under the present weights; None before there are any."""
    phase = run.phase
    if phase is None or judgement.at <= phase.started_at or not judgement.fresh:
        return None
    weights = {arm.variant: arm.weight for arm in phase.arms}
    mine, both = weights.get(run.challenger, 0.0), weights.get(run.challenger, 0.0) + weights.get(run.champion, 0.0)
    if not mine > 0:
        return None
    return judgement.fresh * both / mine / ((judgement.at - phase.started_at) / _DAY)


def units_needed(verdict: Verdict, plan_units: float) -> int | None:
    """Units of both arms at which the chance of a conclusion reaches ``CHANCE``; None for an interval that is no
    asymptotic sequence.

    There always are so many: the truth is as uncertain as the estimate, and hardly ever nothing at all.
    """
    se, now = standard_error(verdict, plan_units), verdict.n_treatment + verdict.n_control
    if se is None or not se > 0:
        return None

    def chance(units: float) -> float:
        return chance_of_conclusion(verdict.effect or 0.0, se, now, units, verdict.alpha, plan_units)

    low, high = float(now), 2.0 * now
    while chance(high) < CHANCE:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= CHANCE else (middle, high)
    return round(high)


def _when(primary: MetricJudgement, needed: int, rate: float, now: int) -> int:
    """The moment at which so many units will have matured, those that wait counted first."""
    counts = primary.counts
    counted = counts.champion + counts.challenger
    to_come = max(0.0, (needed - counted) / labelled_share(primary) - counts.waiting)
    return now + round(to_come / rate * _DAY + primary.matures * 1e6)


def triggered_share(primary: MetricJudgement) -> float:
    """The part of all units that a trigger lets count, by those that matured; 1 without a trigger."""
    found = primary.triggered
    return found.units / found.of if found is not None and found.of else 1.0


def labelled_share(primary: MetricJudgement) -> float:
    """The part of the matured units that count, the others lacking a label or a number; 1 before there are any."""
    counts = primary.counts
    counted = counts.champion + counts.challenger
    return counted / (counted + counts.missing) if counted else 1.0


def standard_error(verdict: Verdict, plan_units: float) -> float | None:
    """The standard error behind a two-sided asymptotic sequence, from its good end; None for any other interval."""
    end = verdict.lower if verdict.want == "higher" else verdict.upper
    units = verdict.n_treatment + verdict.n_control
    if end is None or verdict.effect is None or "exact" in verdict.method or "at every look" not in verdict.method:
        return None
    return abs(verdict.effect - end) / multiplier(units, verdict.alpha, plan_units)
