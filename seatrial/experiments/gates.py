"""Which guardrails a canary step waits for, and whether they say anything about its units yet.

A step is gated by the guardrails that can mature while it bakes; the last step by every one. To gate is to have been
measured on units of this step: no data never advances. Whether a guardrail is *worse* is asked at every look, of all
phases together, and needs no gate.
"""

from seatrial.experiments.answer_measures import answer_window
from seatrial.experiments.judgement import Judgement, MetricJudgement
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import CanaryStage, Deployment
from seatrial.stats.minimum import MINIMUM_UNITS


def matures_after(deployment: Deployment, metric: str) -> float:
    """Seconds from a unit's first exposure until it counts in ``metric``."""
    declared = deployment.metrics.get(metric)
    if declared is None:
        return answer_window(deployment)
    return (declared.within or 0.0) + declared.grace


def gating(deployment: Deployment, stage: CanaryStage, step: int) -> tuple[str, ...]:
    """The guardrails that gate a step, in the file's order."""
    names = deployment.release.guardrails if deployment.release is not None else {}
    if step >= len(stage.steps) - 1:
        return tuple(names)
    return tuple(name for name in names if matures_after(deployment, name) <= stage.bake)


def unmeasured(deployment: Deployment, stage: CanaryStage, run: ReleaseRun, judgement: Judgement) -> tuple[str, ...]:
    """Gating guardrails without a word, or with too few matured units of the challenger in the present step."""
    needed = min(MINIMUM_UNITS, stage.minimum_units)
    judged = {metric.name: metric for metric in judgement.metrics}
    return tuple(
        name
        for name in gating(deployment, stage, run.step)
        if name not in judged or judged[name].verdict.word == "no-data" or _units(judged[name], run) < needed
    )


def _units(metric: MetricJudgement, run: ReleaseRun) -> int:
    here = run.phase.number if run.phase is not None else 0
    return sum(phase.challenger for phase in metric.phases if phase.number == here)
