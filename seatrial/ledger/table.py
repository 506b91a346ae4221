"""One version of a Delta table, loaded: its files, its columns, and which segments of the spool it includes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake

from seatrial.ledger.columns import TIME, TYPES, unify
from seatrial.ledger.spool import Segment
from seatrial.protocol.instants import FIRST, LAST

PARTITION = "day"
"""Date, in UTC and by our clock, on which a row came: the partition column of every table."""


_CONFIGURATION: dict[str, str | None] = {"delta.logRetentionDuration": "interval 1 days"}


class Table:
    """A loaded version of a table; later versions do not change it.

    Attributes:
        delta: The Delta table.
        columns: Arrow type of every column but the partition's, by name.
    """

    def __init__(self, delta: DeltaTable) -> None:
        self.delta = delta
        self.columns = _columns(delta)

    @classmethod
    def load(cls, directory: Path) -> "Table | None":
        """The table's latest version; None when there is no table yet."""
        path = str(directory)
        return cls(DeltaTable(path)) if DeltaTable.is_deltatable(path) else None

    @property
    def files(self) -> list[str]:
        """Paths of the Parquet files of this version."""
        return sorted(self.delta.file_uris())

    def included(self, application: str) -> int:
        """The highest segment of a stream that this version includes, with all before it; 0: none."""
        return self.delta.transaction_version(application) or 0

    def file_facts(self, *names: str) -> list[dict[str, Any]]:
        """What the log says of every file: only what is asked for, because Python cannot hold every date."""
        facts = pa.table(self.delta.get_add_actions(flatten=True))
        found: list[dict[str, Any]] = facts.select([n for n in names if n in facts.column_names]).to_pylist()
        return found

    def file_days(self) -> list[int]:
        """The partition of every file in the order of `file_facts`, as days since 1970 (which no calendar bounds)."""
        facts = pa.table(self.delta.get_add_actions(flatten=True))
        days: list[int] = facts[f"partition.{PARTITION}"].cast(pa.int32()).to_pylist()
        return days

    def files_overlapping(self, column: str, least: str, most: str) -> list[str]:
        """Files that may hold values of a string column in [least, most], by their statistics."""
        found = []
        root = self.delta.table_uri.rstrip("/")
        for file in self.file_facts("path", f"min.{column}", f"max.{column}"):
            low, high = file.get(f"min.{column}"), file.get(f"max.{column}")
            # Long strings are cut in statistics, so a bound is compared by its own length.
            if low is None or high is None or (low <= most and least[: len(high)] <= high):
                found.append(f"{root}/{file['path']}")
        return sorted(found)


def not_included(segments: Iterable[Segment], table: Table | None) -> list[Segment]:
    """The segments that a table's version does not hold yet."""
    if table is None:
        return list(segments)
    known: dict[str, int] = {}
    for segment in segments:
        known.setdefault(segment.application, table.included(segment.application))
    return [segment for segment in segments if segment.number > known[segment.application]]


def append(directory: Path, data: Any, applied: Mapping[str, int]) -> None:
    """Commit rows to a table, made when it is not there; new columns are added.

    Args:
        directory: Of the table.
        data: An Arrow table or a reader of batches, with the partition column.
        applied: For each stream, the highest segment that this commit includes; in the same commit as the rows.
    """
    transactions = [Transaction(application, number) for application, number in sorted(applied.items())]
    write_deltalake(
        str(directory),
        data,
        mode="append",
        partition_by=[PARTITION],
        schema_mode="merge",
        configuration=_CONFIGURATION,
        writer_properties=WriterProperties(compression="ZSTD"),
        commit_properties=CommitProperties(app_transactions=transactions),
    )


def with_day(rows: pa.Table, arrival: str) -> pa.Table:
    """Rows with their partition column: the date of ``arrival`` in UTC."""
    return rows.append_column(PARTITION, rows[arrival].cast(pa.timestamp("us")).cast(pa.date32(), safe=False))


def within_calendar(rows: pa.Table) -> pa.Table:
    """Rows whose times lie in the years 1 to 9999; no table holds others, and no tool reads them."""
    import pyarrow.compute as pc  # slow to load, and not needed to read

    for name in ("at", "received_at"):
        if name in rows.column_names:
            moments = rows[name].cast(pa.int64())
            inside = pc.and_(pc.greater_equal(moments, FIRST), pc.less_equal(moments, LAST))
            if not pc.all(inside).as_py():
                rows = rows.filter(inside)
    return rows


def unify_into(parts: Iterable[pa.Table], table: Table | None) -> pa.Table:
    """Parts as one, in the columns of a table."""
    return unify(parts, table.columns if table is not None else {})


def _columns(delta: DeltaTable) -> dict[str, pa.DataType]:
    schema = pa.schema(delta.schema().to_arrow())
    return {field.name: _plain(field.type) for field in schema if field.name != PARTITION}


def _plain(kind: pa.DataType) -> pa.DataType:
    """A column's type as the ledger writes it, however the table's library spells it."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return TYPES["numbers"]
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return TIME if pa.types.is_timestamp(kind) else kind
