"""The home directory's lock and the note of what runs in it."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

import msgspec

from seatrial.spec.errors import Conflict

ASKING_SECONDS = 0.5
"""Longer than `is_up` holds the lock to ask for it."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What ``running.json`` says of a system that is up.

    Attributes:
        pid: The supervisor's.
        http, control: Addresses, host:port.
        grpc: Likewise, or None where it is off.
        children: Process name → pid.
    """

    pid: int
    http: str
    control: str
    grpc: str | None = None
    children: dict[str, int] = {}


class HomeLock:
    """An exclusive lock on a home directory, held while the system is up; the kernel drops it with the process."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._path = home / "home.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock. Raises Conflict when another system runs in this directory."""
        file = self._path.open("a+")
        try:
            _lock(file, ASKING_SECONDS)
        except OSError as error:
            file.close()
            running = read_running(self._path.parent)
            who = f" (process {running.pid}, http://{running.http})" if running else ""
            raise Conflict(
                f"another seatrial is already up in {self._path.parent}{who}; "
                "stop it with `seatrial down`, or use another `home`"
            ) from error
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: IO[str], seconds: float) -> None:
    """Take a file's lock; raises OSError when it is held for longer than somebody asks whether it is."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def is_up(home: Path) -> bool:
    """Whether a supervisor holds the home's lock."""
    path = home / "home.lock"
    if not path.exists():
        return False
    with path.open("a+") as file:
        try:
            # Shared, so that two who ask at the same time do not take each other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def write_running(home: Path, running: Running) -> None:
    """Replace ``running.json`` in one step."""
    target = home / "running.json"
    draft = home / "running.json.new"
    draft.write_bytes(msgspec.json.encode(running))
    os.replace(draft, target)


def read_running(home: Path) -> Running | None:
    """What was last noted, or None; it may be stale: ask :func:`is_up`."""
    try:
        return msgspec.json.decode((home / "running.json").read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
