"""Where columns come from: anything that answers SQL over the views ``rows`` and ``outcomes``.

The ledger's view is one; :class:`TableSource` serves tables in memory and anybody's Parquet or CSV files, so an
experiment that was never served here can be judged by the same code.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from seatrial.ledger.persons import as_persons, note_persons
from seatrial.spec.errors import BadInput

ROW_DEFAULTS: dict[str, str] = {
    "request_id": "'row-' || row_number() OVER ()",
    "row": "0",
    "role": "'app'",
    "key": "CAST(NULL AS VARCHAR)",
    "unit_named": "true",
    "entry": "''",
    "reason": "'split'",
    "assigned_version": '"variant"',
    "answered_by": "'assigned'",
    "answered": '"variant"',
    "version": '"variant"',
    "propensity": "0.5",
    "contested": "true",
    "chances": "CAST(NULL AS DOUBLE[])",
    "release": "''",
    "phase": "1",
    "revision": "1",
    "status": "'ok'",
    "error": "''",
    "latency_us": "0",
    "sampled": "true",
}
"""What a column of ``rows`` is where a file does not have it; ``unit``, ``variant`` and ``at`` it must have."""

OUTCOME_DEFAULTS: dict[str, str] = {
    "id": "'outcome-' || row_number() OVER ()",
    "unit": "CAST(NULL AS VARCHAR)",
    "request_id": "CAST(NULL AS VARCHAR)",
    "row": "CAST(NULL AS BIGINT)",
    "key": "CAST(NULL AS VARCHAR)",
    "item": "CAST(NULL AS VARCHAR)",
    "value_number": "CAST(NULL AS DOUBLE)",
    "value_text": "CAST(NULL AS VARCHAR)",
    "fields": "'{}'",
    "received_at": 'CAST("at" AS TIMESTAMPTZ)',
    "deployment": "''",
    "value_kind": "''",
    "withdrawn": "false",
}
"""Likewise for ``outcomes``, which must have ``outcome`` and ``at``."""

_LATEST = """CREATE VIEW outcomes AS SELECT * FROM (
  SELECT * FROM all_outcomes
  QUALIFY row_number() OVER (PARTITION BY outcome, deployment, id ORDER BY received_at DESC) = 1
) WHERE NOT withdrawn"""

_NO_OUTCOMES = "SELECT '' AS outcome, CAST(NULL AS TIMESTAMPTZ) AS \"at\" WHERE false"


class Source(Protocol):
    """Answers queries over ``rows`` (the envelope and typed columns), ``outcomes`` (the latest revisions, without the
    withdrawn) and ``all_outcomes`` (every revision); one consistent state. Where people go by several names there is
    ``persons`` too (``alias``, ``unit``), and rows have a column ``named_as``."""

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        """The result of ``query``, whose ``$name`` parameters are exactly the keys of ``parameters``."""


class TableSource:
    """A source over tables or files: columns that they lack get the defaults above.

    Args:
        rows: A table, or a ``.parquet`` or ``.csv`` file, with at least ``unit``, ``variant`` and ``at``.
        outcomes: Likewise with at least ``outcome`` and ``at``; None: nothing happened.
    """

    def __init__(self, rows: pa.Table | Path, outcomes: pa.Table | Path | None = None) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'")
        happened = self._select("all_outcomes", outcomes, ("outcome", "at"), OUTCOME_DEFAULTS)
        served = self._select("rows", rows, ("unit", "variant", "at"), ROW_DEFAULTS)
        if note_persons(self._connection, happened):
            happened, served = as_persons(happened, served=False), as_persons(served, served=True)
        self._connection.execute(f"CREATE VIEW all_outcomes AS {happened}")
        self._connection.execute(f"CREATE VIEW rows AS {served}")
        self._connection.execute(_LATEST)

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        return self._connection.sql(query, params=dict(parameters)).to_arrow_table()

    def close(self) -> None:
        self._connection.close()

    def _select(
        self, name: str, data: pa.Table | Path | None, required: tuple[str, ...], defaults: Mapping[str, str]
    ) -> str:
        """SQL of the data with every column that a query may name."""
        given = f"given_{name}"
        if isinstance(data, pa.Table):
            self._connection.register(given, data)
        else:
            self._connection.execute(f"CREATE VIEW {given} AS {_read(data)}")
        columns = self._connection.sql(f"SELECT * FROM {given} LIMIT 0").columns
        for column in required:
            if column not in columns:
                raise BadInput(f"{name} have no column {column!r}, only {', '.join(columns)}: rename or add it.")
        added = "".join(f', {value} AS "{column}"' for column, value in defaults.items() if column not in columns)
        moments = [column for column in ("at", "received_at") if column in columns]
        cast = ", ".join(f'CAST("{column}" AS TIMESTAMPTZ) AS "{column}"' for column in moments)
        return f"SELECT * REPLACE ({cast}){added} FROM {given}"


def _read(data: Path | None) -> str:
    if data is None:
        return _NO_OUTCOMES
    path = str(data).replace("'", "''")
    if data.suffix == ".parquet":
        return f"SELECT * FROM read_parquet('{path}')"
    if data.suffix == ".csv":
        return f"SELECT * FROM read_csv('{path}', all_varchar = false)"
    raise BadInput(f"{data} is neither .parquet nor .csv: convert it to one of them.")
