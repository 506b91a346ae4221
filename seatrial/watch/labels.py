"""Reads what became of a window's answers: two numbers a unit, from outcomes that arrived before the window matured.

An outcome belongs to an answer by its request (and row or key), by its key, or by its unit; only what happened within
the metric's window after the answer counts, and only what had arrived when the whole window matured: a window read
again says the same.

    accuracy      x: rows whose label equals the answer   y: rows that have a label
    proportion    x: 1 where it happened                  y: 1
    value         x: outcomes times numbers, less cost     y: 1
    mean          x: sum (of labels: average)             y: 1
    ratio         x: numerator                            y: denominator
    quantile      x: the first outcome                     y: 1

An outcome that lacks the number which is measured says nothing of its unit, which is missing then; a label without one
is no label.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.experiments.declared_measures import HAPPENED_AT_ALL
from seatrial.experiments.labels import is_right
from seatrial.experiments.row_columns import answer_column
from seatrial.experiments.source import Source
from seatrial.experiments.value_measure import worth_of
from seatrial.ledger.reviewed import WEIGHED_ALIKE
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import MetricSpec
from seatrial.watch.clock import maturity
from seatrial.watch.reading import Span

SKEW = 300_000_000
"""Five minutes, in microseconds: how far an event may lie before the answer that it follows."""


class Matured(NamedTuple):
    """A window's outcomes by unit, shapes [units with one].

    Attributes:
        wanted: Rows or units that could have one.
        units: Their names.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    wanted: int
    units: NDArray[Any]

    def of(self, mine: NDArray[np.bool_]) -> "Matured":
        """Some of the units."""
        return Matured(self.x[mine], self.y[mine], int(mine.sum()), self.units[mine])


_SERVED = """
served AS MATERIALIZED (
  SELECT row_number() OVER () AS r, unit, request_id, "row" AS i, "key" AS k, epoch_us("at") AS t,
         CAST({answer} AS VARCHAR) AS answer{more}
  FROM rows
  WHERE "at" >= make_timestamptz($start) AND "at" < make_timestamptz($end) AND role IN ('answer', 'app')
    AND answered = $variant AND status = 'ok' AND ($version = '' OR version = $version)
),
happened AS MATERIALIZED (
  SELECT row_number() OVER () AS h, outcome, unit, request_id, "row" AS i, "key" AS k, value_number, value_text,
         "fields", epoch_us("at") AS t, epoch_us(received_at) AS came
  FROM outcomes
  WHERE {which} AND {plain} AND epoch_us("at") >= $start - $skew AND epoch_us("at") < $end + $within
    AND epoch_us(received_at) < $end + $matures
),
joined AS MATERIALIZED (
  SELECT s.r, s.unit, s.t AS answered_at, s.answer, o.* EXCLUDE (unit) FROM served s JOIN happened o
    ON o.request_id = s.request_id AND (o.i IS NULL OR o.i = s.i) AND (o.k IS NULL OR o.k = s.k)
    AND (o.unit IS NULL OR o.unit = s.unit)
  UNION ALL
  SELECT s.r, s.unit, s.t, s.answer, o.* EXCLUDE (unit) FROM served s JOIN happened o
    ON o.k = s.k AND o.request_id IS NULL AND (o.unit IS NULL OR o.unit = s.unit)
  UNION ALL
  SELECT s.r, s.unit, s.t, s.answer, o.* EXCLUDE (unit) FROM served s JOIN happened o
    ON o.unit = s.unit AND o.request_id IS NULL AND o.k IS NULL
),
attached AS MATERIALIZED (SELECT * FROM joined WHERE t BETWEEN answered_at - $skew AND answered_at + $within)"""
"""Answers of the window, outcomes that could belong to them, and the pairs of them."""

ONE_OUTCOME = "outcome = $outcome"
"""Which outcomes could belong to the answers."""

_LABELLED = """
SELECT s.t AS at, s.unit, s.answer, s.* EXCLUDE (r, unit, request_id, i, k, t, answer), l.* EXCLUDE (r)
FROM served s LEFT JOIN (
  SELECT r, arg_max(text, came) AS text, arg_max(number, came) AS number, arg_max({right}, came) AS correct,
         arg_max({positive}, came) AS positive
  FROM (SELECT r, came, answer, coalesce(text, CAST(number AS VARCHAR)) AS text,
               coalesce(number, TRY_CAST(text AS DOUBLE)) AS number
        FROM (SELECT r, came, answer, {text} AS text, {number} AS number FROM attached)) n
  WHERE text IS NOT NULL GROUP BY r) l USING (r)
ORDER BY s.t, s.request_id, s.i"""

_BY_ROW = """
SELECT unit, coalesce(x, 0)::DOUBLE AS x, coalesce(y, 0)::DOUBLE AS y, wanted
FROM (SELECT count(*) AS wanted FROM served) LEFT JOIN (
  SELECT unit, sum(correct) AS x, count(*) AS y FROM (
    SELECT r, unit, arg_max({right}, came) AS correct
    FROM (SELECT r, unit, came, answer, {text} AS text, {number} AS number FROM attached) n
    WHERE text IS NOT NULL OR number IS NOT NULL GROUP BY r, unit)
  GROUP BY unit) ON true ORDER BY unit"""

