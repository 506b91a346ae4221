"""Judgements as points of a chart."""

from seatrial.experiments.judgement import Judgement
from seatrial.reports.points import VerdictPoint


def verdict_point(judgement: Judgement) -> VerdictPoint | None:
    """The primary metric's effect as it stood; None before there is an interval with two ends."""
    if judgement.primary is None:
        return None
    verdict = judgement.primary.verdict
    if verdict.effect is None or verdict.lower is None or verdict.upper is None:
        return None
    units = verdict.n_treatment + verdict.n_control
    return VerdictPoint(judgement.at, verdict.metric, verdict.effect, verdict.lower, verdict.upper, verdict.word, units)
