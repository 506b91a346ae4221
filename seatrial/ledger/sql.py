"""DuckDB as the ledger uses it: connections that download nothing, names and types in its spelling."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from seatrial.ledger.columns import TYPES

SQL_TYPES: dict[pa.DataType, str] = {
    pa.float64(): "DOUBLE",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.bool_(): "BOOLEAN",
    pa.string(): "VARCHAR",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
    TYPES["numbers"]: "DOUBLE[]",
}


def connect(home: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in memory that downloads nothing and spills into the home directory."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET temp_directory = {literal(str(home / 'ledger' / 'spill'))}")
    return connection


def source(files: Sequence[str]) -> str:
    """SQL that scans a table's files."""
    listed = ", ".join(literal(file) for file in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = true, hive_types = {{'day': DATE}})"


def select(kinds: Mapping[str, pa.DataType], present: Iterable[str]) -> str:
    """A select list of all columns in one order: those ``present``, and typed nulls for the others."""
    there = set(present)
    return ", ".join(
        quoted(name) if name in there else f"NULL::{SQL_TYPES[kind]} AS {quoted(name)}" for name, kind in kinds.items()
    )


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
