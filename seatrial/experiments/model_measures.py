"""Metrics of answers against labels: how right a version is, row by row, added up by unit.

A row counts once its label has arrived. What nobody answered is not right; a score that nobody gave cannot be rated, so
its row counts as one without a label, and arms that differ in that are not compared.
"""

from typing import NamedTuple

from seatrial.experiments.labels import is_positive, is_right, labels_of_rows, number_of, says_positive
from seatrial.experiments.shapes import BY_ROW, Shape
from seatrial.experiments.units import SKEW
from seatrial.spec.deployment import MetricSpec

LEAST = 1e-15
"""A probability below this counts as this (``stats.quality.probabilities``)."""


class ModelMeasure(NamedTuple):
    """One kind of metric of answers: see ``measures.Measure``."""

    shape: Shape
    sql: str
    parameters: dict[str, object]
    number: tuple[str, ...]


class _Kind(NamedTuple):
    """What a labelled row adds above and below the line, as SQL over a label ``l`` and its row ``p``; NULL: nothing."""

    shape: Shape
    x: str
    y: str
    needs: str = ""
    """``score`` or ``value``: the number that the answer must have."""


_P, _SAID = is_positive("l", "${p}positive"), says_positive("p.answer", "${p}positive")
_SCORE = "CASE WHEN p.{p}number BETWEEN 0 AND 1 THEN p.{p}number END"
_CHANCE = f"CASE {_P} WHEN 1 THEN {_SCORE} ELSE 1 - {_SCORE} END"
_ERROR = f"(p.{{p}}number - {number_of('l')})"

KINDS: dict[str, _Kind] = {
    "accuracy": _Kind("share", is_right("l", "p.answer"), "1"),
    "precision": _Kind("share", f"{_P} * {_SAID}", _SAID),
    "recall": _Kind("share", f"{_P} * {_SAID}", _P),
    "f1": _Kind("share", f"2 * {_P} * {_SAID}", f"{_P} + {_SAID}"),
    "log_loss": _Kind(
        "ratio",
        f"-ln(CASE WHEN {_CHANCE} >= {LEAST} THEN {_CHANCE} WHEN {_CHANCE} < {LEAST} THEN {LEAST} END)",
        "1",
        "score",
    ),
    "brier": _Kind("ratio", f"pow({_SCORE} - {_P}, 2)", "1", "score"),
    "auc": _Kind("auc", _P, _SCORE, "score"),
    "calibration_error": _Kind("calibration", _P, _SCORE, "score"),
    "mae": _Kind("ratio", f"abs({_ERROR})", "1", "value"),
    "rmse": _Kind("root", f"pow({_ERROR}, 2)", "1", "value"),
}


def model_measure(spec: MetricSpec) -> ModelMeasure | None:
    """The measure of a metric of answers; None for one of outcomes."""
    kind = KINDS.get(spec.kind)
    if kind is None:
        return None
    sql = _scored(kind, spec.value)
    given: dict[str, object] = {} if spec.value is None else {"value": '$."' + spec.value.replace('"', '\\"') + '"'}
    if "${p}positive" in sql:
        given["positive"] = spec.positive
    return ModelMeasure(kind.shape, sql, given, numbers_of(spec))


def numbers_of(spec: MetricSpec) -> tuple[str, ...]:
    """Columns of which a row's first known one is the number that this metric rates; empty for one of answers."""
    needs = KINDS[spec.kind].needs if spec.kind in KINDS else ""
    if needs == "score":  # of several classes each has its own; of two the score is of the positive one
        return (f"prediction.score.{spec.positive}", "prediction.score")
    return ("prediction.value",) if needs else ()


def _scored(kind: _Kind, value: str | None) -> str:
    found = labels_of_rows("placed", value, "${p}outcome", "${p}value")
    one = "{'x': n.x::DOUBLE, 'y': n.y::DOUBLE}"
    below = "count(s)" if kind.shape in BY_ROW else "sum(s.y)"
    below_all = "count(s_all)" if kind.shape in BY_ROW else "sum(s_all.y)"
    answers = ", list(s) FILTER (s IS NOT NULL) AS answers" if kind.shape in BY_ROW else ""
    return f"""
    SELECT u, sum(s.x) AS x, {below} AS y, sum(s_all.x) AS x_all, {below_all} AS y_all, count(s) AS labels,
           count(*) AS wanted, count(*) FILTER (s IS NULL AND s_all IS NOT NULL) AS late, 0 AS early{answers}
    FROM (
      SELECT p.u, p.r, arg_max({one}, n.came) FILTER (n.timely) AS s,
             arg_max({one}, n.came) FILTER (n.until > $now) AS s_all
      FROM placed p LEFT JOIN (
        SELECT * FROM (
          SELECT l.*, {kind.x} AS x, {kind.y} AS y, p.first_at + ${{p}}matures BETWEEN l.came AND l.until - 1 AS timely
          FROM ({found}) l JOIN placed p ON p.r = l.r
          WHERE l.t BETWEEN p.t - {SKEW} AND p.first_at + ${{p}}within)
        WHERE x IS NOT NULL AND y IS NOT NULL
      ) n ON n.r = p.r
      WHERE p.t <= p.first_at + ${{p}}within GROUP BY p.u, p.r)
    GROUP BY u"""
