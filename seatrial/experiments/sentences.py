"""What a judgement says to somebody who reads one sentence."""

from collections.abc import Sequence

from seatrial.experiments.judgement import Check, MetricJudgement, ShadowComparison
from seatrial.releases.run import ReleaseRun
from seatrial.stats.recommendation import Recommendation

_SHARES = frozenset({"proportion", "accuracy", "errors", "latency"})

_OPENINGS: dict[Recommendation, str] = {
    "withheld": "No verdict can be trusted",
    "stop": "Stop",
    "ship": "Ship",
    "no-difference": "No difference that matters",
    "wait": "Wait",
}


def names(run: ReleaseRun) -> tuple[str, str]:
    """What challenger and champion are called: with their versions where they have one."""
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
    failed = [check for check in checks if check.withholds and not check.ok]
    if recommendation == "withheld":
        return f"{_OPENINGS[recommendation]}: {' '.join(check.sentence for check in failed)}{edited}"
    primary = [metric for metric in metrics if metric.part == "primary"]
    parts = [
        reading(metric, run, unit)
        if metric.verdict.effect is not None
        else f"{metric.name} has {reading(metric, run, unit)}"
        for metric in primary
    ]
    parts += _guardrails([metric for metric in metrics if metric.part == "guardrail"])
    parts += [check.sentence.rstrip(".") for check in checks if not check.ok and not check.withholds]
    return f"{_OPENINGS[recommendation]}: {'; '.join(parts)}.{edited}"


def before_units(shadow: ShadowComparison | None) -> str:
    """What is said while no unit has been exposed."""
    return shadow.sentence if shadow is not None else "Wait: no unit has been exposed to the challenger yet."


def of_metric(metric: MetricJudgement, run: ReleaseRun, unit: str) -> str:
    """One metric, whole."""
    text = reading(metric, run, unit)
    return f"{metric.name}: {text}."


def reading(metric: MetricJudgement, run: ReleaseRun, unit: str) -> str:
    """One metric's numbers in words, without a full stop."""
    verdict = metric.verdict
    challenger, champion = names(run)
    if verdict.treatment_mean is None or verdict.control_mean is None:
        return f"no data yet, {verdict.reason}"
    what = f"{challenger} {_verb(metric, unit)} against {_object(metric)} for {champion}"
    units = f"on {count(verdict.n_treatment + verdict.n_control)} {plural(unit)}"
    if verdict.word == "no-data":
        return f"{what}, {units}, which is not enough: {verdict.reason}"
    return f"{what} (difference {_difference(metric)}), {units}: {_WORDS[verdict.word]}{_small(metric)}"


_WORDS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "the same, within the smallest effect that matters",
    "non-inferior": "no worse than its margin",
    "inconclusive": "not decided yet",
}


def value(metric: MetricJudgement, number: float) -> str:
    """A mean as it is read: shares in percent."""
    return f"{100 * number:.4g} %" if metric.kind in _SHARES else f"{number:.4g}"


def _verb(metric: MetricJudgement, unit: str) -> str:
    """What the challenger does: "is right on 97 %", "has revenue 3.2"."""
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
    return f"{n:,}".replace(",", " ")


def _small(metric: MetricJudgement) -> str:
    return ", but by less than the effect that matters" if metric.verdict.smaller_than_cared else ""


def _difference(metric: MetricJudgement) -> str:
    lower, upper = metric.verdict.lower, metric.verdict.upper
    if lower is None or upper is None:
        return "unknown"
    if metric.kind in _SHARES:
        return f"{100 * lower:+.2g} to {100 * upper:+.2g} points"
    return f"{lower:+.3g} to {upper:+.3g}"


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
    return f"{' and '.join(found)} {one if len(found) == 1 else several}"
