"""What is measured: for every metric, two numbers a unit, read by one query for all metrics.

A measure declares the query that gives, by unit: ``x`` and ``y`` (numerator and denominator, or value and nothing) as
they stood when the unit matured, the same with everything that has arrived since, how many labels there are of how many
wanted, and what came late or early. A matured unit's ``x`` and ``y`` never change again: that is what lets a sequence
be looked at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.experiments.answers import Answers
from seatrial.experiments.covariates import reading_of
from seatrial.experiments.labels import finite_number
from seatrial.experiments.model_measures import model_measure
from seatrial.experiments.ranking_measures import items_column, ranking_measure
from seatrial.experiments.row_columns import column_names, number_column
from seatrial.experiments.shapes import BY_ROW, Shape
from seatrial.experiments.source import Source
from seatrial.experiments.unfolding import PARTS, Around, around_sql, unfolds
from seatrial.experiments.units import NAMED, SKEW, Named, Units, evidence, parameters
from seatrial.experiments.value_measure import value_measure
from seatrial.ledger.reviewed import WEIGHED_ALIKE
from seatrial.releases.run import ReleaseRun
from seatrial.spec.check_models import OF_SHOWN
from seatrial.spec.deployment import Deployment, MetricSpec
from seatrial.spec.errors import BadInput

ANSWER_WINDOW = 60.0
"""Seconds from a unit's first exposure in which its answers are measured (errors, latency): long enough for several
requests, short enough to roll back soon. Shorter when a metric of the deployment has a shorter window."""

COLUMNS = ("x", "y", "x_all", "y_all", "labels", "wanted", "late", "early")

_ANSWER = "prediction.label"

FOREVER = 2**63 - 1
"""``until`` of an outcome that nothing has replaced."""

_CONTENT = """withdrawn, value_kind, value_number, value_text, "fields", unit, request_id, "row", "key", item"""
_IDENTITY = "hash(outcome, deployment, id)"
_IN_ORDER = f"PARTITION BY outcome, deployment, id ORDER BY received_at, hash({_CONTENT})"


def happened(which: str, back: str = "0") -> str:
    """SQL of revisions of the outcomes named in ``$outcomes`` that had arrived at ``$now``, in force from ``came`` to
    ``until``; ``which``: a condition on an outcome; ``back``: SQL of seconds before ``$since`` that are read too."""
    return f"""
named AS (SELECT * FROM all_outcomes WHERE outcome IN (SELECT unnest($outcomes)) AND {which}),
revised AS MATERIALIZED (
  SELECT {_IDENTITY} AS identity FROM named GROUP BY identity HAVING count(*) > 1
),
revisions AS (
  SELECT * FROM (
    SELECT *, row({_CONTENT}, CASE WHEN "at" = received_at THEN NULL ELSE "at" END) AS content
    FROM named WHERE {_IDENTITY} IN (SELECT identity FROM revised))
  WINDOW v AS ({_IN_ORDER}) QUALIFY row_number() OVER v = 1 OR content IS DISTINCT FROM lag(content) OVER v
),
happened AS MATERIALIZED (
  SELECT row_number() OVER () AS h, outcome, unit, request_id, "row" AS i, "key" AS k, value_number, value_text,
         "fields", item, epoch_us("at") AS t, epoch_us(received_at) AS came, until
  FROM (SELECT *, {FOREVER} AS until FROM named WHERE {_IDENTITY} NOT IN (SELECT identity FROM revised)
        UNION ALL BY NAME
        SELECT * EXCLUDE (content), coalesce(epoch_us(lead(received_at) OVER ({_IN_ORDER})), {FOREVER}) AS until
        FROM revisions)
  WHERE NOT withdrawn AND "at" >= to_timestamp($since - {back} - {SKEW / 1e6}) AND epoch_us(received_at) <= $now
)"""


HAPPENED = happened(WEIGHED_ALIKE)
"""Outcomes that came by themselves.

