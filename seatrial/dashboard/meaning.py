"""What a metric's numbers are, for somebody who reads one row of a table."""

from seatrial.dashboard.formats import number
from seatrial.experiments.judgement import MetricJudgement
from seatrial.experiments.sentences import plural

_MEANINGS = {
    "accuracy": "share of labelled answers that are right",
    "proportion": "share of {units} with the outcome",
    "precision": "share of positive answers that are right",
    "recall": "share of positive labels that are found",
    "f1": "harmonic mean of precision and recall",
    "log_loss": "surprise of an answer, in nats",
    "brier": "squared distance of the score from what happened",
    "auc": "chance that a positive answer scores above a negative one",
    "calibration_error": "distance of the score from how often it happens",
    "mae": "mean distance from the label",
    "rmse": "root of the mean squared distance from the label",
    "hit_rate": "share of lists with a relevant item near the top",
    "precision_at": "share of the first places with a relevant item",
    "recall_at": "share of the relevant items that stood near the top",
    "ndcg": "gain of the list over the best order's",
    "mrr": "one over the place of the first relevant item",
    "click_through": "share of shown items that are taken",
    "coverage": "share of the catalogue that is ever shown",
    "errors": "share of {units} with a failed answer",
    "error_rate": "share of requests that failed",
    "latency": "share of requests slower than {threshold}",
    "mean": "average of a {unit}",
    "value": "average of a {unit}, costs taken off",
    "ratio": "sum over sum",
    "quantile": "quantile over {units}",
}
_NOT_SHARES = frozenset(
    {
        "mean",
        "value",
        "ratio",
        "quantile",
        "f1",
        "log_loss",
        "brier",
        "auc",
        "calibration_error",
        "mae",
        "rmse",
        "precision_at",
        "recall_at",
        "ndcg",
        "mrr",
    }
)


def is_share(metric: MetricJudgement) -> bool:
    """Whether its values are shares, to be told in percent."""
    return metric.kind in _MEANINGS and metric.kind not in _NOT_SHARES


def meaning(metric: MetricJudgement, unit: str) -> str:
    """What is counted or averaged: ``p99`` as "share of requests slower than 22 ms"."""
    known = metric.name if metric.name in ("errors", "error_rate") else metric.kind
    return _MEANINGS.get(known, "").format(unit=unit, units=plural(unit), threshold=_threshold(metric))


def _threshold(metric: MetricJudgement) -> str:
    """The champion's frozen quantile; with the margin on it where the challenger's is another."""
    if metric.cap is None:
        return f"the champion's {metric.name}"
    own = f"{number(metric.cap / 1000)} ms"
    if metric.tolerated in (None, metric.cap):
        return own
    return f"{own} (the challenger's: {number(metric.tolerated / 1000)} ms)"
