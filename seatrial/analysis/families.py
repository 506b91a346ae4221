"""Many questions of one experiment: the treatments' primaries are one family, the metrics that do not decide another.

Guardrails are no family: each has to keep its margin for a treatment to ship, so several of them cost power and no
error (Schultzberg, Ankargren, Frånberg 2024).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from seatrial.analysis.metrics import Metric
from seatrial.analysis.planning import Plan
from seatrial.analysis.verdicts import Finding
from seatrial.stats.families import Member, as_family
from seatrial.stats.sentence import sentence_of
from seatrial.stats.verdict import Question, Verdict


class _Judged(Protocol):
    """What ``judged.Judged`` answers."""

    @property
    def plan(self) -> Plan: ...

    @property
    def control(self) -> str: ...

    def verdict(self, metric: Metric, treatment: str, alpha: float) -> Verdict: ...

    def findings(self, treatment: str, alpha: float) -> list[Finding]: ...


def together(judged: _Judged, treatments: Sequence[str]) -> dict[str, list[Finding]]:
    """Every treatment's findings, their words as one of all."""
    plan = judged.plan
    if len(treatments) == 1:
        found = {treatments[0]: judged.findings(treatments[0], plan.alpha)}
    else:
        first = plan.metrics[0]
        values = {t: judged.verdict(first, t, plan.alpha / len(treatments)).p_value for t in treatments}
        primaries = as_family({t: 1.0 if p is None else p for t, p in values.items()}, plan.alpha, plan.family)
        found = {}
        for treatment, member in primaries.items():
            findings = judged.findings(treatment, member.level)
            found[treatment] = [_placed(findings[0], member, treatment, judged.control), *findings[1:]]
    return _secondary(found, plan, judged.control)


def _secondary(found: Mapping[str, list[Finding]], plan: Plan, control: str) -> dict[str, list[Finding]]:
    names = {
        f"{treatment}\0{finding.name}": finding.verdict.p_value
        for treatment, findings in found.items()
        for finding in findings
        if finding.part == "secondary"
    }
    members = as_family(names, plan.alpha, plan.family)

    def placed(treatment: str, finding: Finding) -> Finding:
        member = members.get(f"{treatment}\0{finding.name}")
        if member is None or finding.verdict.p_value is None:  # undecided, or of no family
            return finding
        return _placed(finding, member, treatment, control)

    return {treatment: [placed(treatment, one) for one in findings] for treatment, findings in found.items()}


_BY_E_VALUES = " (by e-values, which ask for more than an interval that leaves out 0)"


def _placed(finding: Finding, member: Member, treatment: str, control: str) -> Finding:
    """With its word as one of its family, and a sentence that says so."""
    verdict = finding.verdict
    if verdict.word in ("better", "worse") and not member.kept:
        verdict = msgspec.structs.replace(verdict, word="inconclusive", smaller_than_cared=False)
        said = sentence_of(verdict, Question(metric=finding.name, treatment=treatment, control=control))
        by = _BY_E_VALUES if member.p_value is None else ""
        sentence = f"{said.rstrip('.')}, as one of several questions{by}."
        verdict = msgspec.structs.replace(verdict, sentence=sentence)
    return msgspec.structs.replace(finding, verdict=verdict, adjusted_p=member.p_value)