What a unit's outcome was when the unit matured is not changed by what it is revised to afterwards.
"""

ATTACHED = """
asked AS MATERIALIZED (
  SELECT DISTINCT request_id, "row" AS i, "key" AS k, unit FROM rows
  WHERE role IN ('answer', 'app') AND "at" >= to_timestamp($since)
    AND (request_id IN (SELECT request_id FROM happened WHERE unit IS NULL)
         OR "key" IN (SELECT k FROM happened WHERE unit IS NULL AND request_id IS NULL))
),
attached AS MATERIALIZED (
  SELECT h.*, u.u, u.first_at FROM happened h JOIN units u ON h.unit = u.unit
  UNION ALL
  SELECT h.*, u.u, u.first_at
  FROM (SELECT h.h, any_value(q.unit) AS unit
        FROM happened h JOIN asked q ON h.request_id = q.request_id
          AND (h.i IS NULL OR h.i = q.i) AND (h.k IS NULL OR h.k = q.k)
        WHERE h.unit IS NULL GROUP BY h.h HAVING count(DISTINCT q.unit) = 1) w
  JOIN happened h USING (h) JOIN units u ON u.unit = w.unit
  UNION ALL
  SELECT h.*, u.u, u.first_at
  FROM (SELECT h.h, any_value(q.unit) AS unit
        FROM happened h JOIN asked q ON h.k = q.k
        WHERE h.unit IS NULL AND h.request_id IS NULL GROUP BY h.h HAVING count(DISTINCT q.unit) = 1) w
  JOIN happened h USING (h) JOIN units u ON u.unit = w.unit
)"""
"""Outcomes by the unit they belong to: named, or the one of the request or key they name; several are left out."""


@dataclass(frozen=True)
class Measure:
    """One metric, ready to be read.

    Attributes:
        name: The metric's.
        shape: How its numbers become a mean.
        within: Window from the first exposure, microseconds.
        grace: What an arrival may take beyond the window, microseconds.
        sql: A query over the tables above that gives ``u`` and ``COLUMNS``; ``{p}`` stands for its parameters' prefix.
        parameters: Its parameters, without prefix.
        outcome: The outcome it needs, or None.
        needs_label: Units without one are missing, not zero.
        cap: Outlier cap on unit totals, or None.
        range: The least and the largest total that a unit counts with, or None: by betting where there is one.
        q: Of a quantile, which.
        covariate: What the effect is adjusted for (``experiments.covariates``), or None.
        others: Further outcomes that it needs.
        items: Whether it reads the row's list of items; ``{p}items`` in ``sql``.
        one_by_one: Whether the query also gives ``answers``: what a unit's numbers are made of, as a list.
        catalogue: Of coverage, the items there are.
        by_first: Whether a unit's ``labels`` say if its first request was such an event: what an exact sequence counts,
            because a unit that asks more often has more chances of *any*.
        ranks: Whether units are compared by ranks, for one look.
        number: Columns of a row of which the first that is known is its answer as a number; ``{p}number`` in ``sql``.
        holes: Whether an outcome may lack the number that is measured: ``x`` is then NaN, and its unit is missing.
        unfolds: Whether ``sql`` also gives what happened early, late and before (``experiments.unfolding``).
    """

    name: str
    shape: Shape
    within: int
    grace: int
    sql: str
    parameters: dict[str, object] = field(default_factory=dict)
    outcome: str | None = None
    needs_label: bool = False
    cap: float | None = None
    range: tuple[float, float] | None = None
    q: float | None = None
    covariate: str | None = None
    others: tuple[str, ...] = ()
    items: bool = False
    number: tuple[str, ...] = ()
    one_by_one: bool = False
    catalogue: int | None = None
    by_first: bool = False
    ranks: bool = False
    holes: bool = False
    unfolds: bool = False

    @property
    def listed(self) -> bool:
        """Whether ``answers`` are read."""
        return self.one_by_one or self.shape in BY_ROW

    @property
    def outcomes(self) -> tuple[str, ...]:
        """All that it needs."""
        return () if self.outcome is None else (self.outcome, *self.others)

    def limited(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit totals [n] as they count: within the range, or up to the cap, where there is one."""
        if self.range is not None:
            return np.clip(x, *self.range)
        return x if self.cap is None else np.minimum(x, self.cap)

    def told(self, column: "Column") -> NDArray[np.bool_]:
        """Units [n] of which it is known what they count with: a label where one is needed, and no hole."""
        labelled = column.labels > 0 if self.needs_label else np.ones(len(column.x), dtype=np.bool_)
        return labelled & np.isfinite(column.x) if self.holes else labelled

    @property
    def stops(self) -> bool:
        """Whether what arrives after a single planned look is kept out of its numbers."""
        return self.parameters.get("by", FOREVER) != FOREVER

    @property
    def matures(self) -> int:
        """Microseconds from a unit's first exposure to its maturity."""
        return self.within + self.grace


