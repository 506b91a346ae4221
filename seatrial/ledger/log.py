"""The prediction log: rows go into typed buffers at once, and to the spool within a tenth of a second.

An answer never waits for it. `RowBuffer.append` takes a lock that nobody holds while reading or writing a file; when
the disk is slower than the traffic, memory grows to ``byte_limit`` and then rows are dropped, and counted by reason:

    buffer     the memory limit is reached
    disk       the disk refused the write (full, broken)
    malformed  the row did not fit its schema
    closed     it came after `PredictionLog.close`
"""

import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from numpy import float64
from numpy.typing import NDArray

from seatrial.ledger import layout
from seatrial.ledger.breath import Breath
from seatrial.ledger.chunk import Chunk, Hash, Stamp, Vector, arm_of
from seatrial.ledger.columns import row_schema
from seatrial.ledger.rows import Envelope, RowSchema
from seatrial.ledger.spool import Session, StreamWriter

FLUSH_SECONDS = 0.05
CHUNK_BYTES = 1 << 20
MAX_CHUNK_ROWS = 4096


class SegmentLimits(NamedTuple):
    """When a segment is closed: at this size, or this age in seconds, whichever comes first."""

    bytes: int = 64 << 20
    seconds: float = 30.0


def _nothing(*_: object) -> None:
    return None


