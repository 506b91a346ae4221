"""Counts how a window's rows keep the rules that are written for them, in one pass, and how many arrived."""

from typing import NamedTuple

import pyarrow as pa

from seatrial.drift import FeatureDrift, Profile
from seatrial.drift.arrival import Arrival, against_bounds, against_usual, dispersion
from seatrial.drift.finding import Finding
from seatrial.drift.rules import Count, What
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import Constraint, DataMonitor, Deployment
from seatrial.spec.signature import FeatureKind
from seatrial.watch import reading
from seatrial.watch.reading import Span

DUPLICATED, ARRIVAL = "duplicated rows", "arrival of rows"
"""What windows call what is about no column."""

WEEK = 7 * 86_400_000_000
WEEKS = 4
AROUND = 3
"""Windows on either side of the same one, in earlier weeks, that say how much counts vary."""

TYPE_ALLOWED = 0.005
"""Share of values of another type that is not told."""

_TYPED = frozenset({"number", "integer", "boolean", "time"})
_RULED = _TYPED | {"category", "text", "id"}


class _Rule(NamedTuple):
    """A rule as SQL: which rows break it, and which could."""

    column: str
    what: What
    broken: str
    could: str
    allowed: float
    said: str = ""


def count_rules(
    deployment: Deployment, span: Span, source: Source, profile: Profile, names: frozenset[str], rows: str
) -> tuple[Count, ...]:
    """How the window's rows keep the monitor's rules; nothing where there are none, or no row.

    Args:
        deployment: Its data monitor; what is redacted has no values to look at.
        span: Which window of which variant; of a sliding one rows are counted (and repeat one another) by piece.
        source: Rows.
        profile: Which kinds the features are of.
        names: Columns of rows.
        rows: SQL of which rows count.
    """
    monitor = deployment.monitors.data
    assert monitor is not None
    kinds = {feature.name: feature.kind for feature in profile.features}
    listed: dict[str, object] = {}
    rules = [
        rule
        for name, kind in kinds.items()
        if (columns := reading.written(names, f"feature.{name}")) and kind in _RULED
        for rule in _rules_of(name, kind, columns, monitor, name in deployment.log.redact, listed)
    ]
    picked = [f"count(*) FILTER ({rule.broken}), count(*) FILTER ({rule.could})" for rule in rules]
    logged = sorted(name for name in names if name.startswith("feature."))
    if monitor.duplicated is not None and logged:
        picked.append(f"count(*) - count(DISTINCT hash({', '.join(map(quoted, logged))})), count(*)")
        rules.append(_Rule(DUPLICATED, "duplicated", "", "", monitor.duplicated))
    if not rules:
        return ()
    query = f"SELECT {', '.join(picked)} FROM rows WHERE {reading.IN_SPAN} AND {rows}"
    tables = [source.sql(query, {**piece.asked, **listed}) for piece in span.pieces]
    found = [sum(column.to_pylist()) for column in pa.concat_tables(tables).columns]
    pairs = zip(rules, found[::2], found[1::2], strict=True)
    return tuple(Count(r.column, r.what, broken, could, r.allowed, r.said) for r, broken, could in pairs if could)


def _rules_of(
    name: str,
    kind: FeatureKind,
    columns: tuple[str, ...],
    monitor: DataMonitor,
    redacted: bool,
    listed: dict[str, object],
) -> list[_Rule]:
    there = f"({' OR '.join(f'{quoted(column)} IS NOT NULL' for column in columns)})"
    number = f"coalesce({', '.join(f'TRY_CAST({quoted(column)} AS DOUBLE)' for column in columns)})"
    rules = []
    if kind in _TYPED and len(columns) > 1:
        rules.append(_Rule(name, "type", f"{there} AND {number} IS NULL", there, TYPE_ALLOWED, kind))
    constraint = monitor.constraints.get(name)
    if constraint is None:
        return rules
    if constraint.missing is not None:
        rules.append(_Rule(name, "missing", f"NOT {there}", "true", constraint.missing))
    if redacted:
        return rules
    if constraint.least is not None or constraint.most is not None:
        parts = []
        for bound, way in ((constraint.least, "<"), (constraint.most, ">")):
            if bound is not None:
                parameter = f"bound{len(listed)}"
                listed[parameter] = bound
                parts.append(f"{number} {way} ${parameter}")
        rules.append(_Rule(name, "range", " OR ".join(parts), there, constraint.allow, _range(constraint)))
    if constraint.values:
        parameter = f"values{len(listed)}"
        listed[parameter] = list(constraint.values)
        text = reading.expression("category", columns)
        broken = f"{there} AND NOT list_contains(${parameter}::VARCHAR[], {text})"
        rules.append(_Rule(name, "values", broken, there, constraint.allow, _some(constraint.values)))
    return rules


