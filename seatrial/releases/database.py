"""Opening the state's database: SQLite with a write-ahead log by default, PostgreSQL by URL, migrated before use."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from seatrial.spec.errors import BadInput, Unavailable

HEAD = "0002"
"""The newest migration in ``migrations/versions``; a test holds it to that."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 15.0
_ALEMBIC = threading.Lock()
"""Alembic keeps what it works on in a global: one thread migrates at a time. Processes take turns in the database."""

_MIGRATE_KEY, _WRITE_KEY = 0x5EA7_0001, 0x5EA7_0003
"""PostgreSQL advisory locks under which one process migrates, and one transaction writes."""


class Database:
    """A connection pool to the state, its schema up to date.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…``.

    Raises:
        BadInput: another kind of database, or a schema newer than this program.
        Unavailable: the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = with_driver(url)
        self._engine = _engine(self.url)
        self._reading = self._engine.execution_options(seatrial_write=False)
        self._writing = self._engine.execution_options(seatrial_write=True)
        try:
            self._migrate()
        except BadInput:
            self.close()
            raise
        except (OperationalError, sqlite3.OperationalError) as error:
            self.close()
            raise Unavailable(f"the state at {self.shown} cannot be opened: {_first_line(error)}") from error

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of things and writes nothing."""
        with self._session(write=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are all there at the end, or none; one writes at a time, on both databases."""
        with self._session(write=True) as session:
            if self.is_postgresql:  # as SQLite's BEGIN IMMEDIATE: what is checked still holds when it is written
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITE_KEY})
            yield session
            session.commit()

    @contextmanager
    def _session(self, write: bool) -> Iterator[Session]:
        try:
            with Session(self._writing if write else self._reading, expire_on_commit=False) as session:
                yield session
        except OperationalError as error:
            raise Unavailable(f"the state at {self.shown} does not answer: {_first_line(error)}") from error

    def _migrate(self) -> None:
        if self._stands_at() == HEAD:  # the usual case, without the cost of importing Alembic
            return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with _ALEMBIC, self._engine.execution_options(seatrial_write=True).begin() as connection:
            self._wait_for_turn(connection)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise BadInput(
                    f"the state at {self.shown} was written by a newer Seatrial ({_first_line(error)}); "
                    "upgrade this one: pip install --upgrade seatrial."
                ) from error

    def _wait_for_turn(self, connection: Connection) -> None:
        if self.is_postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATE_KEY})

    def _stands_at(self) -> str | None:
        try:
            with self._engine.connect() as connection:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except (OperationalError, ProgrammingError) as error:
            if "alembic_version" in str(error.orig):
                return None
            raise


def with_driver(url: str) -> str:
    """``url`` with the driver that we use; raises BadInput for a database that we do not know."""
    if url.startswith("sqlite:///"):
        return url
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    scheme = url.split(":", 1)[0]
    raise BadInput(f"state_url begins with {scheme!r}; write sqlite:///path or postgresql://user@host/database.")


def _engine(url: str) -> Engine:
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise BadInput("a PostgreSQL state needs its driver: pip install 'seatrial[postgres]'.") from error


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin_sqlite` does
    connection.execute(f"PRAGMA busy_timeout={round(1000 * _BUSY_SECONDS)}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; SQLite does not wait for others over this one, so we do."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    # A write takes its lock at once: begun as a read it could not wait for another writer, only fail.
    write = connection.get_execution_options().get("seatrial_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _first_line(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
