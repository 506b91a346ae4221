"""Reads windows of columns from a source of rows and counts them in a reference's cells.

A window of many columns is one query, or, when it holds more values than memory should, one for each group of columns:
what is held at a time does not grow with the traffic.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from seatrial.drift import FeatureProfile, profile_of_tally, profile_of_window
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted

MOST_VALUES = 8_000_000
"""Values read by one query."""


class Span(NamedTuple):
    """A variant's answers in one window.

    Attributes:
        version: Only rows of this ``name:version``; "" takes all.
        start, end: Microseconds since 1970 UTC.
        step: Of a window that slides: microseconds from its end to that of the next; 0: windows do not overlap.
    """

    variant: str
    version: str
    start: int
    end: int
    step: int = 0

    @property
    def asked(self) -> dict[str, object]:
        """What queries are asked with."""
        return {"variant": self.variant, "version": self.version, "start": self.start, "end": self.end}

    @property
    def pieces(self) -> "tuple[Span, ...]":
        """What a sliding window is merged of, in order; of another one itself."""
        if not self.step:
            return (self,)
        starts = range(self.start, self.end, self.step)
        return tuple(Span(self.variant, self.version, at, min(at + self.step, self.end)) for at in starts)


class Busy(NamedTuple):
    """Rows of one variant in one window, by what they can tell.

    Attributes:
        assigned: Rows sent its way: features.
        served: Rows that it answered: performance.
        answered: Rows that it answered, as a shadow too: predictions.
    """

    variant: str
    start: int
    assigned: int
    served: int
    answered: int


FEATURE_ROWS = "role IN ('answer', 'app') AND variant = $variant AND ($version = '' OR assigned_version = $version)"
"""Whose inputs a variant is watched by: rows that were assigned to it."""

PREDICTION_ROWS = (
    "status = 'ok' AND ($version = '' OR version = $version) AND "
    "((role IN ('answer', 'app') AND answered = $variant) OR (role = 'shadow' AND variant = $variant))"
)
"""Whose answers: rows that it answered, as a shadow too."""

IN_SPAN = '"at" >= make_timestamptz($start) AND "at" < make_timestamptz($end)'


def busy(source: Source, start: int, end: int, length: int) -> tuple[Busy, ...]:
    """Windows of [start, end) in which anything happened, by variant, in order of time."""
    table = source.sql(
        f"""
        SELECT v AS variant, bucket * $length AS start,
               count(*) FILTER (what = 'assigned') AS assigned, count(*) FILTER (what = 'served') AS served,
               count(*) FILTER (what IN ('served', 'shadow')) AS answered
        FROM (
          SELECT variant AS v, epoch_us("at") // $length AS bucket,
                 CASE WHEN role <> 'shadow' THEN 'assigned' WHEN status = 'ok' THEN 'shadow' ELSE '' END AS what
          FROM rows WHERE {IN_SPAN}
          UNION ALL
          SELECT answered, epoch_us("at") // $length, 'served'
          FROM rows WHERE {IN_SPAN} AND role <> 'shadow' AND status = 'ok' AND answered <> ''
        )
        GROUP BY v, bucket ORDER BY start, variant""",
        {"start": start, "end": end, "length": length},
    )
    columns = (table[name].to_pylist() for name in Busy._fields)
    return tuple(Busy(*row) for row in zip(*columns, strict=True))


def column_names(source: Source) -> frozenset[str]:
    """Columns that rows have."""
    return frozenset(source.sql("SELECT * FROM rows LIMIT 0", {}).column_names)


def written(names: frozenset[str], name: str) -> tuple[str, ...]:
    """Columns of ``rows`` that hold a name: it, and ``name#type`` where its type changed."""
    return tuple(sorted(column for column in names if column == name or column.startswith(f"{name}#")))