@dataclass(frozen=True, eq=False)
class Column:
    """The numbers of one measure by unit, in order of exposure; arrays [n] of the names in ``COLUMNS``.

    ``z`` is its covariate, NaN where it is missing; None: the measure has none. ``answers`` are its labelled answers
    one by one, for a measure that ranks them. ``around`` is None where the measure does not unfold.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_all: NDArray[np.float64]
    y_all: NDArray[np.float64]
    labels: NDArray[np.float64]
    wanted: NDArray[np.float64]
    late: NDArray[np.float64]
    early: NDArray[np.float64]
    z: NDArray[np.float64] | None = None
    answers: Answers | None = None
    around: Around | None = None


def answer_window(deployment: Deployment) -> float:
    """Seconds in which a unit's answers are measured."""
    return min([ANSWER_WINDOW, *(m.within for m in deployment.metrics.values() if m.within is not None)])


def declared_measures(deployment: Deployment, run: ReleaseRun) -> tuple[Measure, ...]:
    """The measures of the file's metrics."""
    after = run.plan.after if run.plan.name == "fixed" else None
    began = run.phases[0].started_at if run.phases else run.started_at
    last = None if after is None else began + _micros(after)
    return tuple(measure_of(name, deployment, run.caps, last) for name in deployment.metrics)


def error_measures(deployment: Deployment) -> tuple[Measure, ...]:
    """``errors``: units with at least one failure; ``error_rate``: failed requests by unit."""
    within = _micros(answer_window(deployment))
    units = _answers("max(failed::INT)", "1")
    requests = _answers("sum(failed::INT)", "count(*)")
    return (
        Measure("errors", "proportion", within, 0, units, {"within": within}),
        Measure("error_rate", "share", within, 0, requests, {"within": within}),
    )


def latency_measure(
    name: str, deployment: Deployment, run: ReleaseRun, champion_us: float, challenger_us: float
) -> Measure:
    """Requests slower than a threshold, as a ratio by unit.

    Args:
        name: ``p50`` or ``p99``.
        deployment: For the window.
        run: Names the challenger.
        champion_us: Threshold for the champion's requests, microseconds.
        challenger_us: Threshold for the challenger's: the champion's plus the margin that is tested.
    """
    within = _micros(answer_window(deployment))
    slow = "(latency_us > CASE WHEN arm = ${p}challenger THEN ${p}relaxed ELSE ${p}base END)::INT"
    sql = _answers(
        f"sum({slow})", "count(*)", first=f"arg_min({slow}, struct_pack(t := t, request := request_id, i := i))"
    )
    given: dict[str, object] = {
        "within": within,
        "challenger": run.challenger,
        "base": champion_us,
        "relaxed": challenger_us,
    }
    return Measure(name, "share", within, 0, sql, given, by_first=True)


def _answers(x: str, y: str, first: str = "0") -> str:
    """A query for two aggregates over a unit's answers in its window; answers are never late."""
    return f"""SELECT u, {x} AS x, {y} AS y, {x} AS x_all, {y} AS y_all, {first} AS labels, 0 AS wanted, 0 AS late,
      0 AS early
    FROM placed WHERE t <= first_at + ${{p}}within GROUP BY u"""


def read(source: Source, run: ReleaseRun, measures: Sequence[Measure], now: int) -> tuple[Units, dict[str, Column]]:
    """Reads the units and every measure in one query.

    Without ``answer_column`` no answer is right.
    """
    asked = question(source, run, measures, now)
    table = source.sql(asked.query(), asked.parameters)
    columns = {m.name: column_of(table, index, m, asked.covariates) for index, m in enumerate(measures)}
    drawn_as = "drawn_as" if "drawn_as" in table.column_names else "unit"
    return Units.from_table(table, run, longest_of(measures), drawn_as), columns


