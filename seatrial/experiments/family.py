"""Many questions: what the metrics that do not decide say together.

Of twenty metrics one looks better by chance. Those that are neither the primary nor a guardrail are one family: a word
stands only where Holm's adjustment of their always-valid p-values keeps it, or where the file says ``family: e-bh``,
e-values made of them. Guardrails are no family: each must hold
its margin for a release to ship, so several of them cost power and no error.

References:
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).
    Wang, Ramdas (2022), False discovery rate control with e-values, JRSS B 84(3).
    Schultzberg, Ankargren, Frånberg (2024), Risk-aware product decisions in A/B tests with multiple metrics.
"""

from collections.abc import Sequence

import msgspec

from seatrial.experiments import sentences
from seatrial.experiments.judgement import MetricJudgement
from seatrial.releases.run import ReleaseRun
from seatrial.spec.check_models import ONE_LOOK
from seatrial.stats import families as stats


def as_family(metrics: Sequence[MetricJudgement], run: ReleaseRun, unit: str) -> list[MetricJudgement]:
    """The same metrics, the secondary ones' words and p-values adjusted; those without a p-value stay as they are, but
    are of the family."""
    p_values = {m.name: m.verdict.p_value for m in metrics if is_member(m)}
    members = stats.as_family(p_values, run.alpha, run.family)
    told = {name for name, p in p_values.items() if p is not None}
    return [_placed(m, members[m.name], run, unit) if m.name in told else m for m in metrics]


def is_member(metric: MetricJudgement) -> bool:
    """Whether it is one of those that do not decide."""
    return metric.part == "secondary" and metric.kind not in ONE_LOOK


def _placed(metric: MetricJudgement, member: stats.Member, run: ReleaseRun, unit: str) -> MetricJudgement:
    metric = msgspec.structs.replace(metric, adjusted_p=member.p_value)
    if member.kept or metric.verdict.word not in ("better", "worse"):
        return metric
    verdict = msgspec.structs.replace(metric.verdict, word="inconclusive", smaller_than_cared=False)
    metric = msgspec.structs.replace(metric, verdict=verdict)
    return msgspec.structs.replace(metric, sentence=sentences.of_metric(metric, run, unit))
