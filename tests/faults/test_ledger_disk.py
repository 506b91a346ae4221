"""A disk that is full, breaks or stalls: predictions are dropped and counted, outcomes refused, nothing is torn."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.ledger import outcomes as outcomes_module
from seatrial.ledger import spool
from seatrial.ledger.outcomes import OutcomeLog
from seatrial.ledger.reader import Reader
from seatrial.ledger.rows import RowSchema
from seatrial.spec.errors import Unavailable
from tests.ledger_events import (
    PLAIN,
    SMALL_SEGMENTS,
    Clock,
    append_plain,
    compacted,
    envelope,
    outcome,
    prediction_log,
)


class Disk:
    """Stands before ``os.write`` and the syncs; takes ``room`` bytes, then refuses; None: takes all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.sync_error = False
        self._write = os.write
        self._sync = os.fdatasync
        monkeypatch.setattr(spool.os, "write", self.write)
        monkeypatch.setattr(spool.os, "fdatasync", self.sync)

    def write(self, file: int, data: Any) -> int:
        if self.room is None:
            return self._write(file, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(file, data[: self.room])
        self.room -= written
        return written

    def sync(self, file: int) -> None:
        if self.sync_error:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(file)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def numbers(home: Path) -> list[float]:
    with Reader(home).open("churn") as view:
        found: list[float] = view.sql('SELECT "prediction.value" AS n FROM rows ORDER BY row_id')["n"].to_pylist()
        return found


def units(home: Path) -> list[str]:
    with Reader(home).open("churn") as view:
        found: list[str] = view.sql("SELECT unit FROM outcomes ORDER BY unit")["unit"].to_pylist()
        return found


@pytest.mark.parametrize("room", [0, 1, 100, 2000])
@pytest.mark.parametrize("already", [0, 10])
def test_rows_on_a_full_disk_are_dropped_and_counted_and_the_next_ones_are_written(
    tmp_path: Path, disk: Disk, room: int, already: int
) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(already))
        log.flush()
        disk.room = room
        append_plain(buffer, range(100, 120))
        log.flush()
        assert log.dropped == {"disk": 20}
        assert log.held == 0
        disk.room = None
        append_plain(buffer, range(200, 205))
        log.flush()
        expected = [float(n) for n in (*range(already), *range(200, 205))]
        assert numbers(tmp_path) == expected
        assert log.logged == len(expected)
    compacted(tmp_path)
    assert numbers(tmp_path) == expected


def test_a_disk_that_fills_while_a_segment_is_changed_loses_nothing_that_was_logged(tmp_path: Path, disk: Disk) -> None:
    with prediction_log(tmp_path, segments=SMALL_SEGMENTS) as log:
        buffer = log.buffer(PLAIN)
        written: list[int] = []
        for turn in range(20):
            disk.room = 50 * turn if turn % 3 == 1 else None
            chosen = range(turn * 10, turn * 10 + 10)
            before = log.logged
            append_plain(buffer, chosen)
            log.flush()
            written += chosen if log.logged > before else []
            compacted(tmp_path)
            assert numbers(tmp_path) == [float(n) for n in written]
        assert log.logged + log.dropped["disk"] == 200
        assert 0 < len(written) < 200


@pytest.mark.parametrize("already", [0, 1])
@pytest.mark.parametrize("room", [0, 7, 3000])
def test_outcomes_on_a_full_disk_are_refused_and_not_there(tmp_path: Path, disk: Disk, room: int, already: int) -> None:
    log = OutcomeLog(tmp_path, "w0", clock=Clock())
    for number in range(already):
        log.append([outcome(unit=f"early-{number}")]).result(20)
    disk.room = room
    refused = log.append([outcome(unit=f"lost-{number}") for number in range(500)])
    with pytest.raises(Unavailable, match="No space left on device") as caught:
        refused.result(20)
    assert caught.value.retry_after > 0
    disk.room = None
    log.append([outcome(unit="late")]).result(20)
    assert units(tmp_path) == [*(f"early-{number}" for number in range(already)), "late"]
    log.close()
    compacted(tmp_path)
    assert len(units(tmp_path)) == already + 1