def longest_of(measures: Sequence[Measure]) -> int:
    """The longest window of any, microseconds."""
    return max((m.within for m in measures), default=0)


def answer_column(source: Source) -> str | None:
    """SQL of the label that was answered; None where no row carries one.

    A column whose type changed lives on beside its later ones, ``prediction.label#<type>``.
    """
    names = column_names(source)
    found = [f'"{name}"' for name in names if name == _ANSWER or name.startswith(f"{_ANSWER}#")]
    if len(found) < 2:
        return found[0] if found else None
    return f"coalesce({', '.join(f'CAST({name} AS VARCHAR)' for name in found)})"


def also_of(measures: Sequence[Measure], names: Sequence[str]) -> str:
    """SQL of the rows' answers as numbers or lists, for the measures that rate those, to follow other columns."""
    numbers = [(index, m.number) for index, m in enumerate(measures) if m.number]
    found = [f", {number_column(columns, names)} AS m{index}_number" for index, columns in numbers]
    found += [f", {items_column(names)} AS m{index}_items" for index, m in enumerate(measures) if m.items]
    return "".join(found)


class Question(NamedTuple):
    """What is asked of a source for a release's units and measures.

    Attributes:
        tables: The tables it is made of, as SQL.
        picked: The columns, likewise; with the joins that they need.
        parameters: Its parameters.
        covariates: Column ``z<i>`` is the i-th of these.
        measures: How many there are.
    """

    tables: str
    picked: str
    parameters: dict[str, object]
    covariates: tuple[str, ...]
    measures: int

    def query(self, units: str = "true") -> str:
        """The query, in order of exposure; of those units only for which the SQL condition holds."""
        return f"WITH {self.tables} SELECT {self.picked} WHERE {units} ORDER BY units.u"

    def marked(self, units: str, mark: str) -> str:
        """Likewise, with a hash of each unit's name and numbers as a column ``mark``.

        What came late is nearly always nothing: ``x_all`` and ``y_all`` are null where they are ``x`` and ``y``.
        """
        answer = f"answer AS (SELECT {self.picked} WHERE {units})"
        late = ", ".join(
            f"nullif(m{index}_{c}_all, m{index}_{c}) AS m{index}_{c}_all"
            for index in range(self.measures)
            for c in "xy"
        )
        columns = f"answer.* REPLACE ({late})" if late else "answer.*"
        return (
            f"WITH {self.tables}, {answer} SELECT {columns}, hash(answer) AS {mark} FROM answer ORDER BY first_at, unit"
        )


def question(source: Source, run: ReleaseRun, measures: Sequence[Measure], now: int) -> Question:
    """The one query that reads everything: a row a unit, columns ``m<i>_<name>`` of the i-th measure."""
    given = parameters(run, now)
    names = column_names(source)
    parts = [evidence(names, answer_column(source) or "NULL", also_of(measures, names))]
    outcomes = outcomes_of(measures)
    if outcomes:
        parts += [happened(WEIGHED_ALIKE, "$back"), ATTACHED]
        given["outcomes"] = outcomes
        given["back"] = max((m.within for m in measures if m.unfolds), default=0) / 1e6
    covariates = _covariates(measures)
    before = reading_of(covariates, names, run)
    parts += before.tables
    given |= before.parameters
    joins = list(before.joins)
    picked = ["units.unit", "units.variant", "units.phase", "units.first_at", "coalesce(met.n, 0)::BIGINT AS met"]
    picked += ["units.drawn_as"] if NAMED in names else []
    picked += [f"{before.columns[name]} AS z{index}" for index, name in enumerate(covariates)]
    for index, measure in enumerate(measures):
        parts.append(f"m{index} AS ({measure.sql.replace('{p}', f'm{index}_')})")
        joins.append(f"LEFT JOIN m{index} ON m{index}.u = units.u")
        picked += [f"coalesce(m{index}.{c}, 0)::DOUBLE AS m{index}_{c}" for c in COLUMNS]
        if measure.unfolds:
            picked += [f"coalesce(m{index}.{c}, 0)::DOUBLE AS m{index}_{c}" for c in PARTS]
        if measure.listed:
            picked.append(f"m{index}.answers AS m{index}_answers")
        given |= {f"m{index}_{name}": value for name, value in measure.parameters.items()}
    chosen = f"{', '.join(picked)} FROM units LEFT JOIN met ON met.u = units.u {' '.join(joins)}"
    return Question(", ".join(parts), chosen, given, tuple(covariates), len(measures))


