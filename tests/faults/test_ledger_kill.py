"""kill -9 of writers and compactor at any point: nothing acknowledged is lost, nothing doubled, all of it readable."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seatrial.ledger import layout
from seatrial.ledger import reader as reader_module
from seatrial.ledger.accounting import accounts
from seatrial.ledger.compactor import Compactor
from seatrial.ledger.counters import LOGGED, read_counters, read_file, retire, series
from seatrial.ledger.reader import Reader
from seatrial.ledger.spool import list_segments
from tests.ledger_events import (
    PLAIN,
    SMALL_SEGMENTS,
    Clock,
    append_plain,
    outcome,
    prediction_log,
    write_outcomes,
    write_rows,
)
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

COMPACT_AND_DIE = """
import os, pathlib, signal, sys
from seatrial.ledger.compactor import Compactor

home, step, times = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def reached(name):
    global times
    times -= name == step
    if name == step and times < 0:
        os.kill(os.getpid(), signal.SIGKILL)

Compactor(home, grace=0.0, batch_bytes=1, reached=reached).run_once()
"""

WRITE = """
import pathlib, sys, time
from seatrial.ledger.counters import LOGGED, SERVED, CounterFile, series
from seatrial.ledger.log import PredictionLog, SegmentLimits
from seatrial.ledger.outcomes import OutcomeLog
from seatrial.ledger import layout
from tests.ledger_events import PLAIN, envelope, outcome

home, worker, first = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
clock = lambda: time.time_ns() // 1000
counters = CounterFile.create(layout.counters(home) / f"{worker}.counters")
served, logged = (counters.slot(series(name, deployment="churn")) for name in (SERVED, LOGGED))
log = PredictionLog(home, worker, clock=clock, flush_seconds=0.002, segments=SegmentLimits(40_000, 0.2),
                    on_logged=lambda _, n: counters.add(logged, n))
outcomes = OutcomeLog(home, worker, clock=clock, segment_bytes=20_000, segment_seconds=0.2)
buffer = log.buffer(PLAIN)
number = first
while True:
    for _ in range(20):
        counters.add(served)
        assert buffer.append(envelope(number, variant=worker), (), None, None, None, (float(number),))
        number += 1
    outcomes.append([outcome(unit=f"{worker}-{number}")]).result(20)
    print(number, flush=True)
    time.sleep(0.001)
"""

COMPACT = """
import pathlib, sys
from seatrial.ledger.compactor import Compactor
compactor = Compactor(pathlib.Path(sys.argv[1]), grace=0.05)
print("ready", flush=True)
while True:
    compactor.run_once()
"""


@contextmanager
def running(program: str, *arguments: object, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed at the end; what it prints goes to a file."""
    with output.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=file,
            env=os.environ | {"PYTHONWARNINGS": "error", "PYTHONPATH": os.getcwd()},
        )
    try:
        yield process
        assert process.poll() is None, "the process ended by itself"
    finally:
        process.kill()
        process.wait(60)


def acknowledged(output: Path) -> list[int]:
    """Numbers that a writer printed whole: outcomes that were acknowledged."""
    return [int(line) for line in output.read_text().split("\n")[:-1]] if output.exists() else []


def read(home: Path, query: str) -> list[Any]:
    with Reader(home).open("churn") as view:
        return list(view.sql(query)["x"].to_pylist())


@pytest.mark.parametrize(
    ("step", "times"),
    [
        ("listed", 0),
        ("loaded", 0),
        ("loaded", 2),
        ("read", 1),
        ("committed", 0),
        ("committed", 3),
        ("removed", 0),
        ("removed", 2),
    ],
)
def test_a_compactor_killed_at_any_step_loses_and_doubles_nothing(tmp_path: Path, step: str, times: int) -> None:
    with prediction_log(tmp_path, segments=SMALL_SEGMENTS) as log:
        for start in range(0, 50, 10):
            append_plain(log.buffer(PLAIN), range(start, start + 10))
            log.flush()
    write_outcomes(tmp_path, *(outcome(unit=f"u{number}") for number in range(5)))
    rows = 'SELECT CAST("prediction.value" AS INTEGER) AS x FROM rows ORDER BY 1'
    killed = subprocess.run([sys.executable, "-c", COMPACT_AND_DIE, str(tmp_path), step, str(times)], check=False)
    assert killed.returncode == -9
    assert read(tmp_path, rows) == list(range(50))
    clock = Clock(0.0)
    compactor = Compactor(tmp_path, monotonic=clock, grace=1.0)
    compactor.run_once()
    assert read(tmp_path, rows) == list(range(50))
    clock.now = 2.0
    compactor.run_once()
    assert list_segments(tmp_path, lambda _: True) == []
    assert read(tmp_path, rows) == list(range(50))
    assert read(tmp_path, "SELECT unit AS x FROM outcomes ORDER BY 1") == [f"u{number}" for number in range(5)]