# By unit in order, so that sums over them are the same to the last digit whenever they are read.
_BY_UNIT = """
SELECT unit, coalesce(x, 0)::DOUBLE AS x, coalesce(y, 0)::DOUBLE AS y,
       (SELECT count(DISTINCT unit) FROM served) AS wanted
FROM (SELECT DISTINCT unit FROM served) LEFT JOIN (
  SELECT unit, {x} AS x, {y} AS y FROM (
    SELECT DISTINCT unit, h, t, value_number, value_text, "fields" FROM attached) GROUP BY unit) USING (unit)
ORDER BY unit"""


_WORTH = """
SELECT s.unit AS unit, coalesce(w.x, 0) - s.answers * $cost::DOUBLE AS x
FROM (SELECT unit, count(*) AS answers FROM served GROUP BY unit) s LEFT JOIN (
  SELECT unit, CASE WHEN bool_or({unknown}) THEN 'nan'::DOUBLE ELSE sum({worth})::DOUBLE END AS x FROM (
    SELECT DISTINCT unit, h, outcome, value_number, value_text, "fields" FROM attached) GROUP BY unit) w
  ON w.unit IS NOT DISTINCT FROM s.unit ORDER BY s.unit"""


def read_matured(source: Source, span: Span, metric: MetricSpec, *, label: bool) -> Matured:
    """Read one window of one variant.

    Args:
        source: Rows and outcomes.
        span: Which window; the variant is the one that answered.
        metric: What is measured; it has an ``outcome``.
        label: The outcome is a label: units without one are missing, not zero.
    """
    if metric.kind == "value":
        return _value(source, span, metric)
    answer = answer_column(source) or "NULL"
    served = f"WITH {_SERVED.format(answer=answer, more='', which=ONE_OUTCOME, plain=WEIGHED_ALIKE)}"
    if metric.kind == "accuracy":
        query = f"{served} {_accuracy(metric)}"
        return _together([source.sql(query, _parameters(piece, metric)) for piece in span.pieces])
    table = source.sql(f"{served} {_totals(metric, label)}", _parameters(span, metric))
    wanted = table["wanted"][0].as_py() if table.num_rows else 0  # the same in every row
    x, y = _floats(table["x"]), _floats(table["y"])
    there = np.isfinite(x) & ((y > 0) | (not label))
    return Matured(x[there], y[there], int(wanted), _names(table["unit"])[there])


def _value(source: Source, span: Span, metric: MetricSpec) -> Matured:
    """What units were worth: outcomes times numbers, less what their answers cost."""
    worth = worth_of(metric)
    which = f"outcome IN ({', '.join(f'${name}' for name in worth.outcomes)})"
    served = _SERVED.format(answer="NULL", more="", which=which, plain="true")
    query = f"WITH {served} {_WORTH.format(worth=worth.sql, unknown=worth.unknown)}"
    given = {
        **_times(span, metric),
        **worth.outcomes,
        **worth.fields,
        "cost": metric.cost.get(span.variant, 0.0),
    }
    table = source.sql(query, given)
    x = _floats(table["x"])
    known = np.isfinite(x)
    return Matured(x[known], np.ones(int(known.sum())), len(x), _names(table["unit"])[known])


def _together(pieces: list[pa.Table]) -> Matured:
    """Of the pieces of a window by row, each with the labels that came in its own time: a unit's rows added up."""
    rows = pa.concat_tables(pieces)
    wanted = sum(int(piece["wanted"][0].as_py()) for piece in pieces)  # the same in every row of a piece
    x, y = _floats(rows["x"]), _floats(rows["y"])
    there = y > 0
    x, y, units = x[there], y[there], _names(rows["unit"])[there]
    if len(pieces) > 1:
        units, place = np.unique(units, return_inverse=True)
        x, y = (np.bincount(place, weights=column).astype(np.float64) for column in (x, y))
    return Matured(x, y, wanted, units)


def read_labelled(
    source: Source,
    span: Span,
    metric: MetricSpec,
    answer: str,
    more: Mapping[str, str] | None = None,
    *,
    positive: str | None = None,
) -> pa.Table:
    """Read one window of one variant row by row, in order of prediction time.

    Args:
        source: Rows and outcomes.
        span: Which window; the variant is the one that answered.
        metric: Its outcome, value, ``within`` and ``grace`` are where labels come from.
        answer: SQL of what was answered.
        more: SQL of further columns of the rows, by the names that they get.
        positive: Which label is the positive one.

    Returns:
        ``at`` (microseconds), ``unit``, ``answer`` (text), the further columns, and of the latest label ``text``,
        ``number`` (null where it is no number), ``correct`` (1 where it is the answer) and ``positive`` (1 where it is
        the positive one, null where none is named); null without a label.
    """
    extra = "".join(f", {sql} AS {quoted(name)}" for name, sql in (more or {}).items())
    text, number = _label(metric)
    named = is_right("n", "$positive") if positive is not None else "NULL::INT"
    select = _LABELLED.format(text=text, number=number, right=is_right("n", "n.answer"), positive=named)
    query = f"WITH {_SERVED.format(answer=answer, more=extra, which=ONE_OUTCOME, plain=WEIGHED_ALIKE)} {select}"
    given: dict[str, object] = {} if positive is None else {"positive": positive}
    return pa.concat_tables([source.sql(query, {**_parameters(piece, metric), **given}) for piece in span.pieces])