def outcomes_of(measures: Sequence[Measure]) -> list[str]:
    """The outcomes that measures need, each once."""
    return sorted({name for m in measures for name in m.outcomes})


def _covariates(measures: Sequence[Measure]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(m.covariate for m in measures if m.covariate is not None))


def column_of(table: Named, index: int, measure: Measure, covariates: Sequence[str]) -> Column:
    """The numbers of the ``index``-th measure of a question, from its answer."""
    numbers = {c: table[f"m{index}_{c}"].to_numpy() for c in COLUMNS}
    answers = Answers.from_lists(table[f"m{index}_answers"]) if measure.listed else None
    z = None
    if measure.covariate is not None:
        z = table[f"z{covariates.index(measure.covariate)}"].cast(pa.float64()).to_numpy()  # null becomes NaN
    around = Around(*(table[f"m{index}_{part}"].to_numpy() for part in PARTS)) if measure.unfolds else None
    if measure.holes:  # what came late without its number changes nothing
        numbers["x_all"] = np.where(np.isnan(numbers["x_all"]), numbers["x"], numbers["x_all"])
    return Column(**numbers, z=z, answers=answers, around=around)


def measure_of(name: str, deployment: Deployment, caps: Mapping[str, float], last: int | None = None) -> Measure:
    """The measure of one of the file's metrics; ``caps`` holds for metrics that declare none.

    ``last``: when the last unit of a single planned look may be exposed, microseconds since 1970 UTC; what arrives
    after that has matured is in no number. None: there is no such plan.
    """
    spec = deployment.metrics[name]
    value = value_measure(spec, _ON_TIME, _BY_NOW, _TIMES)
    first = spec.outcome if value is None else value.outcomes[0]
    if (first is None and spec.kind not in OF_SHOWN) or spec.within is None:
        raise BadInput(f"metric {name!r} names no outcome or no window: add `outcome:` and `within:` to it.")
    outcome = None if first is None else deployment.outcomes.get(first)
    label = outcome is not None and outcome.label
    within, grace = _micros(spec.within), 0 if spec.kind in OF_SHOWN else _micros(spec.grace)
    given: dict[str, object] = {"within": within}
    given |= {} if first is None else {"matures": within + grace}
    given |= {} if value is not None or first is None else {"outcome": first}
    model, ranking = model_measure(spec), ranking_measure(spec)
    other = model or ranking or value
    given |= {"by": FOREVER if last is None else last + within + grace} if other is value else {}
    sql, shape, paths = _KINDS[spec.kind](spec, label) if other is None else (other.sql, other.shape, other.parameters)
    cap = spec.cap if spec.cap is not None else caps.get(name)
    return Measure(
        name,
        shape,
        within,
        grace,
        sql,
        given | paths,
        first,
        others=value.outcomes[1:] if value is not None else (),
        needs_label=label or model is not None,
        cap=cap if shape == "mean" and value is None and spec.range is None else None,
        range=spec.range,
        q=spec.quantile,
        covariate=spec.covariate,
        items=ranking is not None,
        number=() if model is None else model.number,
        ranks=spec.compare == "ranks",
        one_by_one=ranking is not None and ranking.one_by_one,
        catalogue=spec.catalogue,
        holes=outcome is not None and other is value and (value is not None or not label),
        unfolds=unfolds(spec, label=label),
    )


_INSIDE = f"a.t BETWEEN a.first_at - {SKEW} AND a.first_at + ${{p}}within"
_ARRIVED = "a.came <= a.first_at + ${p}matures AND a.until > a.first_at + ${p}matures"
_ON_TIME = f"{_INSIDE} AND {_ARRIVED}"
_BY_NOW = f"{_INSIDE} AND a.came <= ${{p}}by AND a.until > least(${{p}}by, $now)"
_TIMES = f"""count(*) FILTER ({_INSIDE} AND a.until > $now AND a.came > a.first_at + ${{p}}matures) AS late,
    count(*) FILTER (a.t < a.first_at - {SKEW} AND a.t >= $since * 1000000 - {SKEW} AND a.until > $now) AS early"""


