"""What a judgement says to somebody who reads one sentence."""

from collections.abc import Mapping, Sequence

import msgspec

from seatrial.experiments.covariates import known_as
from seatrial.experiments.judgement import Check, Judgement, MetricJudgement
from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.experiments.thresholds import QUANTILES
from seatrial.releases.run import HELD_OUT, ReleaseRun, RunStatus
from seatrial.spec.deployment import ReleaseSpec, ShadowStage
from seatrial.spec.units import show_count, show_duration, show_moment
from seatrial.stats.recommendation import Recommendation

SHARES = frozenset({"proportion", "accuracy", "precision", "recall", "hit_rate", "click_through", "errors", "latency"})
_ONE_LOOK = frozenset({"auc", "calibration_error"})

_OPENINGS: dict[Recommendation, str] = {
    "withheld": "No verdict can be trusted",
    "stop": "Stop",
    "ship": "Ship",
    "no-difference": "No difference that matters",
    "wait": "Wait",
}


def names(run: ReleaseRun) -> tuple[str, str]:
    """What challenger and champion are called: with their versions where they have one."""
    if run.id.endswith(HELD_OUT):
        return f"{run.challenger_version}, in command,", f"{run.champion_version} before it"
    return (
        " ".join(("the challenger", run.challenger_version)).strip(),
        " ".join(("the champion", run.champion_version)).strip(),
    )


def overall(
    recommendation: Recommendation,
    metrics: Sequence[MetricJudgement],
    checks: Sequence[Check],
    run: ReleaseRun,
    unit: str,
) -> str:
    """The recommendation, the primary's numbers, what stands in the way, and what was edited meanwhile."""
    edited = f" Edited while the release ran: {', '.join(run.edited)}." if run.edited else ""
    if run.plan.name == "bayes":
        edited += f" By a posterior: stopping on it does not hold the error rate of {_percent(run.alpha)}."
    failed = [check for check in checks if check.withholds and not check.ok]
    if recommendation == "withheld":
        return f"{_OPENINGS[recommendation]}: {' '.join(check.sentence for check in failed)}{edited}"
    primary = [metric for metric in metrics if metric.part == "primary"]
    parts = [
        reading(metric, run, unit)
        if None not in (metric.verdict.treatment_mean, metric.verdict.control_mean)
        else f"{metric.name} has {reading(metric, run, unit)}"
        for metric in primary
    ]
    parts += _guardrails([metric for metric in metrics if metric.part == "guardrail"])
    parts += [check.sentence.rstrip(".") for check in checks if not check.ok and not check.withholds]
    return f"{_OPENINGS[recommendation]}: {'; '.join(parts)}.{edited}"


def before_units(
    release: ReleaseSpec, run: ReleaseRun, shadow: ShadowComparison | None, now: int, tolerated: float
) -> str:
    """What a release waits for while no unit has been exposed: of a shadow stage its time and its pairs."""
    stage = release.stages[run.stage_index] if run.stage_index < len(release.stages) else None
    if not isinstance(stage, ShadowStage):
        return "Wait: no unit has been exposed to the challenger yet."
    pairs = shadow.pairs if shadow is not None else 0
    parts = [f"{count(pairs)} of {count(stage.minimum_pairs)} pairs"]
    if shadow is not None and shadow.failures > tolerated * shadow.pairs:
        share = _percent(shadow.failures / shadow.pairs)
        parts.append(f"the challenger failed on {share} of them, and {_percent(tolerated)} is tolerated")
    if run.status == "paused":
        parts.append("paused by hand")
    return f"Wait: {'; '.join([_shadow_time(stage, run, now), *parts])}."


def _shadow_time(stage: ShadowStage, run: ReleaseRun, now: int) -> str:
    if not stage.duration:
        return "shadow"
    ends = run.stage_started_at + round(stage.duration * 1e6)
    return f"shadow for {_span(stage.duration)}, {'until' if now < ends else 'over since'} {show_moment(ends)}"


def _span(seconds: float) -> str:
    text = show_duration(seconds)
    number = text.rstrip("dhms")
    return f"{number} {text[len(number) :]}"


