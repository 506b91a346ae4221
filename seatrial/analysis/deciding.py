"""From a comparison's findings to one recommendation and one sentence that says what to do next."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from seatrial.analysis.trust import reasons
from seatrial.analysis.verdicts import Analysis, Check, Comparison, Finding, How
from seatrial.stats.recommendation import Recommendation, recommend
from seatrial.stats.verdict import Verdict, Word, withheld

Required = Literal["better", "not-worse"]


def conclude(
    treatment: str, control: str, findings: Sequence[Finding], failed: Sequence[Check], method: How
) -> Comparison:
    """The comparison of one treatment.

    Args:
        treatment: Its name.
        control: The control's.
        findings: The primary first.
        failed: Checks that withhold every verdict.
        method: How more units could decide; says what may be done next.
    """
    metrics = [_distrusted(finding, failed) for finding in findings] if failed else list(findings)
    words: dict[str, list[Word]] = {"primary": [], "guardrail": [], "secondary": []}
    for metric in metrics:
        words[metric.part].append(metric.verdict.word)
    recommendation = recommend(primary=words["primary"][0], guardrails=words["guardrail"], trusted=not failed)
    return Comparison(
        treatment=treatment,
        recommendation=recommendation,
        because=_because(recommendation, metrics, failed),
        metrics=tuple(metrics),
        sentence=_sentence(recommendation, treatment, control, metrics, failed, method),
    )


def _distrusted(finding: Finding, failed: Sequence[Check]) -> Finding:
    return msgspec.structs.replace(finding, verdict=withheld(finding.verdict, reasons(failed)))


def _because(recommendation: Recommendation, metrics: Sequence[Finding], failed: Sequence[Check]) -> tuple[str, ...]:
    if recommendation == "withheld":
        return tuple(check.name for check in failed)
    acting = [m for m in metrics if m.part != "secondary"]
    if recommendation == "stop":
        return tuple(m.name for m in acting if m.verdict.word == "worse")
    if recommendation == "wait":
        return tuple(m.name for m in acting if m.verdict.word not in ("better", "equivalent", "non-inferior"))
    return tuple(m.name for m in acting)


def _sentence(
    recommendation: Recommendation,
    treatment: str,
    control: str,
    metrics: Sequence[Finding],
    failed: Sequence[Check],
    method: How,
) -> str:
    if recommendation == "withheld":
        return f"No verdict on {treatment} can be trusted: {' '.join(check.sentence for check in failed)}"
    said = [metrics[0].verdict.sentence.rstrip(".")]
    said += [m.verdict.sentence.rstrip(".") for m in metrics if m.part == "guardrail" and m.verdict.word == "worse"]
    held = [m for m in metrics if m.part == "guardrail"]
    if held and all(m.verdict.word == "non-inferior" for m in held):
        said.append("every guardrail keeps its margin" if len(held) > 1 else f"{held[0].name} keeps its margin")
    open_ = [m.name for m in held if m.verdict.word in ("inconclusive", "no-data")]
    if open_:
        said.append(f"not shown to keep {'its margin' if len(open_) == 1 else 'their margins'}: {', '.join(open_)}")
    opening = _OPENINGS[recommendation].format(t=treatment, c=control)
    return f"{opening}: {'; '.join(said)}. {_next(recommendation, treatment, control, metrics, method)}"


_OPENINGS: dict[Recommendation, str] = {
    "stop": "Do not ship {t}",
    "ship": "Ship {t}",
    "no-difference": "No difference that matters between {t} and {c}",
    "wait": "Not shown",
}


def _next(recommendation: Recommendation, treatment: str, control: str, metrics: Sequence[Finding], method: How) -> str:
    overrun = metrics[0].verdict.overrun
    if recommendation in ("ship", "stop") and overrun is not None and overrun.turned(metrics[0].verdict.effect):
        return f"Find out what changed since, before you give {treatment} to everybody or to nobody."
    if recommendation == "ship":
        return f"Give {treatment} to everybody."
    if recommendation == "stop":
        return f"Keep {control}."
    if recommendation == "no-difference":
        return f"Keep whichever of {treatment} and {control} is cheaper."
    if metrics[0].verdict.word == "no-data":
        return f"Keep {control} and collect more units."
    if method == "fixed":
        return f"Keep {control}; more units need a new test, or --method always-valid, planned with `seatrial power`."
    if method == "group-sequential":
        if metrics[0].verdict.futile:
            return f"Keep {control}: as it stands, the looks to come will hardly show a difference."
        return f"Keep {control}; the next planned look may decide, and after the last one a new test."
    return f"Keep {control} and look again when more units have come."


def meets(verdict: Verdict, guardrails: Sequence[Verdict], required: Required) -> bool:
    """Whether the primary's verdict is as required, with no guardrail in the way.

    ``better``: shown to be better. ``not-worse``: shown not to be worse by the smallest effect cared about
    (without one: by anything). Each guardrail must be shown to keep its margin.
    """
    if any(guardrail.word != "non-inferior" for guardrail in guardrails):
        return False
    if verdict.word in ("no-data", "worse"):
        return False
    return verdict.word == "better" or (required == "not-worse" and verdict.not_worse is True)


def exit_code(analysis: Analysis, required: Required | None) -> int:
    """0 yes, 1 no or inconclusive, 3 no data or withheld: of the best comparison where there are several.

    Without anything required it is 0 where one is to be shipped, else 1.
    """
    return min(_code(comparison, required) for comparison in analysis.comparisons)


def _code(comparison: Comparison, required: Required | None) -> int:
    primary = comparison.primary.verdict
    if required is None:
        return 0 if comparison.recommendation == "ship" else 1
    if comparison.recommendation == "withheld" or primary.word == "no-data":
        return 3
    guardrails = [m.verdict for m in comparison.metrics if m.part == "guardrail"]
    return 0 if meets(primary, guardrails, required) else 1