def _range(constraint: Constraint) -> str:
    if constraint.least is None:
        return f"up to {constraint.most:g}"
    return f"{constraint.least:g} and up" if constraint.most is None else f"{constraint.least:g} to {constraint.most:g}"


def _some(values: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")


def arrival(monitor: DataMonitor, span: Span, source: Source, alpha: float) -> Arrival | None:
    """How many rows of the deployment arrived in a window, whoever answered; None where nobody knows what is usual."""
    if monitor.arrival is None:
        return None
    if monitor.arrival != "usual":
        rows = _arrived(source, span, 0)[0, 0].rows
        return against_bounds(rows, monitor.arrival.at_least, monitor.arrival.at_most)
    return _beside_earlier_weeks(source, span, alpha)


def first_row(source: Source) -> int | None:
    """Time of the oldest row, microseconds; None of none."""
    found: int | None = source.sql('SELECT epoch_us(min("at")) AS first FROM rows', {})["first"][0].as_py()
    return found


def as_column(found: Arrival, rows: int) -> FeatureDrift:
    """The arrival as a column of a window, whose rule it breaks or keeps."""
    finding = Finding("rule", 1.0, 1.0, 1.0, 0.0, True, found.severity)
    return FeatureDrift(
        feature=ARRIVAL,
        state="measured",
        rows=rows,
        quality=found.severity,
        findings=(finding,) if found.severity != "none" else (),
        sentence=f"{ARRIVAL}: {found.sentence}.",
    )


class _Came(NamedTuple):
    """Rows of a window, and the sum of the squares of its units' rows: a row without a unit is one by itself."""

    rows: int = 0
    squares: float = 0.0


def _beside_earlier_weeks(source: Source, span: Span, alpha: float) -> Arrival | None:
    """The windows around the same one of each earlier week say how much counts vary from week to week."""
    first, length = first_row(source), span.end - span.start
    around = min(AROUND, (WEEK // length - 1) // 2) if length < WEEK else 0
    came = _arrived(source, span, around)
    slots = [
        [
            came[k, j].rows
            for k in range(1, WEEKS + 1)
            if first is not None and span.start + j * length - k * WEEK >= first
        ]
        for j in range(-around, around + 1)
    ]
    earlier = [one for (k, _), one in came.items() if k > 0]
    rows = sum(one.rows for one in earlier)
    by_unit = sum(one.squares for one in earlier) / rows if rows else 1.0
    return against_usual(came[0, 0].rows, slots[around], alpha, dispersion(slots, by_unit))


def _arrived(source: Source, span: Span, around: int) -> dict[tuple[int, int], _Came]:
    """Of each earlier week (0: this one), the same window and so many on either side, by week and place."""
    length = span.end - span.start
    parts = [(k, span.start - k * WEEK - around * length) for k in range(WEEKS + 1)]
    many = 2 * around + 1
    cases = " ".join(f"WHEN t >= {begin} AND t < {begin + many * length} THEN {k}" for k, begin in parts)
    begins = " ".join(f"WHEN {k} THEN {begin}" for k, begin in parts)
    there = " OR ".join(
        f'"at" >= make_timestamptz({begin}) AND "at" < make_timestamptz({min(begin + many * length, span.end)})'
        for _, begin in parts
    )
    unit = "unit" if "unit" in reading.column_names(source) else "NULL"
    query = f"""
WITH of_week AS (
  SELECT CASE {cases} END AS k, t, unit FROM (
    SELECT epoch_us("at") AS t, {unit} AS unit FROM rows WHERE role IN ('answer', 'app') AND ({there}))),
of_unit AS (
  SELECT k, (t - CASE k {begins} END) // {length} - {around} AS j, unit, count(*) AS n FROM of_week GROUP BY ALL)
SELECT k, j, sum(n)::BIGINT AS rows, sum(CASE WHEN coalesce(unit, '') = '' THEN n ELSE n * n END)::DOUBLE AS squares
FROM of_unit GROUP BY ALL"""
    table = source.sql(query, {})
    found = {(k, j): _Came() for k in range(WEEKS + 1) for j in range(-around, around + 1)}
    for k, j, rows, squares in zip(*(table[name].to_pylist() for name in ("k", "j", "rows", "squares")), strict=True):
        found[int(k), int(j)] = _Came(int(rows), float(squares))
    return found
