"""A judgement as a notebook shows it."""

from seatrial.experiments.beside import beside
from seatrial.experiments.judgement import Judgement, MetricJudgement
from seatrial.experiments.sentences import value
from seatrial.reports.notebook import html
from seatrial.reports.page import Table

_HEADER = ("metric", "part", "champion", "challenger", "difference", "verdict")


def notebook_html(judgement: Judgement) -> str:
    """Sentence, numbers by metric, and what cannot be trusted."""
    shadow = [judgement.shadow.sentence] if judgement.shadow is not None else []
    return html(
        [judgement.sentence, *shadow, *beside(judgement)],
        Table(_HEADER, tuple(_row(metric) for metric in judgement.metrics)),
        [check.sentence for check in judgement.checks if not check.ok],
    )


def _row(metric: MetricJudgement) -> tuple[str, ...]:
    v = metric.verdict
    means = ("" if mean is None else value(metric, mean) for mean in (v.control_mean, v.treatment_mean))
    ends = ["…" if end is None else f"{end:+.4g}" for end in (v.lower, v.upper)]
    return (metric.name, metric.part, *means, "" if ends == ["…", "…"] else f"{ends[0]} to {ends[1]}", v.word)