class RowBuffer:
    """Where the rows of one deployment and signature are appended; made by `PredictionLog.buffer`."""

    def __init__(
        self, log: "PredictionLog", schema: RowSchema, writer: StreamWriter, hashes: Mapping[str, Hash]
    ) -> None:
        self.schema = schema
        self._log = log
        self._lock = log.lock
        self._writer = writer
        self._hashes = dict(hashes)
        self._arrow = row_schema(schema, frozenset(hashes))
        row_bytes = 64 + 8 * len(schema.number_index)
        self._capacity = max(16, min(MAX_CHUNK_ROWS, CHUNK_BYTES // row_bytes))
        self._chunk: Chunk | None = None
        self._full: list[Chunk] = []

    def append(
        self,
        envelope: Envelope,
        context: tuple[Any, ...],
        numbers: NDArray[float64] | None,
        texts: Sequence[str | None] | None,
        vectors: Sequence[Vector] | None,
        prediction: tuple[Any, ...] | None,
    ) -> bool:
        """Log one row; never blocks.

        Args:
            envelope: The fixed columns.
            context: Values of ``schema.context``, in order; None where absent.
            numbers: The float64 row that serving has (``schema.number_index`` picks from it; NaN is missing); copied.
                None: this row's features are not sampled.
            texts: The strings that serving has (``schema.text_index`` picks), or None.
            vectors: Values of ``schema.vectors``, in order, or None.
            prediction: Values of ``schema.prediction``, in order, or None when there was no answer.

        Returns:
            False when the row was dropped; the drop is counted.
        """
        log = self._log
        with self._lock:
            chunk = self._chunk
            if chunk is None or chunk.count == chunk.capacity:
                chunk = self._next_chunk()
            if log.closed or chunk is None or log.held >= log.byte_limit:
                self._drop("closed" if log.closed else "buffer", envelope)
                return False
            try:
                log.held += chunk.append(envelope, context, numbers, texts, vectors, prediction)
            except (ValueError, TypeError, IndexError, struct.error):
                self._drop("malformed", envelope)
                return False
            return True

    def append_plain(
        self,
        stamp: Stamp,
        request_id: str,
        at: int,
        unit: str,
        unit_named: bool,
        latency_us: int,
        numbers: tuple[float, ...],
        prediction: tuple[Any, ...],
    ) -> bool:
        """Log a row as `Chunk.append_plain` takes it; never blocks. False when it was dropped (and counted)."""
        log = self._log
        with self._lock:
            chunk = self._chunk
            if chunk is None or chunk.count == chunk.capacity:
                chunk = self._next_chunk()
            if log.closed or chunk is None or log.held >= log.byte_limit:
                log.drop(self.schema.deployment, "closed" if log.closed else "buffer", arm_of(stamp.combined), 1)
                return False
            log.held += chunk.append_plain(stamp, request_id, at, unit, unit_named, latency_us, numbers, prediction)
            return True

    def _drop(self, reason: str, envelope: Envelope) -> None:
        """Count one row that a caller could not leave here (its envelope may be anything); the lock is held."""
        role, variant = getattr(envelope, "role", ""), getattr(envelope, "variant", "")
        self._log.drop(self.schema.deployment, reason, "" if role == "shadow" else str(variant), 1)

    def flush(self) -> None:
        """Write what is waiting, and close the segment if it is due; called by the log's thread."""
        waiting = self._take()
        while waiting:
            self._write_and_let_go(waiting.popleft())
        self._writer.rotate()

    def close(self) -> None:
        """Close the file; called by the log."""
        self._writer.close()

    def _next_chunk(self) -> Chunk | None:
        """A fresh chunk in the full one's place, or None at the memory limit."""
        log = self._log
        if self._chunk is not None:
            self._full.append(self._chunk)
            self._chunk = None
            log.wake.set()
        if log.held < log.byte_limit:
            self._chunk = Chunk(self.schema, self._capacity)
            log.held += self._chunk.bytes
        return self._chunk

    def _take(self) -> deque[Chunk]:
        with self._lock:
            taken, self._full = deque(self._full), []
            if self._chunk is not None and self._chunk.count:
                taken.append(self._chunk)
                self._chunk = None
            return taken

    def _write_and_let_go(self, chunk: Chunk) -> None:
        """Nobody else holds the chunk, so that its memory is free as soon as it is counted so."""
        self._write(chunk)
        with self._lock:
            self._log.held -= chunk.bytes

    def _write(self, chunk: Chunk) -> None:
        written, malformed = 0, Counter[str]()
        try:
            batch, malformed = chunk.encode(self._arrow, self._hashes, self._log.breath)
            if batch.num_rows:
                self._writer.write(batch)
            written = batch.num_rows
        except OSError:
            self._log.count_drop(self.schema.deployment, "disk", chunk.arms() - malformed)
        except (pa.ArrowException, ValueError, TypeError, KeyError, AttributeError):
            written, malformed = 0, chunk.arms()
        self._log.count_drop(self.schema.deployment, "malformed", malformed)
        if written:
            self._log.book(self.schema.deployment, written)


class PredictionLog:
    """All row buffers of one process, and the thread that writes them out.

    Args:
        home: Home directory of the machine.
        worker: Name of this process; may be used again after its death.
        clock: Microseconds since 1970 UTC; stamps nothing in rows (``Envelope.at`` does), kept for the session.
        byte_limit: Most memory that waiting rows may take.
        segments: When segments are closed.
        flush_seconds: How long the thread waits between two looks; well under the promised 100 ms.
        on_logged: Called with (deployment, rows) when rows are in the spool; always from the log's thread.
        on_dropped: Called with (deployment, reason, variant, rows) when rows were dropped ("" for a shadow's copies);
            never by two threads at once.

    Attributes:
        dropped: Rows dropped so far, by reason.
        logged: Rows in the spool so far.
    """

    def __init__(
        self,
        home: Path,
        worker: str,
        *,
        clock: Callable[[], int],
        byte_limit: int = 64 << 20,
        segments: SegmentLimits = SegmentLimits(),
        flush_seconds: float = FLUSH_SECONDS,
        on_logged: Callable[[str, int], None] = _nothing,
        on_dropped: Callable[[str, str, str, int], None] = _nothing,
    ) -> None:
        self.byte_limit = byte_limit
        self.held = 0
        self.closed = False
        self.logged = 0
        self.dropped: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.wake = threading.Event()
        self.breath = Breath(lambda: self.closed or self.held > byte_limit // 4)
        self._clock = clock
        self._segments = segments
        self._flush_seconds = flush_seconds
        self._on_logged = on_logged
        self._on_dropped = on_dropped
        self._session = Session(home, worker)
        self._buffers: dict[tuple[RowSchema, frozenset[str]], RowBuffer] = {}
        self._flushing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def buffer(self, schema: RowSchema, hashes: Mapping[str, Hash] | None = None) -> RowBuffer:
        """The buffer for rows of this schema; the same one for the same schema and hashed columns.

        Args:
            schema: The typed columns.
            hashes: For columns (``feature.email``, ``context.country``) that may not be written raw, what to write in
                place of the value: ``Redactor.redact`` or ``Redactor.digest``. They become string columns; the work
                is done by the log's thread.
        """
        hashes = hashes or {}
        key = (schema, frozenset(hashes))
        with self._flushing:
            if key not in self._buffers:
                stream = layout.rows_stream(schema.deployment, len(self._buffers))
                writer = StreamWriter(
                    self._session.directory / stream,
                    row_schema(schema, frozenset(hashes)),
                    durable=False,
                    segment_bytes=self._segments.bytes,
                    segment_seconds=self._segments.seconds,
                )
                self._buffers[key] = RowBuffer(self, schema, writer, hashes)
            return self._buffers[key]

    def flush(self) -> None:
        """Write everything appended before this call; for tests and for shutting down."""
        with self._flushing:
            for buffer in list(self._buffers.values()):
                buffer.flush()

    def close(self) -> None:
        """Refuse further rows, write what is waiting, end the session."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
        self.wake.set()
        self._thread.join()
        self.flush()
        for buffer in self._buffers.values():
            buffer.close()
        self._session.close()

    def drop(self, deployment: str, reason: str, arm: str, rows: int) -> None:
        """Count dropped rows of one variant; the caller holds the lock."""
        self.dropped[reason] += rows
        self._on_dropped(deployment, reason, arm, rows)

    def count_drop(self, deployment: str, reason: str, arms: Mapping[str, int]) -> None:
        """Count dropped rows, by variant."""
        with self.lock:
            for arm, rows in arms.items():
                self.drop(deployment, reason, arm, rows)

    def book(self, deployment: str, rows: int) -> None:
        """Count rows that are in the spool."""
        self.logged += rows
        self._on_logged(deployment, rows)

    def _run(self) -> None:
        while not self.closed:
            self.wake.wait(self._flush_seconds)
            self.wake.clear()
            self.flush()
