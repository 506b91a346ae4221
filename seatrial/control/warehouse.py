"""Outcomes asked of a database: a query since a time, and its answer as a table of outcomes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from seatrial.ledger.importing import Columns
from seatrial.spec.deployment import SourceSpec
from seatrial.spec.errors import BadInput, Unavailable

OWN = ("unit", "request_id", "row", "key", "item", "at", "value", "id")
"""What a column may be called, beside the outcome's own fields."""
LOADED = "loaded_at"
"""When a row came into the database, where the query says so: it then tells how far was read, and not ``at``."""
_TIMES = ("at", LOADED)
_AT_ONCE = 50_000
_MOST_SECONDS = 1800
"""A query may run for so long; where the database can be told so, it ends it."""


class Answer(NamedTuple):
    """What a database said.

    Attributes:
        table: Columns as they were selected; times in microseconds UTC.
        columns: Which holds what.
        latest: The latest ``loaded_at``, or without one ``at``, microseconds since 1970 UTC; None: there is no row.
    """

    table: pa.Table
    columns: Columns
    latest: int | None


def ask(source: SourceSpec, fields: Sequence[str], since: int, environ: Mapping[str, str]) -> Answer:
    """Ask for what is later than a time.

    Args:
        source: Whom, and how.
        fields: The outcome's declared fields.
        since: Microseconds since 1970 UTC; given to the query as a time with its offset, UTC.
        environ: Holds the URL.

    Raises:
        BadInput: The variable is not set or is no URL, its driver is missing, or the columns are not an outcome's.
        Unavailable: The database does not answer, or refuses the query.
    """
    url = _url(source, environ)
    try:
        engine = create_engine(url)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise BadInput(f"the driver of the database in `{source.url_env}` is not installed: {error}.") from error
    try:
        with engine.connect() as connection:
            _read_only_utc(connection)
            moment = datetime.fromtimestamp(since / 1e6, UTC)
            streaming = connection.execution_options(stream_results=True)
            with streaming.execute(text(source.sql), {"since": moment}) as result:
                names = tuple(result.keys())
                columns = _columns(names, fields)
                table = _table(names, result.partitions(_AT_ONCE))
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise Unavailable(f"the database in `{source.url_env}` does not answer the query: {said[0]}") from error
    finally:
        engine.dispose()
    return Answer(table, columns, _latest(table, LOADED if LOADED in names else "at"))


def _url(source: SourceSpec, environ: Mapping[str, str]) -> str:
    given = environ.get(source.url_env, "")
    if not given:
        raise BadInput(f"the environment variable `{source.url_env}` is not set; set it where control runs.")
    for prefix in ("postgresql://", "postgres://"):
        if given.startswith(prefix):
            given = "postgresql+psycopg://" + given.removeprefix(prefix)
    try:
        make_url(given)
    except ArgumentError:
        raise BadInput(f"`{source.url_env}` holds no URL of a database, like postgresql://user@host/name.") from None
    return given


def _read_only_utc(connection: Connection) -> None:
    """What is asked is only read, and times without an offset mean UTC."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_MOST_SECONDS * 1000}")


def _columns(names: Sequence[str], fields: Sequence[str]) -> Columns:
    for name in names:
        if name not in OWN and name != LOADED and name not in fields:
            known = ", ".join((*OWN, LOADED, *fields))
            raise BadInput(f"the query gives a column {name!r}, which no outcome has; name it one of {known}.")
    if "at" not in names:
        raise BadInput("the query gives no column `at`, so nothing says what has been read; select a time as `at`.")
    own: dict[str, Any] = {name: name for name in OWN if name in names}
    return Columns(**own, fields=tuple(name for name in names if name in fields and name not in OWN))


def _table(names: Sequence[str], batches: Iterable[Sequence[Sequence[Any]]]) -> pa.Table:
    """Batch by batch, because a million rows as Python's objects are memory."""
    tables = [_batch(names, rows) for rows in batches]
    empty = pa.table({name: pa.nulls(0) for name in names})
    try:
        return pa.concat_tables([empty, *tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise BadInput(f"a column of the query changes its type from row to row: {error}.") from error


def _batch(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    found = {}
    for place, name in enumerate(names):
        values = [_plain(row[place], name) for row in rows]
        try:
            found[name] = pa.array(values, pa.timestamp("us", "UTC") if name in _TIMES else None)
        except (pa.ArrowException, TypeError) as error:
            raise BadInput(f"column {name!r} of the query is no column of an outcome: {error}.") from error
    return pa.table(found)


def _plain(value: Any, name: str) -> Any:
    """A value as Arrow takes it; times without an offset are UTC, as everywhere."""
    if name in _TIMES:
        return _moment(value, name)
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, UUID | date) else value


def _moment(value: Any, name: str) -> datetime | None:
    if isinstance(value, str):  # SQLite has no times of its own
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise BadInput(
                f"`{name}` is {value[:60]!r}, which is no time; select one like 2026-01-31T12:00:00Z."
            ) from None
    if value is None:
        return None
    if not isinstance(value, datetime):
        if not isinstance(value, date):
            raise BadInput(f"`{name}` is {value!r}, which is no time; select a timestamp or a date.")
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    moment: datetime = value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _latest(table: pa.Table, column: str) -> int | None:
    found = pc.max(table[column].cast(pa.timestamp("us", "UTC"))) if table.num_rows else None
    value = None if found is None else found.cast(pa.int64()).as_py()
    return None if value is None else int(value)