def read_beside(
    source: Source,
    span: Span,
    metric: MetricSpec,
    columns: Mapping[str, str],
    of: Sequence[str],
    given: Mapping[str, object],
) -> pa.Table:
    """Read the answers of one window of one variant beside the fields of the latest outcome that belongs to each.

    Args:
        source: Rows and outcomes.
        span: Which window; the variant is the one that answered.
        metric: Its outcome, ``within`` and ``grace`` are where outcomes come from.
        columns: SQL of each column by its name, over ``of`` and ``fields`` (JSON; null without an outcome).
        of: Columns of rows.
        given: What this SQL is asked with.

    Returns:
        ``unit`` and the columns, a row an answer.
    """
    more = "".join(f", {quoted(name)}" for name in of)
    served = _SERVED.format(answer="NULL", more=more, which=ONE_OUTCOME, plain=WEIGHED_ALIKE)
    picked = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items())
    query = (
        f"WITH {served} SELECT unit, {picked} FROM (SELECT s.*, l.fields AS fields FROM served s LEFT JOIN ("
        'SELECT r, arg_max("fields", came) AS fields FROM attached GROUP BY r) l USING (r))'
    )
    return pa.concat_tables([source.sql(query, {**_parameters(piece, metric), **given}) for piece in span.pieces])


def _label(metric: MetricSpec) -> tuple[str, str]:
    """SQL of a label as text and as number."""
    return ("value_text", "value_number") if metric.value is None else (_json("value"), "NULL::DOUBLE")


def _parameters(span: Span, metric: MetricSpec) -> dict[str, object]:
    given: dict[str, object] = {**_times(span, metric), "outcome": metric.outcome}
    fields = {"value": metric.value, "numerator": metric.numerator, "denominator": metric.denominator}
    return given | {name: _path(field) for name, field in fields.items() if field is not None and _uses(metric, name)}


def _times(span: Span, metric: MetricSpec) -> dict[str, object]:
    within = round((metric.within or 0.0) * 1e6)
    return {**span.asked, "skew": SKEW, "within": within, "matures": maturity(metric)}


def _uses(metric: MetricSpec, name: str) -> bool:
    return (name == "value") is (metric.kind != "ratio")


def _accuracy(metric: MetricSpec) -> str:
    """Right is what an experiment calls right, so that the two never disagree about one answer."""
    text, number = _label(metric)
    return _BY_ROW.format(text=text, number=number, right=is_right("n", "n.answer"))


def _totals(metric: MetricSpec, label: bool) -> str:
    """Sums over a unit's outcomes; of several labels of one unit the average. NaN where one lacks its number."""
    y = "1"
    if metric.kind == "ratio":
        above, below = _field("numerator"), _field("denominator")
        x, y, known = f"sum({above})", f"sum({below})", f"({above} IS NOT NULL AND {below} IS NOT NULL)"
    else:
        value = _field("value") if metric.value is not None else _VALUE
        if metric.kind == "proportion" and metric.value is None:
            value = HAPPENED_AT_ALL.format(value=value)
        x = _TOTALS.get(metric.kind, "avg({value})" if label else "sum({value})").format(value=value)
        known = f"{value} IS NOT NULL"
    if label:
        return _BY_UNIT.format(x=f"{x} FILTER ({known})", y=f"{'max(1)' if y == '1' else y} FILTER ({known})")
    settled = f" AND coalesce({x}, 0) <> 1" if metric.kind == "proportion" else ""
    return _BY_UNIT.format(x=f"CASE WHEN bool_or(NOT ({known})){settled} THEN 'nan'::DOUBLE ELSE {x} END", y=y)


_TOTALS = {"proportion": "max(({value} <> 0)::INT)", "quantile": "any_value({value} ORDER BY t, {value})"}
"""What a unit's outcomes come to; of other kinds their sum, or of labels their average."""


def _number(text: str) -> str:
    value = f"coalesce(TRY_CAST({text} AS DOUBLE), CASE lower({text}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def _field(parameter: str) -> str:
    return _number(_json(parameter))


def _json(parameter: str) -> str:
    return f'json_extract_string("fields", ${parameter})'


_VALUE = f"coalesce(value_number, {_number('value_text')}, CASE WHEN value_text IS NULL THEN 1 END)"
"""An outcome's own value; one without any simply happened: 1."""


def _path(name: str) -> str:
    return '$."' + name.replace('"', '\\"') + '"'


def _names(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.array(column.to_pylist(), dtype=object).astype(str)


def _floats(column: object) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.asarray(column.to_numpy(), dtype=np.float64)  # type: ignore[attr-defined]
    return values
