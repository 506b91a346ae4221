"""The spool: numbered segments of Arrow record batches, written by one process, read by any.

A *session* is one writer's life. Its directory carries a token that is never used again, so a segment's number means
the same for ever, whatever happens to worker names, clocks or host names. The writer holds a lock on its session; when
the lock is free the writer is dead.

A segment is *closed* when a higher-numbered one exists in its stream, or when its writer is dead. Segments are never
renamed (a directory listing may miss a file that is renamed under it) and nothing is written to them after they closed.
A segment is an Arrow IPC stream whose end may be torn: it reads back to its last whole message.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import ipc

from seatrial.ledger import layout

LOCK = "writer.lock"
SUFFIX = ".arrow"


class Segment(NamedTuple):
    """One file of the spool.

    Attributes:
        application: ``<worker>/<session>/<stream>``, the writer of the numbers: what a table's commit refers to.
        number: Position in the stream, from 1.
        path: The file.
        closed: Nothing will be written to it any more.
    """

    application: str
    number: int
    path: Path
    closed: bool

    @property
    def stream(self) -> str:
        return self.application.rpartition("/")[2]


class StreamWriter:
    """Writes the segments of one stream.

    Args:
        directory: The stream's directory; created.
        schema: Of every batch.
        durable: Whether `write` returns only when the data is on the disk.
        segment_bytes, segment_seconds: A segment with rows is closed when it is this big, or this old.
    """

    def __init__(
        self,
        directory: Path,
        schema: pa.Schema,
        *,
        durable: bool,
        segment_bytes: int,
        segment_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._schema = schema
        self._durable = durable
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._monotonic = monotonic
        self._number = 0
        self._file = -1
        self._offset = 0
        self._rows = 0
        self._opened = 0.0
        self._broken = False
        self._headed = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Append one batch.

        Raises:
            OSError: It could not be written (or, when durable, not be made so); the segment is as it was before.
        """
        self.rotate()
        if self._file < 0 or self._broken:
            self._open_next()
        if not self._headed:
            self._write_header()
        self._append(batch.serialize())
        self._rows += batch.num_rows

    def rotate(self) -> None:
        """Close the current segment when it is due, by opening its successor; a full disk may put that off.

        Called regularly, so that the rows of a quiet stream reach the table too.
        """
        if self._file < 0 or self._rows == 0:
            return
        if self._offset >= self._segment_bytes or self._monotonic() - self._opened >= self._segment_seconds:
            try:
                self._open_next()
                self._write_header()
            except OSError:
                pass

    def close(self) -> None:
        """Close the file; the segment counts as closed when the session's lock is released."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open_next(self) -> None:
        """Go on to the next number. As soon as its name exists the segment before it counts as closed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{self._number + 1:010d}{SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.close()
        self._file = file
        self._number += 1
        self._offset = 0
        self._rows = 0
        self._opened = self._monotonic()
        self._broken = False
        self._headed = False

    def _write_header(self) -> None:
        self._append(self._schema.serialize())
        if self._durable:
            _sync_directories(self._directory)
        self._headed = True

    def _append(self, message: pa.Buffer) -> None:
        try:
            _write_all(self._file, message)
            if self._durable:
                os.fdatasync(self._file)
        except OSError:
            self._take_back()
            raise
        self._offset += len(message)

    def _take_back(self) -> None:
        """Cut a half-written message off; where even that fails, this segment ends here and a new one follows."""
        try:
            os.ftruncate(self._file, self._offset)
        except OSError:
            self._broken = True


class Session:
    """One writer's directory in the spool, locked for as long as the writer lives.

    Args:
        home: Home directory of the machine.
        worker: The writer's name; may be used again by a later process.
        token: Makes the session unique for ever.
    """

    def __init__(self, home: Path, worker: str, token: str = "") -> None:
        token = token or uuid.uuid4().hex[:16]
        self.directory = layout.spool(home) / worker / token
        # A directory without its lock held would look like a dead writer's, so it gets its name when it is locked.
        hidden = self.directory.with_name(f".{token}")
        hidden.mkdir(parents=True)
        self._lock = os.open(hidden / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(hidden, self.directory)
        _sync_directories(self.directory)

    def close(self) -> None:
        """Release the lock: every segment of the session is closed from now on."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def list_segments(home: Path, wanted: Callable[[str], bool]) -> list[Segment]:
    """Segments of the streams that are ``wanted`` (by stream name), each stream's in order of number.

    What disappears while it is listed has been in a table for longer than the grace, and is left out.
    """
    found: list[Segment] = []
    for worker in _directories(layout.spool(home)):
        for session in _directories(worker):
            # Asked before the listing: a writer that dies in between leaves its last segment open for this listing.
            dead = writer_is_dead(session)
            for stream in _directories(session):
                if wanted(stream.name):
                    found += _stream_segments(f"{worker.name}/{session.name}/{stream.name}", stream, dead)
    return found


def _stream_segments(application: str, directory: Path, dead: bool) -> list[Segment]:
    numbered = sorted((int(path.stem), path) for path in _entries(directory) if path.suffix == SUFFIX)
    last = numbered[-1][0] if numbered else 0
    return [Segment(application, number, path, dead or number < last) for number, path in numbered]


def writer_is_dead(session: Path) -> bool:
    """Whether nobody holds the session's lock."""
    try:
        lock = os.open(session / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def read_segment(path: Path, *, mapped: bool) -> pa.Table | None:
    """The rows of a segment up to its last whole message; None when not even the schema is whole.

    Args:
        path: The file.
        mapped: Map the file instead of reading it (its pages stay readable after it is deleted).

    Raises:
        FileNotFoundError: It is gone.
    """
    if path.stat().st_size == 0:
        return None
    source = pa.memory_map(str(path)) if mapped else pa.BufferReader(path.read_bytes())
    try:
        stream = ipc.open_stream(source)
    except (pa.ArrowException, OSError):
        return None
    batches = []
    while True:
        try:
            batches.append(stream.read_next_batch())
        except (StopIteration, pa.ArrowException, OSError):
            return pa.Table.from_batches(batches, stream.schema)


def remove_ended_sessions(home: Path) -> None:
    """Remove the directories of dead writers that have no segment left."""
    for worker in _directories(layout.spool(home)):
        for session in _directories(worker):
            if writer_is_dead(session) and _remove_empty_streams(session):
                (session / LOCK).unlink(missing_ok=True)
                session.rmdir()


def _remove_empty_streams(session: Path) -> bool:
    for stream in _directories(session):
        if next(iter(_entries(stream)), None) is not None:
            return False
        stream.rmdir()
    return True


def _directories(parent: Path) -> list[Path]:
    return sorted(path for path in _entries(parent) if not path.name.startswith(".") and path.is_dir())


def _entries(parent: Path) -> list[Path]:
    try:
        return list(parent.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _write_all(file: int, data: pa.Buffer) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_directories(directory: Path) -> None:
    """Make the names of a new directory and of its parents durable."""
    for parent in (directory, *list(directory.parents)[:4]):
        handle = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
