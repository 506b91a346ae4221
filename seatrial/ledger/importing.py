"""Outcomes from a file, straight into the table: CSV or Parquet, millions of rows, as often as one likes.

Every outcome's id is the file's own or derived exactly as `outcomes.derive_id` does, so a second import of the same
file writes nothing, and one with corrected values writes revisions. What is read is one of:

    unfit      a value or field of another kind than the outcome declares, or a field that is no finite number
    skipped    no join key, no time of the calendar, or no value (no finite number) where a value column was named
    duplicate  stored already with this content, now or in an earlier revision, or repeated in the file
    matched    a row of its unit, request or key is in the ledger
    early      as matched, but it happened over 5 minutes before that row
    unmatched  no such row (yet): stored all the same
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from seatrial.ledger import layout, reviewed
from seatrial.ledger.columns import OUTCOME
from seatrial.ledger.joins import SKEW_MICROSECONDS
from seatrial.ledger.locks import locked
from seatrial.ledger.reader import Reader, View
from seatrial.ledger.sql import literal, quoted
from seatrial.ledger.table import PARTITION, append
from seatrial.protocol.outcome_shapes import EXPECTED
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.outcome_shapes import Kind, OutcomeShape

BATCH_ROWS = 200_000
MEMORY = "4GB"
"""Beyond this a big import goes on in files under the home directory."""

_CALENDAR = "coalesce(\"at\" >= TIMESTAMPTZ '0001-01-01' AND \"at\" < TIMESTAMPTZ '10000-01-01', false)"
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_NUMBERS = {*_INTEGERS, "DOUBLE", "FLOAT", "DECIMAL"}
_IDENTITY_AND_CONTENT = (
    *("outcome", "deployment", "id", "value_kind", "value_text", "fields"),
    *("unit", "request_id", "row", "key", "item"),
    # A time that only says when it arrived is no content.
    'nullif("at", received_at)',
)
_FINGERPRINT = "md5_number(concat_ws(chr(31), {}))".format(
    ", ".join(f"coalesce(CAST({part} AS VARCHAR), chr(30))" for part in _IDENTITY_AND_CONTENT)
)
"""SQL of 128 bits that two outcomes share when one repeats the other."""


class Columns(NamedTuple):
    """Which column of the file holds what; None: the file does not have it.

    Attributes:
        unit, request_id, row, key, item: The join keys; at least one of unit, request_id and key.
        at: Event time: a timestamp, a date, or RFC 3339 text; without an offset it is UTC.
        value: Number, boolean or text; None: the outcome happened, and that is all.
        id: The caller's identity of each outcome; None: derived, which needs ``at``.
        fields: Columns that become fields.
        review: Whether it is a file of a review: its sizes become fields as well.
    """

    unit: str | None = None
    request_id: str | None = None
    row: str | None = None
    key: str | None = None
    item: str | None = None
    at: str | None = None
    value: str | None = None
    id: str | None = None
    fields: tuple[str, ...] = ()
    review: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that is to be in the file."""
        given = (self.unit, self.request_id, self.row, self.key, self.item, self.at, self.value, self.id)
        sizes = reviewed.FIELDS.values() if self.review else ()
        return tuple(name for name in (*given, *self.fields, *sizes) if name is not None)


class Imported(NamedTuple):
    """What became of the rows of a file; the others add up to ``read``."""

    read: int
    skipped: int
    duplicate: int
    matched: int
    early: int
    unmatched: int
    unfit: int = 0

    @property
    def written(self) -> int:
        """Outcomes and revisions that are new."""
        return self.matched + self.early + self.unmatched


def import_outcomes(
    home: Path,
    file: Path,
    outcome: str,
    columns: Columns,
    *,
    now: int,
    deployment: str = "",
    shape: OutcomeShape | None = None,
    lock_wait: float = 60.0,
) -> Imported:
    """Store the outcomes of a file.

    Args:
        home: Home directory of the machine.
        file: A ``.csv`` (also ``.csv.gz``, ``.tsv``) or ``.parquet`` file.
        outcome: Their name.
        columns: Which column holds what.
        now: Arrival, microseconds since 1970 UTC.
        deployment: Whose they are; "" for every deployment that declares the outcome.
        shape: What the outcome may carry; None: anything.

    Raises:
        NotFound: There is no such file.
        BadInput: A column is not in the file, cannot be what it is said to be, or is nothing the outcome has.
        Unavailable: Somebody else writes the tables for longer than we wait.
    """
    if not file.exists():
        raise NotFound(f"there is no file {str(file)!r}; check the path")
    if columns.unit is None and columns.request_id is None and columns.key is None:
        raise BadInput("outcomes join rows by something: name the column of the unit, the request id or the key")
    if columns.unit is not None and (columns.request_id is not None or columns.key is not None):
        other = "request id" if columns.request_id is not None else "key"
        raise BadInput(f"an outcome joins by its unit or by its {other}: name the column of one of them")
    if columns.at is None and columns.id is None:
        raise BadInput("without times or ids an import could not be repeated: name the column of the time or of the id")
    wanted = _wanted(outcome, columns, shape)
    with locked(home / "ledger" / "tables.lock", lock_wait), Reader(home).open(deployment or None) as view:
        view.connection.execute(f"SET memory_limit = '{MEMORY}'")
        _stage(view.connection, file, outcome, columns, wanted, now, deployment)
        read, skipped, unfit = _counts(view.connection)
        _leave_duplicates_out(view.connection, outcome)
        _anchor(home, view, columns, deployment)
        found = _matches(view.connection)
        written = sum(found)
        if written:
            _write(home, view)
    return Imported(read, skipped, read - skipped - unfit - written, *found, unfit)


