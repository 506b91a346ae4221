"""The compactor: closed segments become a partitioned Delta table that anybody's tools can read.

    python -m seatrial.ledger.compactor --home .seatrial

A round takes the tables' lock, lists the spool, loads each table's version and commits the closed segments that the
version does not include, with the highest number of each stream *in the same commit*. So it may be killed at any point:
either the commit is there, and the next round skips those segments, or it is not, and they are read again. Segments are
removed once they have been in the table for longer than the grace.
"""

import argparse
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from seatrial.ledger import layout
from seatrial.ledger.duplicates import without_duplicates
from seatrial.ledger.lag import Lag
from seatrial.ledger.locks import locked
from seatrial.ledger.maintenance import Maintenance
from seatrial.ledger.retention import Forgetting, read_forgetting, without_forgotten, write_forgetting
from seatrial.ledger.spool import Segment, list_segments, read_segment, remove_ended_sessions
from seatrial.ledger.sql import connect
from seatrial.ledger.table import Table, append, not_included, unify_into, with_day, within_calendar
from seatrial.ledger.troubles import Troubles
from seatrial.spec import logs
from seatrial.spec.errors import SeatrialError
from seatrial.spec.settings import load_settings

log = logging.getLogger("seatrial.ledger")

SETTLE_MICROSECONDS = 1_000_000
"""What was in a writer's memory when something was to be forgotten is in the spool after this."""


class Round(NamedTuple):
    """What one round did.

    Attributes:
        rows: Rows and outcomes committed.
        duplicates: Rows left out because their ``row_id`` was there already.
        segments: Segments committed.
        removed: Segments removed.
        impossible: Rows and outcomes left out because their time lies in no year from 1 to 9999.
    """

    rows: int = 0
    duplicates: int = 0
    segments: int = 0
    removed: int = 0
    impossible: int = 0

    def plus(self, other: "Round") -> "Round":
        return Round(*(a + b for a, b in zip(self, other, strict=True)))


class Target(NamedTuple):
    """A table and what it is fed from: one deployment's rows, or (None) the outcomes."""

    deployment: str | None
    directory: Path

    @property
    def arrival(self) -> str:
        """The column whose date partitions the table: when the row came, by our clock."""
        return "received_at" if self.deployment is None else "at"


def target_of(home: Path, stream: str) -> Target:
    """Where the rows of a stream belong."""
    deployment = layout.stream_deployment(stream)
    return Target(deployment, layout.outcomes(home) if deployment is None else layout.table(home, deployment))


