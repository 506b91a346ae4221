"""Rows joined with their outcomes as one file: the training data of the next version.

Each row comes once, with its columns and, for every outcome asked for, ``outcome.<name>`` (its value), its time ``.at``
and a column for each field. Of several outcomes of one name the first after the row counts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seatrial.ledger.joins import pairs
from seatrial.ledger.reader import Reader, View
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput, NotFound

_NUMBERS = {"BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"}
"""What DuckDB calls numbers in JSON."""

FORMATS = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}


class Exported(NamedTuple):
    """What was written.

    Attributes:
        rows: Rows in the file.
        joined: Of them, those with at least one value, by outcome.
    """

    rows: int
    joined: dict[str, int]


def export_rows(
    home: Path,
    deployment: str,
    out: Path,
    *,
    since: int | None = None,
    until: int | None = None,
    outcomes: Sequence[str] = (),
    within: float | None = None,
    declared: Sequence[str] | None = None,
    shadows: bool = False,
) -> Exported:
    """Write a deployment's rows with their outcomes.

    Args:
        home: Home directory of the machine.
        deployment: Whose rows.
        out: A ``.parquet`` or ``.csv`` file; replaced when it is whole.
        since, until: Server times of the rows, microseconds since 1970 UTC; since inclusive, until exclusive.
        outcomes: Names to join.
        declared: Outcomes that the deployment declares: others must at least be in the ledger; None: any name goes.
        within: Seconds after a row in which an outcome counts; None: any time after it.
        shadows: Write the shadows' rows too (never joined).

    Raises:
        NotFound: The deployment has no rows at all, or there is no such directory to write to.
        BadInput: The file's ending says no known format, or an outcome is neither declared nor in the ledger.
    """
    if out.suffix not in FORMATS:
        raise BadInput(f"{out.name!r} ends in no known format; use {' or '.join(FORMATS)}")
    if not out.absolute().parent.is_dir():
        raise NotFound(f"there is no directory {str(out.parent)!r} to write {out.name} to; make it first")
    reader = Reader(home)
    known = reader.deployments()
    if deployment not in known:
        raise NotFound(f"the ledger has no rows of {deployment!r}; it has rows of {', '.join(known) or 'nobody yet'}")
    temporary = out.with_name(f".{out.name}.part")
    with reader.open(deployment) as view:
        if declared is not None:
            _check_outcomes(view, deployment, outcomes, declared)
        _chosen_rows(view, since, until, shadows)
        columns = ["c.*"]
        joins = []
        for number, outcome in enumerate(outcomes):
            columns += _first_outcomes(view, outcome, within, number)
            joins.append(f"LEFT JOIN first_{number} USING (row_id)")
        query = f"SELECT {', '.join(columns)} FROM chosen c {' '.join(joins)} ORDER BY c.at, c.request_id, c.row"
        view.connection.execute(f"COPY ({query}) TO {literal(str(temporary))} ({FORMATS[out.suffix]})")
        rows = _count(view, "chosen")
        joined = {outcome: _count(view, f"first_{number}") for number, outcome in enumerate(outcomes)}
    temporary.replace(out)
    return Exported(rows, joined)


def _check_outcomes(view: View, deployment: str, outcomes: Sequence[str], declared: Sequence[str]) -> None:
    unknown = [name for name in outcomes if name not in declared]
    for name in unknown:
        query = f"SELECT 1 FROM outcomes WHERE outcome = {literal(name)} LIMIT 1"
        if not view.connection.execute(query).fetchall():
            there = f"it declares {', '.join(declared)}" if declared else "it declares none"
            raise BadInput(f"{deployment!r} has no outcome {name!r}; {there}")


def _chosen_rows(view: View, since: int | None, until: int | None, shadows: bool) -> None:
    conditions = ["true"] if shadows else ["role <> 'shadow'"]
    if since is not None:
        conditions.append(f'"at" >= make_timestamptz({int(since)})')
    if until is not None:
        conditions.append(f'"at" < make_timestamptz({int(until)})')
    view.connection.execute(f"CREATE TEMP VIEW chosen AS SELECT * FROM rows WHERE {' AND '.join(conditions)}")


def _first_outcomes(view: View, outcome: str, within: float | None, number: int) -> list[str]:
    """Put the first outcome of each row into ``first_<number>``; gives the select list of its columns."""
    named = f"(SELECT * FROM outcomes WHERE outcome = {literal(outcome)})"
    window = "" if within is None else f'WHERE "at" < row_at + INTERVAL {round(within * 1e6)} MICROSECONDS'
    view.connection.execute(
        f"CREATE TEMP TABLE first_{number} AS SELECT * FROM ({pairs('chosen', named)}) {window} "
        'QUALIFY row_number() OVER (PARTITION BY row_id ORDER BY "at", received_at, id) = 1'
    )
    columns = [
        f"first_{number}.{_value_column(view, number)} AS {quoted(f'outcome.{outcome}')}",
        f'first_{number}."at" AS {quoted(f"outcome.{outcome}.at")}',
    ]
    keys = f"SELECT DISTINCT unnest(json_keys(fields)) AS name FROM first_{number} WHERE fields IS NOT NULL ORDER BY 1"
    for (field,) in view.connection.execute(keys).fetchall():
        columns.append(f"{_field(view, number, field)} AS {quoted(f'outcome.{outcome}.{field}')}")
    return columns


def _field(view: View, number: int, field: str) -> str:
    """A field as the type that all its values have, otherwise as text."""
    place = literal("/" + field.replace("~", "~0").replace("/", "~1"))
    query = f"SELECT DISTINCT json_type(fields, {place}) FROM first_{number}"
    kinds = {kind for (kind,) in view.connection.execute(query).fetchall()} - {None, "NULL"}
    text = f"json_extract_string(first_{number}.fields, {place})"
    if kinds and kinds <= _NUMBERS:
        return f"CAST({text} AS DOUBLE)"
    return f"CAST({text} AS BOOLEAN)" if kinds == {"BOOLEAN"} else text


def _value_column(view: View, number: int) -> str:
    """Numbers as numbers when all values are numbers or booleans; otherwise as text."""
    kinds = view.connection.execute(f"SELECT DISTINCT value_kind FROM first_{number}").fetchall()
    return "value_text" if ("string",) in kinds else "value_number"


def _count(view: View, relation: str) -> int:
    return int(view.connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