def test_an_outcome_that_cannot_be_synced_is_not_acknowledged(tmp_path: Path, disk: Disk) -> None:
    log = OutcomeLog(tmp_path, "w0", clock=Clock())
    log.append([outcome(unit="early")]).result(20)
    disk.sync_error = True
    with pytest.raises(Unavailable, match="Input/output error"):
        log.append([outcome(unit="lost")]).result(20)
    disk.sync_error = False
    log.append([outcome(unit="late")]).result(20)
    log.close()
    assert units(tmp_path) == ["early", "late"]


def test_a_segment_that_cannot_be_cut_back_ends_there(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(3))
        log.flush()
        monkeypatch.setattr(spool.os, "ftruncate", refuse)
        disk.room = 40
        append_plain(buffer, range(10, 13))
        log.flush()
        disk.room = None
        append_plain(buffer, range(20, 23))
        log.flush()
        assert numbers(tmp_path) == [0.0, 1.0, 2.0, 20.0, 21.0, 22.0]
        assert log.dropped == {"disk": 3}
        compacted(tmp_path)
        assert numbers(tmp_path) == [0.0, 1.0, 2.0, 20.0, 21.0, 22.0]


class Stall:
    """Holds every write until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: Any) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        real: Callable[..., None] = target.write

        def held(writer: Any, batch: Any) -> None:
            self.entered.set()
            assert self.open.wait(60)
            real(writer, batch)

        monkeypatch.setattr(target, "write", held)


def test_a_stalled_disk_holds_no_append_and_bounds_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stall = Stall(monkeypatch, spool.StreamWriter)
    limit = 4 << 20
    with prediction_log(tmp_path, flush_seconds=0.001, byte_limit=limit) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(1))
        assert stall.entered.wait(60)
        taken = 1
        for number in range(1, 40_000):
            taken += buffer.append(envelope(number), (), None, None, None, (0.0,))
        assert log.held < limit + (1 << 20)
        assert log.dropped == {"buffer": 40_000 - taken}
        assert 1 < taken < 40_000
        stall.open.set()
    assert (log.logged, log.held) == (taken, 0)
    assert len(numbers(tmp_path)) == taken


NOTED = RowSchema("churn", (("note", "string"),), (), (), ("text",), (0,), (), (("json", "string"),))


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("letter", ["e", "é", "字", "🚢"], ids=["ascii", "latin", "han", "emoji"])
@pytest.mark.parametrize("place", ["context", "key", "error", "unit", "text", "prediction"])
def test_long_texts_anywhere_in_a_row_count_in_the_memory_that_a_stalled_disk_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, letter: str
) -> None:
    stall = Stall(monkeypatch, spool.StreamWriter)
    limit = 8 << 20
    with prediction_log(tmp_path, flush_seconds=0.001, byte_limit=limit) as log:
        buffer = log.buffer(NOTED)
        assert buffer.append(envelope(0), ("",), None, ("",), None, ("",))
        assert stall.entered.wait(60)
        before = resident()
        taken = 1
        for number in range(1, 5000):
            given = dict.fromkeys(("context", "text", "prediction"), "")
            long = f"{number} " + letter * 20_000
            given |= {place: long} if place in given else {}
            row = envelope(number) if place in given else envelope(number, **{place: long})
            taken += buffer.append(row, (given["context"],), None, (given["text"],), None, (given["prediction"],))
        assert resident() - before < 3 * limit
        assert log.held < limit + (1 << 20)
        assert log.dropped == {"buffer": 5000 - taken}
        assert 1 < taken < 5000
        stall.open.set()
    assert (log.logged, log.held) == (taken, 0)


def test_a_stalled_disk_refuses_outcomes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stall = Stall(monkeypatch, spool.StreamWriter)
    monkeypatch.setattr(outcomes_module, "PENDING_LIMIT", 10)
    clock = Clock(0.0)
    log = OutcomeLog(tmp_path, "w0", clock=Clock(), monotonic=clock)
    first = log.append([outcome(unit="first")])
    assert stall.entered.wait(60)
    waiting = log.append([outcome(unit=f"u{number}") for number in range(9)])
    with pytest.raises(Unavailable, match="10 outcomes wait for the disk already"):
        log.append([outcome(unit="more")]).result(0)
    clock.now = 6.0
    with pytest.raises(Unavailable, match="has stalled"):
        log.append([outcome(unit="more")]).result(0)
    assert not first.done()
    stall.open.set()
    first.result(20)
    waiting.result(20)
    log.close()
    assert len(units(tmp_path)) == 10