_ENDED: dict[RunStatus, str] = {
    "promoted": "took command",
    "rolled-back": "was rolled back",
    "inconclusive": "ended inconclusive",
    "abandoned": "was ended by another change",
}


def as_it_ended(judgement: Judgement, run: ReleaseRun) -> Judgement:
    """The last judgement of a release that is over, saying so; one of a release under way stays as it is."""
    if run.open or run.ended_at is None:
        return judgement
    over = (
        f"No release is under way; the last one, of {run.challenger_version}, {_ENDED[run.status]} at "
        f"{show_moment(run.ended_at)}."
    )
    said = f"When it was last judged, {show_moment(judgement.at)}: {told(judgement)}"
    return msgspec.structs.replace(judgement, ended=run.status, sentence=f"{over} {said}")


def told(judgement: Judgement) -> str:
    """The recommendation once, and why: ``wait: revenue is not decided yet.``"""
    opening = f"{_OPENINGS[judgement.recommendation]}: "
    return f"{judgement.recommendation}: {lowered(judgement.sentence.removeprefix(opening))}"


def lowered(sentence: str) -> str:
    """A sentence as it goes on after a colon."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() or sentence[1:2] == " " else sentence


def fixed(caps: Mapping[str, float]) -> str:
    """What was fixed before the first look: outlier caps in the metric's unit, latency thresholds in milliseconds."""
    said = (
        f"{n} is fixed at {_milliseconds(cap) if n in QUANTILES else format(cap, '.4g')}" for n, cap in caps.items()
    )
    return f"{', '.join(said)}."


def of_metric(metric: MetricJudgement, run: ReleaseRun, unit: str) -> str:
    """One metric, whole."""
    text = reading(metric, run, unit)
    return f"{metric.name}: {text}{_diluted(metric, unit)}."


def reading(metric: MetricJudgement, run: ReleaseRun, unit: str) -> str:
    """One metric's numbers in words, without a full stop."""
    verdict = metric.verdict
    challenger, champion = names(run)
    if verdict.treatment_mean is None or verdict.control_mean is None:
        return f"no data yet, {verdict.reason}"
    what = f"{challenger} {_verb(metric, unit)} against {_object(metric)} for {champion}"
    units = f"on {counted(verdict.n_treatment + verdict.n_control, plural(unit))}{_among(metric)}"
    if verdict.word == "no-data":
        return f"{what}, {units}, which is not enough: {verdict.reason}"
    difference = f"difference {_difference(metric)}{_adjusted(metric)}"
    if verdict.above is not None:
        difference = f"{verdict.above.told(challenger, champion)}, so that no shift is told"
    said = f"{_WORDS[verdict.word]}{_small(metric)}{_once(metric)}{_same(metric)}{_FUTILE if verdict.futile else ''}"
    said += "" if verdict.overrun is None else f"; {verdict.overrun.told(verdict.effect)}"
    return f"{what} ({difference}), {units}: {said}"


def _among(metric: MetricJudgement) -> str:
    """Which units these are, where not all count; in how many clusters."""
    found = metric.triggered
    whose = "" if found is None else f" whose answers differ ({100 * found.share:.3g}% of all)"
    clusters = metric.counts.clusters
    return f"{whose} in {counted(clusters, 'clusters')}" if clusters else whose


def _diluted(metric: MetricJudgement, unit: str) -> str:
    found = metric.triggered
    if found is None or found.lower is None or found.upper is None:
        return ""
    if metric.kind in SHARES:
        return f"; over all {plural(unit)} that is {100 * found.lower:+.2g} to {100 * found.upper:+.2g} points"
    return f"; over all {plural(unit)} that is {found.lower:+.3g} to {found.upper:+.3g}"


_FUTILE = (
    ", and going on is unlikely to show the smallest effect that matters (advice: to stop for it, or to go on, holds "
    "the error rate)"
)

_WORDS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "the same, within the smallest effect that matters",
    "non-inferior": "no worse than its margin",
    "inconclusive": "not decided yet",
}