def review_columns(file: Path) -> Columns | None:
    """The columns of a file that `seatrial review` wrote and people filled in; None of any other file."""
    if not file.exists():
        return None  # the import says so
    try:
        with duckdb.connect() as connection:
            there = _kinds(connection, _scan(file, ()))
    except duckdb.Error:
        return None
    if any(name not in there for name in reviewed.COLUMNS):
        return None
    request, row, at = reviewed.KEYS
    return Columns(request_id=request, row=row, at=at, value=reviewed.LABEL, review=True)


def _wanted(outcome: str, columns: Columns, shape: OutcomeShape | None) -> dict[str, Kind]:
    """The kind that each column of a value or field must have, where something is declared of it."""
    if shape is None:
        return {}
    wanted = {name: shape.kind(name) for name in columns.fields}
    if columns.value is not None and shape.fields:
        raise BadInput(f"{outcome!r} has fields and no plain value; name {columns.value!r} as a field")
    if shape.label and columns.value is None and not columns.fields:
        raise BadInput(f"{outcome!r} is a label: name the column that holds the truth")
    if columns.value is not None and len(shape.kinds) == 1:
        wanted[columns.value] = shape.kinds[0]
    return wanted


def _write(home: Path, view: View) -> None:
    names = ", ".join(quoted(field.name) for field in OUTCOME)
    query = f"SELECT {names}, CAST(received_at AS DATE) AS {PARTITION} FROM new"
    append(layout.outcomes(home), view.connection.sql(query).to_arrow_reader(BATCH_ROWS), {})


def _stage(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    outcome: str,
    columns: Columns,
    wanted: Mapping[str, Kind],
    now: int,
    deployment: str,
) -> None:
    """Read the file into ``incoming``, in the columns of an outcome; ``usable`` says what can be stored."""
    try:
        there = _kinds(connection, _scan(file, ()))
        for name in columns.named:
            if name not in there:
                raise BadInput(f"{file.name} has no column {name!r}; it has {', '.join(there)}")
        strings = (name for name, kind in wanted.items() if kind == "string")
        judged = columns.value if columns.review else None  # "yes" is a label, and must not be read as true
        texts = (columns.unit, columns.request_id, columns.key, columns.item, columns.id, judged, *strings)
        scan = _scan(file, [name for name in texts if name is not None])
        kinds = _kinds(connection, scan)
        query = _select(scan, columns, _read(kinds, wanted), outcome, deployment, now)
        connection.execute(f"CREATE TEMP TABLE incoming AS SELECT * FROM ({query})")
    except duckdb.Error as error:
        raise BadInput(f"{file.name} cannot be read: {str(error).splitlines()[0]}") from error


