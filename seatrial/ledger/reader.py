"""Reading the ledger: spool and table as one, each row once, with DuckDB.

The order matters. A reader lists the spool, *then* loads the table's version, and drops the segments which that version
includes: whatever was compacted in between is in the version, whatever was not is still in the listing. A listed
segment that is gone when it is opened was compacted after the version was loaded, so the reader begins again.

Queries see two views. ``rows`` has ``row_id``, every column of the envelope, ``sampled`` and the typed columns;
``outcomes`` has the latest revision of each outcome that belongs to the deployment, or to none, without the withdrawn.
``at`` is a word of DuckDB's grammar: write ``rows.at``, ``r.at`` or ``"at"``; names with a dot want quotes too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from seatrial.ledger import layout
from seatrial.ledger.columns import ENVELOPE, OUTCOME, TYPES
from seatrial.ledger.duplicates import without_duplicates
from seatrial.ledger.persons import as_persons, note_persons
from seatrial.ledger.retention import read_forgetting, without_forgotten
from seatrial.ledger.rows import ColumnType
from seatrial.ledger.spool import Segment, list_segments, read_segment
from seatrial.ledger.sql import SQL_TYPES, connect, literal, select, source
from seatrial.ledger.table import Table, not_included, unify_into
from seatrial.spec.errors import Unavailable

ATTEMPTS = 20

_CONTENT = "withdrawn, value_kind, value_number, value_text, fields, unit, request_id, row, key, item"


class View:
    """One moment of one deployment's ledger, as a DuckDB connection.

    Attributes:
        connection: The connection; for what `sql` cannot do.
        columns: Columns of ``rows``, with their DuckDB types.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> None:
        self.connection = connection
        self.columns = dict(columns)

    def sql(self, query: str, parameters: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Run a query over ``rows`` and ``outcomes``.

        Args:
            query: One SELECT; ``?`` or ``$name`` stand for parameters.
            parameters: Their values.
        """
        return self.connection.sql(query, params=parameters).to_arrow_table()


class Reader:
    """Opens views of the ledger under a home directory; holds nothing itself."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @contextmanager
    def open(
        self, deployment: str | None, columns: Iterable[tuple[str, ColumnType]] = (), *, persons: bool = False
    ) -> Iterator[View]:
        """A view of this moment.

        Args:
            deployment: Whose rows; None: no rows, and the outcomes of all deployments.
            columns: Typed columns (full names, ``feature.age``) that the query will name; where no row has one yet it
                is there as nulls.
            persons: Let ``unit`` be the person who goes by several names (``ledger.persons``); where anybody does, rows
                have the name that was served as ``named_as``.

        Raises:
            Unavailable: The ledger changed under every attempt.
        """
        # Outcomes first: an outcome that is seen then has its row seen too.
        outcomes, outcome_table = self._load(layout.outcomes(self._home), lambda stream: stream == layout.OUTCOMES)
        rows, row_table = (None, None) if deployment is None else self._load_rows(deployment)
        connection = connect(self._home)
        try:
            joined = _outcome_view(connection, outcomes, outcome_table, deployment, persons=persons)
            yield View(connection, _row_view(connection, rows, row_table, dict(columns), persons=joined))
        finally:
            connection.close()

    def _load_rows(self, deployment: str) -> tuple[pa.Table | None, Table | None]:
        directory = layout.table(self._home, deployment)
        return self._load(directory, lambda stream: layout.stream_deployment(stream) == deployment)

    def deployments(self) -> list[str]:
        """Deployments that have rows, in the table or in the spool."""
        found = {layout.table_deployment(path) for path in layout.tables(self._home).glob("*") if path.is_dir()}
        streams = {segment.stream for segment in list_segments(self._home, lambda _: True)}
        return sorted(found | {name for name in map(layout.stream_deployment, streams) if name is not None})

    def _load(self, directory: Path, wanted: Any) -> tuple[pa.Table | None, Table | None]:
        """The spool's part of a table, and the version of the table that it continues."""
        for _ in range(ATTEMPTS):
            listed = list_segments(self._home, wanted)
            table = Table.load(directory)
            try:
                rows = read_segments(not_included(listed, table), table)
            except FileNotFoundError:
                continue
            arrival = "received_at" if directory == layout.outcomes(self._home) else "at"
            return (None if rows is None else without_forgotten(rows, arrival, read_forgetting(self._home))), table
        raise Unavailable(f"the ledger under {self._home} changed {ATTEMPTS} times while it was opened; try again")


def read_segments(segments: Sequence[Segment], table: Table | None) -> pa.Table | None:
    """The rows of segments in the columns of a table; None when there is no row.

    Raises:
        FileNotFoundError: A segment is gone.
    """
    tables = []
    for segment in segments:
        # Outcomes are read, not mapped: a write that failed to sync is cut off again, under a map if there was one.
        rows = read_segment(segment.path, mapped=segment.stream != layout.OUTCOMES)
        if rows is not None and rows.num_rows:
            tables.append(rows)
    return unify_into(tables, table) if tables else None


def _row_view(
    connection: duckdb.DuckDBPyConnection,
    spool: pa.Table | None,
    table: Table | None,
    expected: Mapping[str, ColumnType],
    *,
    persons: bool,
) -> dict[str, str]:
    kinds: dict[str, pa.DataType] = {field.name: field.type for field in ENVELOPE}
    kinds |= table.columns if table else {}
    kinds |= {field.name: field.type for field in spool.schema} if spool is not None else {}
    for name, kind in expected.items():
        kinds.setdefault(name, TYPES[kind])
    if spool is not None:
        spool = without_duplicates(connection, spool, table)
    parts = _parts(connection, "spool_rows", spool, table, kinds)
    identity = "request_id || '/' || row || '/' || role || '/' || variant AS row_id"
    relation = as_persons(parts, served=True) if persons else parts
    connection.execute(f"CREATE TEMP VIEW rows AS SELECT {identity}, * FROM ({relation})")
    found = {"row_id": "VARCHAR"} | {name: SQL_TYPES[kind] for name, kind in kinds.items()}
    return found | {"named_as": "VARCHAR"} if persons else found


def _parts(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    spool: pa.Table | None,
    table: Table | None,
    kinds: Mapping[str, pa.DataType],
) -> str:
    """SQL of the table's part and the spool's, one under the other with the same columns."""
    parts = []
    if table is not None and table.files:
        parts.append(f"SELECT {select(kinds, table.columns)} FROM {source(table.files)}")
    if spool is not None:
        connection.register(name, spool)
        parts.append(f"SELECT {select(kinds, spool.schema.names)} FROM {name}")
    return " UNION ALL ".join(parts) if parts else f"SELECT {select(kinds, ())} WHERE false"


def _outcome_view(
    connection: duckdb.DuckDBPyConnection,
    spool: pa.Table | None,
    table: Table | None,
    deployment: str | None,
    *,
    persons: bool,
) -> bool:
    """Makes the views; whether their units are persons, because some go by several names and it was asked for."""
    kinds = {field.name: field.type for field in OUTCOME}
    parts = _parts(connection, "spool_outcomes", spool, table, kinds)
    whose = "true" if deployment is None else f"deployment IN ('', {literal(deployment)})"
    mine = f"SELECT * FROM ({parts}) WHERE {whose}"
    joined = persons and note_persons(connection, mine)
    if joined:
        mine = as_persons(mine, served=False)
    connection.execute(f"CREATE TEMP VIEW all_outcomes AS {mine}")
    identity = "hash(outcome, deployment, id)"
    connection.execute(
        f"CREATE TEMP TABLE revised AS SELECT {identity} AS identity FROM all_outcomes GROUP BY 1 HAVING count(*) > 1"
    )
    if not connection.execute("SELECT count(*) FROM revised").fetchall()[0][0]:
        connection.execute("CREATE TEMP VIEW outcomes AS SELECT * FROM all_outcomes WHERE NOT withdrawn")
        return joined
    connection.execute(
        f"CREATE TEMP TABLE latest AS {latest_revisions(f'all_outcomes SEMI JOIN revised ON {identity} = identity')}"
    )
    connection.execute(
        "CREATE TEMP VIEW outcomes AS "
        f"SELECT o.* FROM all_outcomes o ANTI JOIN revised ON {identity} = identity WHERE NOT withdrawn "
        "UNION ALL SELECT * FROM latest WHERE NOT withdrawn"
    )
    return joined


def latest_revisions(relation: str) -> str:
    """SQL of the revision of each outcome that counts.

    It is the last one whose content differs from the one before; a repeat of it that arrives later changes nothing,
    not even when it is said to have arrived. A time that only says when it arrived is no content.
    """
    content = f'({_CONTENT}, CASE WHEN "at" = received_at THEN NULL ELSE "at" END)'
    order = f"PARTITION BY outcome, deployment, id ORDER BY received_at, hash({_CONTENT})"
    return (
        "SELECT * EXCLUDE (content, before, first) FROM ("
        f"SELECT *, lag(content) OVER ({order}) AS before, row_number() OVER ({order}) = 1 AS first "
        f"FROM (SELECT *, {content} AS content FROM {relation}) "
        "QUALIFY first OR content IS DISTINCT FROM before) "
        "QUALIFY row_number() OVER (PARTITION BY outcome, deployment, id ORDER BY received_at DESC, "
        f"hash({_CONTENT}) DESC) = 1"
    )