def _totals(aggregate: str, second: str, label: bool, known: str, each: str = "", *, settles: bool = False) -> str:
    """A query for sums over a unit's outcomes; ``aggregate`` and ``second`` are expressions with a FILTER to follow.

    ``known`` says whether an outcome has its number. A label without one is none; any other is a hole: what its unit
    comes to is not known, unless a 1 ``settles`` it. ``each`` is what one outcome adds to a metric that unfolds; empty
    for one that does not.
    """
    on_time, by_now = (f"{when} AND {known}" if label else when for when in (_ON_TIME, _BY_NOW))

    def total(when: str) -> str:
        found = f"{aggregate} FILTER ({when})"
        if label:
            return found
        open_ = f" AND coalesce({found}, 0) <> 1" if settles else ""
        return f"CASE WHEN bool_or(NOT ({known})) FILTER ({when}){open_} THEN 'nan'::DOUBLE ELSE {found} END"

    labels = f"count(*) FILTER ({on_time})" if label else "0"
    wanted = "1" if label else "0"
    around = f", {around_sql(each, _ARRIVED, SKEW)}" if each and not label else ""
    return f"""SELECT a.u, {total(on_time)} AS x, {second} FILTER ({on_time}) AS y,
    {total(by_now)} AS x_all, {second} FILTER ({by_now}) AS y_all,
    {labels} AS labels, {wanted} AS wanted, {_TIMES}{around}
    FROM attached a WHERE a.outcome = ${{p}}outcome GROUP BY a.u"""


def _field(parameter: str) -> str:
    return finite_number(f'json_extract_string(a."fields", ${{p}}{parameter})')


_VALUE = f"coalesce(a.value_number, {finite_number('a.value_text')}, CASE WHEN a.value_text IS NULL THEN 1 END)"
"""An outcome's own value; one without any simply happened: 1, whatever others carry. A metric whose outcomes must carry
a number names the field that holds it."""


HAPPENED_AT_ALL = "coalesce({value}, 1)"
"""For a proportion: a word (``gold``) that is no number happened too; 0 and false did not."""


def path(name: str) -> str:
    """The JSON path of an outcome's field."""
    return '$."' + name.replace('"', '\\"') + '"'


def _mean(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    value = _field("value") if spec.value is not None else _VALUE
    paths: dict[str, object] = {"value": path(spec.value)} if spec.value is not None else {}
    total = f"{'avg' if label else 'sum'}({value})"
    return _totals(total, "count(*)", label, f"{value} IS NOT NULL", value), "mean", paths


def _proportion(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    value = _field("value") if spec.value is not None else HAPPENED_AT_ALL.format(value=_VALUE)
    paths: dict[str, object] = {"value": path(spec.value)} if spec.value is not None else {}
    happened = f"({value} <> 0)::INT"
    known = f"{value} IS NOT NULL"
    return _totals(f"max({happened})", "count(*)", label, known, happened, settles=True), "proportion", paths


def _ratio(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    if spec.numerator is None or spec.denominator is None:
        raise BadInput("a ratio has a `numerator` and a `denominator`: name a field of the outcome for each.")
    paths: dict[str, object] = {"numerator": path(spec.numerator), "denominator": path(spec.denominator)}
    above, below = _field("numerator"), _field("denominator")
    known = f"({above} IS NOT NULL AND {below} IS NOT NULL)"
    return _totals(f"sum({above})", f"sum({below})", label, known), "ratio", paths


def _quantile(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    """Of the unit's first outcome in its window; of several at once the smallest, so that it is always the same."""
    value = _field("value") if spec.value is not None else _VALUE
    paths: dict[str, object] = {"value": path(spec.value)} if spec.value is not None else {}
    first = f"any_value({value} ORDER BY a.t, {value})"
    return _totals(first, "count(*)", label, f"{value} IS NOT NULL"), "quantile", paths


_KINDS = {"mean": _mean, "proportion": _proportion, "ratio": _ratio, "quantile": _quantile}


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