def _kinds(connection: duckdb.DuckDBPyConnection, scan: str) -> dict[str, str]:
    """Columns of a scan with their types, less a type's parameters."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    return {name: kind.split("(")[0] for name, kind, *_ in described}


def _scan(file: Path, texts: Sequence[str]) -> str:
    """SQL that reads the file; of a CSV the columns ``texts`` are read as text, so that 00123 stays 00123."""
    path = literal(str(file))
    if ".parquet" in file.suffixes:
        return f"read_parquet([{path}])"
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dict.fromkeys(texts))
    typed = f", types = {{{types}}}" if types else ""
    return f"read_csv([{path}], header = true, sample_size = 200000{typed})"


class _Column(NamedTuple):
    """SQL that reads a column as what it should be.

    Attributes:
        value: Its value; null where that cannot be.
        kind: The value's type.
        unfit: Whether the cell holds something else than it should.
    """

    value: str
    kind: str
    unfit: str = "false"


def _read(kinds: Mapping[str, str], wanted: Mapping[str, Kind]) -> dict[str, _Column]:
    return {name: _column(name, kind, wanted.get(name)) for name, kind in kinds.items()}


def _column(name: str, kind: str, wanted: Kind | None) -> _Column:
    """Text is read as what is wanted, cell by cell; any other column must be of that kind as a whole."""
    cell = quoted(name)
    if wanted is None or (wanted == "string" and kind == "VARCHAR") or (wanted == "boolean" and kind == "BOOLEAN"):
        return _Column(cell, kind)
    if wanted == "boolean" and kind == "VARCHAR":
        value = f"CASE lower(trim({cell})) WHEN 'true' THEN true WHEN 'false' THEN false END"
        return _Column(value, "BOOLEAN", f"({cell} IS NOT NULL AND {value} IS NULL)")
    if wanted not in ("number", "integer") or (kind not in _NUMBERS and kind != "VARCHAR"):
        raise BadInput(f"column {name!r} is of type {kind}, but {EXPECTED[wanted]} is declared; write it as that")
    number = f"TRY_CAST({cell} AS DOUBLE)"
    misfit = f"{number} IS NULL"
    if wanted == "integer":
        misfit += f" OR trunc({number}) <> {number}"
    value, kind = (number, "DOUBLE") if kind == "VARCHAR" else (cell, kind)
    return _Column(value, kind, f"({cell} IS NOT NULL AND ({misfit}))")


def _select(scan: str, columns: Columns, there: Mapping[str, _Column], outcome: str, deployment: str, now: int) -> str:
    arrival = f"make_timestamptz({int(now)})"
    text = {name: _text(getattr(columns, name)) for name in ("unit", "request_id", "key", "item")}
    row = "NULL::INTEGER" if columns.row is None else f"TRY_CAST({quoted(columns.row)} AS INTEGER)"
    at = arrival if columns.at is None else _time(columns.at, there[columns.at].kind)
    kind, number, value_text = _value(None if columns.value is None else there[columns.value])
    inner = (
        f"SELECT {literal(outcome)} AS outcome, {_text(columns.id)} AS given, {literal(deployment)} AS deployment, "
        + ", ".join(f"{expression} AS {name}" for name, expression in text.items())
        + f", {row} AS row, {kind} AS value_kind, {number} AS value_number, {value_text} AS value_text, "
        f'{_fields(columns, there)} AS fields, {at} AS "at", {arrival} AS received_at, '
        f"({_unfit(columns, there)}) AS unfit FROM {scan}"
    )
    identity = "given" if columns.id is not None else _derived_id(outcome, deployment)
    sound = f"{_CALENDAR} AND coalesce(unit, request_id, key) IS NOT NULL"
    if columns.value is not None:
        sound += " AND value_text IS NOT NULL AND coalesce(isfinite(value_number), true)"
    if columns.id is not None:
        sound += " AND given IS NOT NULL"
    return (
        f"SELECT * EXCLUDE (given), {identity} AS id, false AS withdrawn, "
        f"(unfit OR {sound}) AS sound, (NOT unfit AND {sound}) AS usable FROM ({inner})"
    )


def _text(column: str | None) -> str:
    return "NULL::VARCHAR" if column is None else f"CAST({quoted(column)} AS VARCHAR)"


def _time(column: str, kind: str) -> str:
    if kind in _NUMBERS or kind == "BOOLEAN":
        raise BadInput(f"the times in column {column!r} are numbers; write them as 2026-01-31T12:00:00Z")
    return f"TRY_CAST({quoted(column)} AS TIMESTAMPTZ)"


def _unfit(columns: Columns, there: Mapping[str, _Column]) -> str:
    named = (*((columns.value,) if columns.value is not None else ()), *columns.fields)
    numbers = (there[name].value for name in columns.fields if there[name].kind in _NUMBERS)
    # JSON, in which fields are kept, has no form for what is not finite.
    endless = (f"NOT coalesce(isfinite(CAST({value} AS DOUBLE)), true)" for value in numbers)
    return " OR ".join(["false", *(there[name].unfit for name in named), *endless])


def _value(column: _Column | None) -> tuple[str, str, str]:
    """SQL of the value's three columns, as `outcomes.stored_value` gives them."""
    if column is None:
        return "'none'", "NULL::DOUBLE", "NULL::VARCHAR"
    name, kind, _ = column
    if kind == "BOOLEAN":
        return "'boolean'", f"CAST({name} AS DOUBLE)", f"CAST({name} AS VARCHAR)"
    if kind in _NUMBERS:
        number = f"CAST({name} AS DOUBLE)"
        whole = f"isfinite({number}) AND trunc({number}) = {number} AND abs({number}) < 9223372036854775808.0"
        text = f"CASE WHEN {whole} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) ELSE CAST({number} AS VARCHAR) END"
        return "'number'", number, text
    return "'string'", "NULL::DOUBLE", f"CAST({name} AS VARCHAR)"


