"""What a column is watched by beyond its one number, by its kind: the parts of ``drift.by_kind`` that need raw values.

text    `.empty` or written, and `.unseen`: the share of its words that the reference does not have
list    `.length`
embedding  `.along` and `.residual`, by the directions in which the reference varies most
time    `.hour` of the day, in windows of whole days only: an hour is never like a day
id      the share of new ids, which is shown and not judged
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seatrial.drift import FeatureProfile
from seatrial.drift.by_kind import ColumnReference
from seatrial.drift.identifiers import NewIds
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.signature import FeatureKind
from seatrial.watch import reading
from seatrial.watch.panes import DAY
from seatrial.watch.reading import Span


class ByKind(NamedTuple):
    """The further columns of a window beside their reference, and the new ids of id columns."""

    pairs: list[tuple[FeatureProfile, FeatureProfile]]
    new_ids: dict[str, NewIds]


def by_kind(
    source: Source,
    span: Span,
    rows: str,
    columns: Sequence[ColumnReference],
    names: frozenset[str],
    *,
    whole_days: bool,
) -> ByKind:
    """Count the columns of one window that are logged as what they are.

    Args:
        source: Rows.
        span: Which window of which variant.
        rows: SQL of which rows count.
        columns: References of columns that are watched and not redacted.
        names: Columns of rows.
        whole_days: The window is of whole days (what is counted may be a part of it).
    """
    pairs: list[tuple[FeatureProfile, FeatureProfile]] = []
    new_ids: dict[str, NewIds] = {}
    for made in columns:
        written = reading.written(names, f"feature.{made.feature.name}")
        if not written or (made.feature.kind == "time" and not whole_days):
            continue
        column = raw(made.feature.kind, written)
        table = source.sql(f"SELECT {column} AS v FROM rows WHERE {reading.IN_SPAN} AND {rows}", span.asked)
        values = table["v"].to_pylist()
        counted = zip(made.profiles, made.count(values), strict=True)
        pairs += [(reference, window) for reference, window in counted if reference.name != made.feature.name]
        new = made.new_ids(values)
        if new is not None:
            new_ids[made.feature.name] = new
    return ByKind(pairs, new_ids)


def has_whole_days(span: Span) -> bool:
    """Whether a window says which hours of the day are usual."""
    return (span.end - span.start) % DAY == 0


def references_of(
    columns: Sequence[ColumnReference], names: frozenset[str], *, whole_days: bool
) -> dict[str, FeatureProfile]:
    """What ``by_kind`` compares with, by name."""
    return {
        profile.name: profile
        for made in columns
        if reading.written(names, f"feature.{made.feature.name}") and (made.feature.kind != "time" or whole_days)
        for profile in made.profiles
        if profile.name != made.feature.name
    }


_SQL_KINDS: Mapping[FeatureKind, str] = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "time": "DOUBLE",
    "list": "VARCHAR[]",
    "embedding": "DOUBLE[]",
}


def raw(kind: FeatureKind, written: Sequence[str]) -> str:
    """SQL of a column's values, of the columns that hold them: more than one where its type changed."""
    if len(written) == 1:
        return quoted(written[0])
    return f"coalesce({', '.join(f'TRY_CAST({quoted(name)} AS {_SQL_KINDS[kind]})' for name in written)})"