def read(
    source: Source, span: Span, rows: str, references: Mapping[str, FeatureProfile], expected: int
) -> dict[str, FeatureProfile]:
    """Count the columns of a window.

    Args:
        source: Where rows are.
        span: Which window of which variant.
        rows: Which rows count, as SQL over the span's parameters.
        references: By SQL expression (see ``expression``), the reference to count it with.
        expected: Rows that are there, about: decides how many columns are read at once.
    """
    found: dict[str, FeatureProfile] = {}
    for group in _groups(tuple(references), max(1, MOST_VALUES // max(expected, 1))):
        picked = ", ".join(f"{sql} AS c{index}" for index, sql in enumerate(group))
        query = f"SELECT {picked} FROM rows WHERE {IN_SPAN} AND {rows}"
        table = source.sql(query, span.asked)
        for index, sql in enumerate(group):
            found[sql] = _count(references[sql], table[f"c{index}"])
    return found


ANSWERED_ROWS = (
    "role IN ('answer', 'app') AND answered = $variant AND status = 'ok' AND ($version = '' OR version = $version)"
)
"""Whose performance: rows that it answered to somebody."""


def answers(source: Source, span: Span, wanted: Mapping[str, str]) -> pa.Table:
    """Columns of a window's answers, in no order.

    Args:
        source: Where rows are.
        span: Which window of which variant.
        wanted: SQL of each column by its name; where one of them is a feature, rows whose features were not logged are
            left out.
    """
    logged = any(name.startswith("feature.") for name in wanted) and "sampled" in column_names(source)
    picked = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in wanted.items())
    query = f"SELECT {picked} FROM rows WHERE {IN_SPAN} AND {ANSWERED_ROWS}{' AND sampled' * logged}"
    return pa.concat_tables([source.sql(query, piece.asked) for piece in span.pieces])


def answered_label(names: frozenset[str]) -> str | None:
    """SQL of the label that was answered, as text; None where no row carries one."""
    columns = written(names, "prediction.label")
    return expression("category", columns) if columns else None


def answered_value(names: frozenset[str]) -> str | None:
    """SQL of the value that was answered; None where no row carries one."""
    columns = written(names, "prediction.value")
    return expression("number", columns) if columns else None


def answered_score(names: frozenset[str]) -> str | None:
    """SQL of P(positive) with two classes; None where no row carries one."""
    columns = written(names, "prediction.score")
    return expression("number", columns) if columns else None


def answered_confidence(names: frozenset[str]) -> str | None:
    """SQL of the largest score with more than two classes; None where no row carries one."""
    scores = tuple(sorted(name for name in names if name.startswith("prediction.score.")))
    return largest(scores) if scores else None


def answered_columns(names: frozenset[str]) -> dict[str, str]:
    """SQL of each column that answers are watched by, by its name, where rows carry it."""
    found = {
        "label": answered_label(names),
        "score": answered_score(names),
        "confidence": answered_confidence(names),
        "value": answered_value(names),
    }
    return {name: sql for name, sql in found.items() if sql is not None}


def expression(kind: str, columns: Sequence[str]) -> str:
    """SQL of what a column of this kind is watched by, of the columns that hold it."""
    if kind == "category":
        return f"CAST({_first(columns, 'VARCHAR')} AS VARCHAR)"
    if kind in ("id", "time"):
        return f"({' AND '.join(f'{quoted(column)} IS NULL' for column in columns)})"
    if kind == "text":
        return f"CAST(length({_first(columns, 'VARCHAR')}) AS DOUBLE)"
    if kind in ("list", "embedding"):
        return _norm(columns)
    return f"CAST({_first(columns, 'DOUBLE')} AS DOUBLE)"


def _norm(columns: Sequence[str]) -> str:
    """The Euclidean length of whichever column holds a list of numbers; one with a hole in it is missing.

    A name whose type changed has columns that hold no list, so each is asked (``TRY_CAST``) rather than the first.
    """
    vector = f"coalesce({', '.join(f'TRY_CAST({quoted(column)} AS DOUBLE[])' for column in columns)})"
    return f"CASE WHEN len({vector}) = list_count({vector}) THEN sqrt(list_inner_product({vector}, {vector})) END"


def largest(columns: Sequence[str]) -> str:
    """SQL of the largest of several columns."""
    return f"CAST(greatest({', '.join(quoted(column) for column in columns)}) AS DOUBLE)"


def _first(columns: Sequence[str], kind: str) -> str:
    if len(columns) == 1:
        return quoted(columns[0])
    return f"coalesce({', '.join(f'TRY_CAST({quoted(column)} AS {kind})' for column in columns)})"


def _count(reference: FeatureProfile, column: pa.ChunkedArray) -> FeatureProfile:
    if reference.form == "category":
        tally: Counter[str | None] = Counter()
        for pair in column.value_counts().to_pylist():
            tally[pair["values"]] += pair["counts"]
        return profile_of_tally(reference, tally)
    if reference.form == "missing":
        gone = column.to_numpy(zero_copy_only=False).astype(bool)
        return profile_of_window(reference, np.where(gone, np.nan, 0.0))
    return profile_of_window(reference, column.to_numpy(zero_copy_only=False).astype(np.float64))


def _groups(names: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
