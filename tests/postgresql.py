"""A PostgreSQL server started for the tests, where its binaries are there."""

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


def new_database(directory: str) -> str:
    """URL of an empty database of the server whose socket is in ``directory``."""
    name = f"made_{next(_databases)}"
    with psycopg.connect(f"host={directory} user=seatrial dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://seatrial@/{name}?host={directory}"
