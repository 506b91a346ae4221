"""Rows that came twice: each ``row_id`` is kept once, the first one stored."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from seatrial.ledger.columns import ROW_KEY
from seatrial.ledger.sql import source
from seatrial.ledger.table import Table

_KEY = ", ".join(ROW_KEY)


def without_duplicates(connection: duckdb.DuckDBPyConnection, arrived: pa.Table, table: Table | None) -> pa.Table:
    """Newly arrived rows, each ``row_id`` once and none that the table has; nearly always all of them.

    Request ids grow with time unless the caller makes them, so the statistics of the table's files rule nearly all of
    the files out.
    """
    connection.register("arrived", arrived)
    try:
        return _filtered(connection, arrived, table)
    finally:
        connection.unregister("arrived")


def _filtered(connection: duckdb.DuckDBPyConnection, arrived: pa.Table, table: Table | None) -> pa.Table:
    range_and_repeats = f"SELECT min(request_id), max(request_id), count(*) - count(DISTINCT hash({_KEY})) FROM arrived"
    least, most, repeated = connection.execute(range_and_repeats).fetchall()[0]
    files = table.files_overlapping("request_id", least, most) if table is not None and least is not None else []
    stored = _stored(connection, files, least, most) if files else False
    if not stored and not repeated:
        return arrived
    absent = f"ANTI JOIN stored USING ({_KEY})" if stored else ""
    first = f"QUALIFY row_number() OVER (PARTITION BY {_KEY} ORDER BY arrived.at) = 1"
    kept = connection.sql(f"SELECT arrived.* FROM arrived {absent} {first}").to_arrow_table()
    return kept.cast(arrived.schema)


def _stored(connection: duckdb.DuckDBPyConnection, files: Sequence[str], least: str, most: str) -> bool:
    """Put the keys that the files share with the arrived rows into ``stored``; whether there is one."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE stored AS SELECT {_KEY} FROM {source(files)} "
        f"SEMI JOIN arrived USING ({_KEY}) WHERE request_id BETWEEN $least AND $most",
        {"least": least, "most": most},
    )
    return bool(connection.execute("SELECT count(*) FROM stored").fetchall()[0][0])
