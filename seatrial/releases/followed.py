"""Files that control replaces while others read them: taken up when they change, kept as they were when damaged."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from seatrial.spec.errors import BadInput

log = logging.getLogger("seatrial.files")

Content = TypeVar("Content")


class Followed(Generic[Content]):
    """A file as it is now; one that cannot be read leaves what was read before.

    Args:
        path: The file.
        read: Reads it; raises BadInput, OSError or ValueError.
        what: What is in it, for the log.
        without: What comes of there being nothing, for the log.

    Attributes:
        now: What was read last; None: nothing yet.
    """

    __slots__ = ("_path", "_read", "_seen", "_what", "_without", "now")

    def __init__(self, path: Path, read: Callable[[Path], Content], what: str, without: str) -> None:
        self._path = path
        self._read = read
        self._what = what
        self._without = without
        self._seen: object = None
        self.now: Content | None = None
        self.look()

    def look(self) -> None:
        """Read it if it has changed; called now and then, by a thread that may wait for a disk."""
        try:
            stat = os.stat(self._path)
            seen: object = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        except OSError as error:
            seen = str(error)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.now = self._read(self._path)
        except (BadInput, OSError, ValueError) as error:
            rest = "what was known before holds" if self.now is not None else self._without
            log.error("%s cannot be read, so %s: %s", self._what, rest, error)
