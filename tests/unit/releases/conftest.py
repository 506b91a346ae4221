"""A state on SQLite and, where its server's binaries are there, on a PostgreSQL started for the tests."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from seatrial.releases.state import State

_databases = count()


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def _as_nobody_special(directory: Path) -> list[str]:
    """PostgreSQL refuses to run as root: the prefix that runs a command as its own user instead."""
    if os.geteuid() != 0:
        return []
    owner = pwd.getpwnam("postgres")
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    return ["runuser", "-u", "postgres", "--"]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Directory of the socket of a running server; the superuser is ``seatrial``, nobody needs a password."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server under /usr/lib/postgresql: the state is not tested on PostgreSQL")
    directory = Path(tempfile.mkdtemp(prefix="seatrial-pg-", dir="/tmp"))
    prefix = _as_nobody_special(directory)
    options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"

    def run(*command: str | Path) -> None:
        # Output to nowhere: the server inherits it, and a pipe would be waited on for ever.
        done = subprocess.run(
            [*prefix, *map(str, command)],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, command

    try:
        run(binaries / "initdb", "-D", directory / "data", "-U", "seatrial", "-A", "trust", "--no-sync", "-E", "UTF8")
        run(binaries / "pg_ctl", "-D", directory / "data", "-l", directory / "log", "-o", options, "-w", "start")
        try:
            yield str(directory)
        finally:
            run(binaries / "pg_ctl", "-D", directory / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty state, of both kinds in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    socket = request.getfixturevalue("postgresql")
    name = f"state_{next(_databases)}"
    with psycopg.connect(f"host={socket} user=seatrial dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://seatrial@/{name}?host={socket}"


@pytest.fixture
def state(url: str) -> Iterator[State]:
    with State(url) as opened:
        yield opened
