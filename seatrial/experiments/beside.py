"""What stands beside the verdicts of a release, in sentences: the posterior, returns on costs. Nothing acts on it."""

from collections.abc import Sequence

from seatrial.experiments.judgement import Judgement, MetricJudgement
from seatrial.experiments.returns import said_of_returns
from seatrial.experiments.sentences import SHARES
from seatrial.stats.bayes import told


def beside(judgement: Judgement) -> tuple[str, ...]:
    """Of the primary its posterior, with the expected loss of each choice; of metrics of value the returns on costs."""
    primary = judgement.primary
    posterior = [] if primary is None else _posterior(primary, (judgement.challenger, judgement.champion))
    returns = [said_of_returns(metric.name, metric.fixed) for metric in judgement.metrics]
    return (*posterior, *(said for said in returns if said))


def _posterior(metric: MetricJudgement, names: tuple[str, str]) -> list[str]:
    if metric.bayesian is None or metric.verdict.word == "no-data":
        return []
    return [f"{metric.name}: {told(metric.bayesian, share=metric.kind in SHARES, names=names)}"]


_BANDS = (
    ("credible", "is of a posterior: it holds no error rate, however often it is read"),
    ("planned looks", "holds at the planned looks, and nothing changes between two of them"),
    ("valid at every look", "holds at every look together: it may be read at any time"),
    ("for one look", "holds for one look, at the planned end, and not at every time that it is read"),
)
"""By words of a verdict's method."""


def bands(metrics: Sequence[MetricJudgement]) -> tuple[str, ...]:
    """How the interval of each metric may be read over time, by the method that made it."""
    said: dict[str, list[str]] = {}
    for metric in metrics:
        how = next((text for words, text in _BANDS if words in metric.verdict.method), None)
        if how is not None:
            said.setdefault(how, []).append(metric.name)
    if len(said) == 1:
        return tuple(f"Each band {how}." for how in said)
    return tuple(f"The band of {' and that of '.join(names)} {how}." for how, names in said.items())