def value(metric: MetricJudgement, number: float) -> str:
    """A mean as it is read: shares in percent."""
    return _percent(number) if metric.kind in SHARES else f"{number:.4g}"


def _verb(metric: MetricJudgement, unit: str) -> str:
    """What the challenger does: "is right on 97%", "has revenue 3.2"."""
    number = value(metric, metric.verdict.treatment_mean or 0.0)
    words = {
        "accuracy": f"is right on {number}",
        "errors": f"fails {number} of its {plural(unit)} at least once"
        if metric.name == "errors"
        else f"fails {number} of its requests",
        "latency": f"is slower than {_milliseconds(metric.tolerated or metric.cap)} on {number} of its requests",
    }
    return words.get(metric.kind, f"has {metric.name} {number}")


def _object(metric: MetricJudgement) -> str:
    """The champion's number; with its own threshold where the challenger's is another."""
    number = value(metric, metric.verdict.control_mean or 0.0)
    if metric.kind == "latency" and metric.tolerated not in (None, metric.cap):
        return f"{number} slower than {_milliseconds(metric.cap)}"
    return number


def _milliseconds(microseconds: float | None) -> str:
    return "its threshold" if microseconds is None else f"{microseconds / 1000:.4g} ms"


def plural(unit: str) -> str:
    """More than one of them."""
    return unit if unit.endswith("s") else f"{unit}s"


def count(n: int) -> str:
    """A number with its thousands apart."""
    return show_count(n)


def counted(n: int, several: str) -> str:
    """``1 input``, ``2 inputs``: a number before a noun that is given in the plural."""
    return f"{count(n)} {several.removesuffix('s') if n == 1 else several}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _small(metric: MetricJudgement) -> str:
    return ", but by less than the effect that matters" if metric.verdict.smaller_than_cared else ""


def _difference(metric: MetricJudgement) -> str:
    lower, upper = metric.verdict.lower, metric.verdict.upper
    if lower is None or upper is None:
        return "unknown"
    if metric.kind in SHARES:
        return f"{100 * lower:+.2g} to {100 * upper:+.2g} points"
    return f"{lower:+.3g} to {upper:+.3g}"


_BY_ITSELF = ("exact for one look", "by permutation for one look", "by ranks", "Fieller's")


def _once(metric: MetricJudgement) -> str:
    """How it was judged, where that was chosen by what there is, or by the metric."""
    how = metric.verdict.method.partition(", ")[2]
    if how.startswith(_BY_ITSELF):
        return f", {how}"
    return ", which holds for one look" if metric.kind in _ONE_LOOK else ""


def _same(metric: MetricJudgement) -> str:
    """Of a posterior, how likely the difference is to be of no practical importance."""
    found = metric.bayesian
    if found is None or found.p_same is None or "credible" not in metric.verdict.method:
        return ""
    return f", with a chance of {found.p_same:.0%} by less than the effect that matters"


def _adjusted(metric: MetricJudgement) -> str:
    adjustment = metric.adjustment
    return "" if adjustment is None or adjustment.refused else f", adjusted for {known_as(adjustment.covariates)}"


def _guardrails(metrics: Sequence[MetricJudgement]) -> list[str]:
    if not metrics:
        return []
    if all(metric.verdict.word == "non-inferior" for metric in metrics):
        return ["no guardrail is worse than its margin" if len(metrics) > 1 else f"{metrics[0].name} keeps its margin"]
    return [
        _joined([m.name for m in metrics if m.verdict.word == word], one, several)
        for word, (one, several) in _STANDING.items()
        if any(m.verdict.word == word for m in metrics)
    ]


_STANDING = {
    "worse": ("is worse than its margin", "are worse than their margins"),
    "inconclusive": ("is not decided yet", "are not decided yet"),
    "no-data": ("has no data yet", "have no data yet"),
}


def _joined(found: Sequence[str], one: str, several: str) -> str:
    if len(found) == 1:
        return f"{found[0]} {one}"
    return f"{', '.join(found[:-1])} and {found[-1]} {several}"