class Compactor:
    """Moves closed segments into tables.

    Args:
        home: Home directory of the machine.
        clock: Microseconds since 1970 UTC.
        monotonic: Seconds, for graces and intervals.
        grace: Seconds for which a committed segment stays; longer than opening a view takes.
        batch_bytes: Most bytes of segments in one commit.
        reached: Told each step's name; tests stop the process there.
        lag: Where it is noted how far the tables are behind; only the process that compacts regularly has it.
    """

    def __init__(
        self,
        home: Path,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic: Callable[[], float] = time.monotonic,
        grace: float = 60.0,
        batch_bytes: int = 256 << 20,
        lock_wait: float = 60.0,
        reached: Callable[[str], None] = lambda _: None,
        lag: Lag | None = None,
    ) -> None:
        self._home = home
        self._clock = clock
        self._monotonic = monotonic
        self._grace = grace
        self._batch_bytes = batch_bytes
        self._lock_wait = lock_wait
        self._reached = reached
        self._lag = lag
        self._done_since: dict[Path, float] = {}
        self._empty: set[Path] = set()
        self._maintenance = Maintenance(home, clock=clock, monotonic=monotonic)

    def run_once(self) -> Round:
        """One round over all tables.

        Raises:
            Unavailable: Somebody else writes the tables for longer than we wait; or some of them could not be seen to,
                said when all the others have been.
        """
        done = Round()
        troubles = Troubles()
        with locked(self._home / "ledger" / "tables.lock", self._lock_wait):
            with troubles.of("compaction"):
                done = self.compact()
            with troubles.of("maintenance"):
                self._maintenance.run()
        troubles.tell()
        return done

    def compact(self) -> Round:
        """`run_once` without maintenance, for a caller that holds the tables' lock; raises likewise."""
        began = self._clock()
        segments = list_segments(self._home, lambda _: True)
        self._reached("listed")
        forgetting = self._settle(read_forgetting(self._home), segments)
        total = Round()
        troubles = Troubles()
        for target in sorted({target_of(self._home, s.stream) for s in segments}, key=lambda t: str(t.directory)):
            mine = [s for s in segments if target_of(self._home, s.stream) == target]
            if self._lag is not None:
                self._lag.turn(target.deployment)
            with troubles.of(target.directory.name):
                total = total.plus(self._compact(target, mine, forgetting, troubles, began))
        if self._lag is not None:
            self._lag.rest(began)
        remove_ended_sessions(self._home)
        troubles.tell()
        return total

    def _compact(
        self,
        target: Target,
        segments: list[Segment],
        forgetting: tuple[Forgetting, ...],
        troubles: Troubles,
        began: int,
    ) -> Round:
        closed = [segment for segment in segments if segment.closed]
        total = Round()
        table = Table.load(target.directory)
        stuck: set[str] = set()
        attempts = deque(self._batches(not_included(closed, table)))
        while attempts:
            # A commit includes all earlier segments of its streams, so behind one that fails its stream waits.
            part = [segment for segment in attempts.popleft() if segment.application not in stuck]
            if not part:
                continue
            try:
                self._reached("loaded")
                total = total.plus(self._commit(target, part, table, forgetting))
                self._reached("committed")
                table = Table.load(target.directory)
            except Exception as error:  # noqa: BLE001 - the table's library has no common base for its errors
                if len(part) > 1:
                    attempts.extendleft([segment] for segment in reversed(part))  # which of them is it?
                else:
                    stuck.add(part[0].application)
                    troubles.note(f"{target.directory.name}, {part[0].path}", error)
        if self._lag is not None:
            self._lag.behind(target.deployment, not_included(segments, table), began)
        return total._replace(removed=self._remove(closed, table))

    def _commit(
        self, target: Target, batch: list[Segment], table: Table | None, forgetting: tuple[Forgetting, ...]
    ) -> Round:
        """Commit segments."""
        read = [read_segment(segment.path, mapped=True) for segment in batch]
        whole = [rows for rows in read if rows is not None and rows.num_rows]
        applied = {segment.application: segment.number for segment in batch}
        self._empty |= {s.path for s, rows in zip(batch, read, strict=True) if rows is None or not rows.num_rows}
        if not whole:
            return Round()
        read_rows = unify_into(whole, table)
        possible = within_calendar(read_rows)
        arrived = without_forgotten(possible, target.arrival, forgetting)
        before = arrived.num_rows
        if target.deployment is not None and before:
            arrived = self._first_of_each(arrived, table)
        self._reached("read")
        append(target.directory, with_day(arrived, target.arrival), applied)
        return Round(
            rows=arrived.num_rows,
            duplicates=before - arrived.num_rows,
            segments=sum(segment.path not in self._empty for segment in batch),
            impossible=read_rows.num_rows - possible.num_rows,
        )

    def _first_of_each(self, arrived: pa.Table, table: Table | None) -> pa.Table:
        connection = connect(self._home)
        try:
            return without_duplicates(connection, arrived, table)
        finally:
            connection.close()

    def _batches(self, segments: list[Segment]) -> Iterator[list[Segment]]:
        """Groups of segments that fit in memory, each stream's in order."""
        batch: list[Segment] = []
        size = 0
        for segment in segments:
            length = segment.path.stat().st_size
            if batch and size + length > self._batch_bytes:
                yield batch
                batch, size = [], 0
            batch.append(segment)
            size += length
        if batch:
            yield batch

    def _remove(self, closed: list[Segment], table: Table | None) -> int:
        """Remove the segments that were in the table, or were seen to hold nothing, at least a grace ago."""
        waiting = {segment.path for segment in not_included(closed, table)} - self._empty
        now = self._monotonic()
        removed = 0
        for segment in closed:
            if segment.path in waiting or now - self._done_since.setdefault(segment.path, now) < self._grace:
                continue
            segment.path.unlink(missing_ok=True)
            del self._done_since[segment.path]
            self._empty.discard(segment.path)
            removed += 1
            self._reached("removed")
        return removed

    def _settle(self, forgetting: tuple[Forgetting, ...], segments: list[Segment]) -> tuple[Forgetting, ...]:
        """Note up to where the spool may hold what was forgotten; drop the requests which the spool has outlived."""
        if not forgetting:
            return ()
        now = self._clock()
        highest = {segment.application: segment.number for segment in segments}
        kept = []
        for entry in forgetting:
            if entry.until is None and now - entry.at > SETTLE_MICROSECONDS:
                entry = Forgetting(entry.units, entry.requests, entry.at, highest)
            if entry.until is None or self._waits(entry.until, segments):
                kept.append(entry)
        if tuple(kept) != forgetting:
            write_forgetting(self._home, tuple(kept))
        return tuple(kept)

    def _waits(self, until: dict[str, int], segments: list[Segment]) -> bool:
        """Whether a segment that may hold forgotten rows is in no table yet."""
        old = [segment for segment in segments if segment.number <= until.get(segment.application, 0)]
        targets = {target_of(self._home, segment.stream) for segment in old}
        tables = {target: Table.load(target.directory) for target in targets}
        return any(not_included([segment], tables[target_of(self._home, segment.stream)]) for segment in old)


def main(arguments: list[str] | None = None) -> int:
    """The compactor's process: rounds until SIGTERM; one a home."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.ledger.compactor", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="home directory of the machine")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between rounds")
    parser.add_argument("--grace", type=float, default=60.0, help="seconds for which a committed segment stays")
    given = parser.parse_args(arguments)
    logs.configure("compactor", load_settings(os.environ, Path.cwd()))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    rounds = Rounds(Compactor(given.home, grace=given.grace, lag=Lag(given.home)))
    with locked(given.home / "ledger" / "compactor.lock", wait=0.0):
        while not stop.is_set():
            rounds.run()
            stop.wait(given.interval)
        rounds.run()
    return 0


class Rounds:
    """Rounds of a compactor, logged: a trouble that lasts is told once."""

    def __init__(self, compactor: Compactor) -> None:
        self._compactor = compactor
        self._trouble = ""

    def run(self) -> None:
        """One round; what goes wrong is said, and the next one tries again (a full disk is freed, a lock released)."""
        try:
            done = self._compactor.run_once()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round may go well
            trouble = str(error) if isinstance(error, SeatrialError | OSError) else f"{type(error).__name__}: {error}"
            if trouble != self._trouble:
                log.error("%s", trouble)
            self._trouble = trouble
            return
        self._trouble = ""
        if done.segments:
            told = {"rows": done.rows, "segments": done.segments}
            log.info("%d rows from %d segments", done.rows, done.segments, extra=told)
        if done.impossible:
            log.warning("%d rows left out, because their time lies in no year from 1 to 9999", done.impossible)


if __name__ == "__main__":
    raise SystemExit(main())
