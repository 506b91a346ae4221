"""Keeping tables small and quick: small files joined, rows past their retention deleted, replaced files removed."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from seatrial.ledger import layout
from seatrial.ledger.retention import Retention, read_retention
from seatrial.ledger.table import PARTITION, Table
from seatrial.ledger.troubles import Troubles

SMALL_FILE_BYTES = 64 << 20
TARGET_FILE_BYTES = 128 << 20
SMALL_FILES = 8
"""A day's files are joined when it has more than this many small ones."""

_EPOCH = date(1970, 1, 1)
_FIRST_DAY = (date.min - _EPOCH).days
_LAST_DAY = (date.max - _EPOCH).days

FILE_GRACE_HOURS = 1
"""Replaced files stay this long for queries that run."""


class Maintenance:
    """What is done to the tables beside appending; the caller holds the tables' lock.

    Args:
        home: Home directory of the machine.
        clock: Microseconds since 1970 UTC.
        monotonic: Seconds.
        join_seconds, delete_seconds: How often.
    """

    def __init__(
        self,
        home: Path,
        *,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        join_seconds: float = 60.0,
        delete_seconds: float = 600.0,
    ) -> None:
        self._home = home
        self._clock = clock
        self._monotonic = monotonic
        self._join_seconds = join_seconds
        self._delete_seconds = delete_seconds
        self._joined = monotonic()
        self._deleted = -float("inf")

    def run(self) -> None:
        """Do what is due; a table that cannot be seen to holds up no other. Raises as `Troubles.tell` at the end."""
        now = self._monotonic()
        troubles = Troubles()
        if now - self._joined >= self._join_seconds:
            self._joined = now
            for directory in self._directories():
                with troubles.of(directory.name):
                    join_small_files(directory)
        if now - self._deleted >= self._delete_seconds:
            self._deleted = now
            with troubles.of("retention"):
                if delete_expired(self._home, read_retention(self._home), self._clock()):
                    shutil.rmtree(layout.judged(self._home), ignore_errors=True)  # it has units of the deleted days
            for directory in self._directories():
                with troubles.of(directory.name):
                    remove_replaced_files(directory)
        troubles.tell()

    def _directories(self) -> list[Path]:
        return [*_deployment_tables(self._home), layout.outcomes(self._home)]


def join_small_files(directory: Path) -> int:
    """Join the small files of every day that has many; gives how many files were replaced."""
    table = Table.load(directory)
    if table is None:
        return 0
    files = zip(table.file_days(), table.file_facts("size_bytes"), strict=True)
    small = Counter(day for day, file in files if file["size_bytes"] < SMALL_FILE_BYTES)
    replaced = 0
    troubles = Troubles()
    for day, count in sorted(small.items()):
        if count > SMALL_FILES and _FIRST_DAY <= day <= _LAST_DAY:
            named = (_EPOCH + timedelta(days=day)).isoformat()
            with troubles.of(f"{directory.name} {named}"):
                done = table.delta.optimize.compact([(PARTITION, "=", named)], target_size=TARGET_FILE_BYTES)
                replaced += int(done["numFilesRemoved"])
    troubles.tell()
    return replaced


def delete_expired(home: Path, retention: Retention, now: int) -> dict[str, int]:
    """Delete whole days that are older than what is kept, and say how many rows each deployment lost.

    Outcomes belong to every deployment, so they are kept as long as the longest of them; as long as one deployment with
    rows has no limit, for ever. Their count is under ``""``.
    """
    deleted = {}
    keeps: list[float | None] = []
    for directory in _deployment_tables(home):
        deployment = layout.table_deployment(directory)
        keep = retention.keep.get(deployment)
        keeps.append(keep)
        if keep is not None:
            deleted[deployment] = _delete_before(directory, _last_day(now, keep))
    limits = [keep for keep in keeps if keep is not None]
    if limits and len(limits) == len(keeps):
        deleted[""] = _delete_before(layout.outcomes(home), _last_day(now, max(limits)))
    return {name: rows for name, rows in deleted.items() if rows}


def remove_replaced_files(directory: Path) -> int:
    """Remove files that no version needs any more, and what a killed compactor left; gives how many."""
    table = Table.load(directory)
    if table is None:
        return 0
    names = table.delta.vacuum(FILE_GRACE_HOURS, dry_run=True, enforce_retention_duration=False, full=True)
    if names:
        table.delta.vacuum(FILE_GRACE_HOURS, dry_run=False, enforce_retention_duration=False, full=True)
    return len(names)


def _deployment_tables(home: Path) -> list[Path]:
    return sorted(path for path in layout.tables(home).glob("*") if path.is_dir())


def _last_day(now: int, keep: float) -> date:
    return (datetime.fromtimestamp(now / 1e6, UTC) - timedelta(seconds=keep)).date()


def _delete_before(directory: Path, day: date) -> int:
    """Delete the days before ``day``; gives the rows they held."""
    table = Table.load(directory)
    if table is None:
        return 0
    files = zip(table.file_days(), table.file_facts("num_records"), strict=True)
    before = (day - _EPOCH).days
    rows = sum(int(file["num_records"]) for there, file in files if there < before)
    if rows:
        table.delta.delete(f"{PARTITION} < '{day.isoformat()}'")
    return rows