def _fields(columns: Columns, there: Mapping[str, _Column]) -> str:
    named = {name: name for name in columns.fields} | (dict(reviewed.FIELDS) if columns.review else {})
    if not named:
        return "NULL::VARCHAR"
    pairs = ", ".join(f"{literal(name)}, {there[named[name]].value}" for name in sorted(named))
    return f"CAST(json_object({pairs}) AS VARCHAR)"


def _derived_id(outcome: str, deployment: str) -> str:
    """`outcomes.derive_id` in SQL."""
    constant = literal("".join(f"{len(part)}:{part}" for part in (outcome, deployment)))
    parts = ["unit", "request_id", "CAST(row AS VARCHAR)", "key", "item", 'CAST(epoch_us("at") AS VARCHAR)']
    written = " || ".join(f"coalesce(length({part}) || ':' || {part}, '-')" for part in parts)
    return f"left(sha256({constant} || {written}), 32)"


def _counts(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Read, skipped and unfit."""
    query = "SELECT count(*), count(*) FILTER (NOT sound), count(*) FILTER (sound AND NOT usable) FROM incoming"
    read, skipped, unfit = connection.execute(query).fetchall()[0]
    return int(read), int(skipped), int(unfit)


def _leave_duplicates_out(connection: duckdb.DuckDBPyConnection, outcome: str) -> None:
    """Put into ``new`` what is neither stored with this content nor twice in the file (its last row counts).

    Every revision is looked at, so that an old file that is imported again does not undo a correction.
    """
    connection.execute(
        "CREATE TEMP TABLE repeated AS SELECT hash(id) AS h FROM incoming WHERE usable GROUP BY 1 HAVING count(*) > 1"
    )
    connection.execute(
        "CREATE TEMP VIEW single AS SELECT * FROM incoming WHERE usable AND hash(id) NOT IN (SELECT h FROM repeated) "
        "UNION ALL SELECT * FROM incoming WHERE usable AND hash(id) IN (SELECT h FROM repeated) "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY rowid DESC) = 1"
    )
    connection.execute(
        f"CREATE TEMP TABLE stored AS SELECT {_FINGERPRINT} AS fingerprint FROM all_outcomes "
        f"WHERE outcome = {literal(outcome)}"
    )
    connection.execute(
        f"CREATE TEMP TABLE new AS SELECT single.* FROM single ANTI JOIN stored ON {_FINGERPRINT} = fingerprint"
    )
    connection.execute("DROP TABLE stored")


def _anchor(home: Path, view: View, columns: Columns, deployment: str) -> None:
    """Put into ``anchors`` the time of the first row of everything that the file's outcomes may join."""
    keys = _anchor_keys(columns)
    listed = ", ".join(keys)
    connection = view.connection
    query = f"SELECT {listed}, min(rows.at) AS first FROM rows WHERE role <> 'shadow' GROUP BY ALL"
    connection.execute(f"CREATE TEMP TABLE anchors AS {query}")
    if deployment:
        return
    reader = Reader(home)
    for other in reader.deployments():
        with reader.open(other) as opened:
            connection.register("more", opened.sql(query))
        connection.execute("INSERT INTO anchors SELECT * FROM more")
        connection.unregister("more")


def _anchor_keys(columns: Columns) -> list[str]:
    if columns.request_id is not None:
        return ["request_id", *(["row"] if columns.row else []), *(["key"] if columns.key else [])]
    return ["key"] if columns.key is not None else ["unit"]


def _matches(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Matched, early and unmatched among the new."""
    keys = [name for (name, *_) in connection.execute("DESCRIBE anchors").fetchall() if name != "first"]
    joined = " AND ".join(f"(n.{key} = a.{key}{'' if key == keys[0] else f' OR n.{key} IS NULL'})" for key in keys)
    query = (
        "SELECT count(*) FILTER (late), count(*) FILTER (NOT late), count(*) FILTER (late IS NULL) FROM ("
        f'SELECT n.rowid, max(n."at" >= a.first - INTERVAL {SKEW_MICROSECONDS} MICROSECONDS) AS late '
        f"FROM new n LEFT JOIN anchors a ON {joined} GROUP BY n.rowid)"
    )
    matched, early, unmatched = connection.execute(query).fetchall()[0]
    return int(matched), int(early), int(unmatched)
