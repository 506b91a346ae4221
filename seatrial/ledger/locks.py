"""Locks between processes: held by the kernel, released by death, decided by no clock."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seatrial.spec.errors import Unavailable

_POLL_SECONDS = 0.02


@contextmanager
def locked(path: Path, wait: float) -> Iterator[None]:
    """Hold an exclusive lock on a file.

    Args:
        path: The lock file; made when it is not there.
        wait: Seconds to wait for another holder.

    Raises:
        Unavailable: Somebody else held it all that time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(file, path, wait)
        yield
    finally:
        os.close(file)


def _acquire(file: int, path: Path, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Unavailable(f"another process holds {path}; wait for it to finish, or stop it") from None
        time.sleep(_POLL_SECONDS)