def test_a_writer_killed_under_load_loses_no_acknowledged_outcome_and_its_account_is_balanced(tmp_path: Path) -> None:
    output = tmp_path / "acknowledged"
    for life in range(3):
        # Numbers of its own: what an earlier life logged and had not yet acknowledged must not be logged again.
        with running(WRITE, tmp_path, "w0", life * 1_000_000, output=output):
            wanted = len(acknowledged(output)) + 60
            wait_for(lambda n=wanted: len(acknowledged(output)) >= n, seconds=60, what="acknowledged outcomes")
    retire(layout.counters(tmp_path), "w0")
    account = accounts(read_counters(layout.counters(tmp_path)))["churn"]
    assert account.balanced
    found = read(tmp_path, "SELECT DISTINCT unit AS x FROM outcomes")
    assert {f"w0-{number}" for number in acknowledged(output)} <= set(found)
    rows = read(tmp_path, "SELECT row_id AS x FROM rows")
    assert len(rows) == len(set(rows))
    # What was counted as logged is there; what was written in the very moment of the kill may be there as well.
    assert account.logged <= len(rows) <= account.served


def test_no_row_is_missed_or_doubled_while_it_moves_from_spool_to_table(tmp_path: Path) -> None:
    """Two writers, a compactor without pause that is killed now and then, and a reader that looks all the time."""
    outputs = {worker: tmp_path / f"{worker}.out" for worker in ("w0", "w1")}
    looks = 0
    with (
        running(WRITE, tmp_path, "w0", 0, output=outputs["w0"]),
        running(WRITE, tmp_path, "w1", 0, output=outputs["w1"]),
    ):
        wait_for(lambda: all(acknowledged(output) for output in outputs.values()), seconds=60, what="both writers")
        for _ in range(2):
            with running(COMPACT, tmp_path, output=tmp_path / "compactor.out"):
                wanted = versions(tmp_path) + 3
                while versions(tmp_path) < wanted:
                    look(tmp_path, outputs)
                    looks += 1
    look(tmp_path, outputs)
    assert looks >= 2
    Compactor(tmp_path, grace=0.0).run_once()
    look(tmp_path, outputs)


def versions(home: Path) -> int:
    """Commits to the rows' table so far."""
    return len(list((layout.table(home, "churn") / "_delta_log").glob("*.json")))


def look(home: Path, outputs: dict[str, Path]) -> None:
    """Every worker's rows are 0, 1, 2, … without a gap and once, as far as it had logged; every outcome is there."""
    logged = {worker: read_file(layout.counters(home) / f"{worker}.counters") for worker in outputs}
    outcomes = {f"{worker}-{number}" for worker, output in outputs.items() for number in acknowledged(output)}
    with Reader(home).open("churn") as view:
        found = view.sql(
            'SELECT variant, count(*) AS n, count(DISTINCT row_id) AS ids, max("prediction.value") AS last '
            "FROM rows GROUP BY 1"
        ).to_pylist()
        units = view.sql("SELECT unit FROM outcomes")["unit"].to_pylist()
    for row in found:
        assert row["n"] == row["ids"] == row["last"] + 1, row
        assert row["n"] >= logged[row["variant"]][series(LOGGED, deployment="churn")], row
    assert len(found) == len(outputs)
    assert len(units) == len(set(units))
    assert outcomes <= set(units)


def test_a_row_that_is_committed_while_a_reader_opens_is_seen_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compactor runs, grace and all, exactly between the reader's listing and its loading of the table."""
    write_rows(tmp_path, range(10))
    real = reader_module.list_segments

    def listed_then_compacted(*arguments: Any) -> Any:
        found = real(*arguments)
        Compactor(tmp_path, grace=0.0).run_once()
        return found

    monkeypatch.setattr(reader_module, "list_segments", listed_then_compacted)
    assert len(read(tmp_path, "SELECT row_id AS x FROM rows")) == 10


def test_a_segment_that_goes_while_a_reader_opens_makes_it_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compactor runs between the loading of the table and the opening of the segments."""
    write_rows(tmp_path, range(10))
    real = reader_module.not_included
    turns = []

    def chosen_then_compacted(*arguments: Any) -> Any:
        found = real(*arguments)
        if not turns:
            Compactor(tmp_path, grace=0.0).run_once()
        turns.append(found)
        return found

    monkeypatch.setattr(reader_module, "not_included", chosen_then_compacted)
    assert len(read(tmp_path, "SELECT row_id AS x FROM rows")) == 10
    assert len(turns) > 1
