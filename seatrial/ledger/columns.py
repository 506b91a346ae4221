"""Arrow schemas of rows and outcomes, and how columns of one name and several types live together.

A table only ever gains nullable columns. When a name comes back with another type, the newer values go to a column of
their own, ``<name>#<type>``; names that differ only in case are kept apart in the same way, because SQL engines fold
case.
"""

from collections.abc import Iterable, Mapping
from typing import get_args

import pyarrow as pa

from seatrial.ledger.rows import ColumnType, RowSchema

TIME = pa.timestamp("us", tz="UTC")

ENVELOPE = pa.schema(
    [
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("role", pa.string()),
        ("key", pa.string()),
        ("at", TIME),
        ("unit", pa.string()),
        ("unit_named", pa.bool_()),
        ("entry", pa.string()),
        ("reason", pa.string()),
        ("variant", pa.string()),
        ("assigned_version", pa.string()),
        ("answered_by", pa.string()),
        ("answered", pa.string()),
        ("version", pa.string()),
        ("propensity", pa.float64()),
        ("contested", pa.bool_()),
        ("release", pa.string()),
        ("phase", pa.int32()),
        ("revision", pa.int64()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("latency_us", pa.int64()),
        ("sampled", pa.bool_()),
    ]
)
"""The envelope's columns in order, then ``sampled``: whether this row's features were logged (when they were not, all
of them are null, which is not the same as missing)."""

OUTCOME = pa.schema(
    [
        ("outcome", pa.string()),
        ("id", pa.string()),
        ("deployment", pa.string()),
        ("unit", pa.string()),
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("key", pa.string()),
        ("item", pa.string()),
        ("value_kind", pa.string()),
        ("value_number", pa.float64()),
        ("value_text", pa.string()),
        ("withdrawn", pa.bool_()),
        ("fields", pa.string()),
        ("at", TIME),
        ("received_at", TIME),
    ]
)
"""Outcomes as stored: every revision is a row, nothing is edited."""

CHANCES = "chances"
"""The envelope's chances: a column only where a bandit chooses by context."""

ROW_KEY = ("request_id", "row", "role", "variant")
"""Together the identity of a row, ``row_id``."""

TYPES: dict[ColumnType, pa.DataType] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "numbers": pa.list_(pa.float64()),
}
assert set(TYPES) == set(get_args(ColumnType))

_NAMES: dict[pa.DataType, str] = {arrow: name for name, arrow in TYPES.items()}


def row_schema(schema: RowSchema, hashed: frozenset[str] = frozenset()) -> pa.Schema:
    """Arrow schema of the rows of one buffer; columns named in ``hashed`` are strings whatever they were."""
    typed: list[tuple[str, ColumnType]] = [(f"context.{name}", kind) for name, kind in schema.context]
    typed += [(f"feature.{name}", kind) for name, kind in schema.numbers]
    typed += [(f"feature.{name}", "string") for name in schema.texts]
    typed += [(f"feature.{name}", "numbers") for name in schema.vectors]
    typed += [(f"prediction.{name}", kind) for name, kind in schema.prediction]
    fields = [pa.field(name, pa.string() if name in hashed else TYPES[kind]) for name, kind in typed]
    chances = [pa.field(CHANCES, TYPES["numbers"])] if schema.chances else []
    return pa.schema([*ENVELOPE, *chances, *fields])


def place(existing: Mapping[str, pa.DataType], name: str, kind: pa.DataType) -> str:
    """The column in which values of this name and type are kept beside the existing columns.

    Args:
        existing: Columns of the table, by name.
        name: The column's name as written.
        kind: Its Arrow type.

    Returns:
        ``name`` when it is free or has this type; else ``name#type`` (``name#type#2`` and so on when even that is taken
        by something else).
    """
    folded = {column.casefold(): column for column in existing}
    for candidate in _candidates(name, kind):
        taken = folded.get(candidate.casefold())
        if taken is None or (taken == candidate and existing[taken] == kind):
            return candidate
    raise AssertionError("the candidates never end")


def _candidates(name: str, kind: pa.DataType) -> Iterable[str]:
    yield name
    typed = f"{name}#{_NAMES.get(kind, str(kind))}"
    yield typed
    number = 2
    while True:
        yield f"{typed}#{number}"
        number += 1


def unify(tables: Iterable[pa.Table], existing: Mapping[str, pa.DataType]) -> pa.Table:
    """One table with the columns of all, each value in the column where `place` puts it; absent ones are null."""
    known = dict(existing)
    renamed = []
    for table in tables:
        names = []
        for field in table.schema:
            name = place(known, field.name, field.type)
            known[name] = field.type
            names.append(name)
        renamed.append(table.rename_columns(names).replace_schema_metadata(None))
    return pa.concat_tables(renamed, promote_options="default")
