"""One leader: an flock in the home directory, or an advisory lock of PostgreSQL; no clock decides.

A lock goes with the process (or the connection) that holds it, so a killed leader is succeeded at once and a slow one
is never pushed aside.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Protocol

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from seatrial.releases.database import with_driver
from seatrial.spec.errors import Unavailable

_KEY = 0x5EA7_0002
"""PostgreSQL advisory lock of the leader of a database."""


class _Lock(Protocol):
    def take(self) -> bool: ...
    def holds(self) -> bool: ...
    def release(self) -> None: ...


class Leadership:
    """The right to run the loop.

    Args:
        home: The machine's home directory; with SQLite the lock lies there.
        state_url: Where the state is; with PostgreSQL the lock lies in it, so that one of several machines leads.
    """

    def __init__(self, home: Path, state_url: str) -> None:
        url = with_driver(state_url)
        self._lock: _Lock = _Advisory(url) if url.startswith("postgresql") else _File(Path(home) / "leader.lock")

    def take(self) -> bool:
        """Try to lead; True when this object now does. Safe to repeat. Raises Unavailable without a database."""
        return self._lock.take()

    def holds(self) -> bool:
        """Whether this object still leads (a connection to PostgreSQL may have been lost)."""
        return self._lock.holds()

    def release(self) -> None:
        """Lead no longer; safe to repeat."""
        self._lock.release()

    def __enter__(self) -> "Leadership":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        if self._descriptor is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())  # for people; nothing reads it
        self._descriptor = descriptor
        return True

    def holds(self) -> bool:
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Advisory:
    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
        self._connection: Connection | None = None

    def take(self) -> bool:
        if self.holds():
            return True
        connection = None
        try:
            connection = self._engine.connect()
            taken = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar())
            connection.commit()
        except DBAPIError as error:
            if connection is not None:
                connection.invalidate()
                connection.close()
            raise Unavailable(f"the leader's lock cannot be asked for: {str(error.orig).splitlines()[0]}") from error
        if taken:
            self._connection = connection
        else:
            connection.close()
        return taken

    def holds(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(text("SELECT 1"))
            self._connection.commit()
        except DBAPIError:
            self.release()
            return False
        return True

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):  # it goes with the connection too, once the server takes note
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _KEY})
            connection.invalidate()
            connection.close()
