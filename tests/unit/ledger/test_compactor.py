import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.ledger import layout
from seatrial.ledger.compactor import Compactor, Round, Rounds, main
from seatrial.ledger.locks import locked
from seatrial.ledger.maintenance import SMALL_FILES, delete_expired, join_small_files
from seatrial.ledger.outcomes import OutcomeLog
from seatrial.ledger.reader import Reader
from seatrial.ledger.retention import Retention
from seatrial.ledger.spool import list_segments, read_segment
from seatrial.ledger.table import Table, append, with_day
from seatrial.spec.errors import Unavailable
from tests.ledger_events import (
    FEATURES,
    PLAIN,
    SCHEMA,
    SMALL_SEGMENTS,
    START,
    Clock,
    append_plain,
    compacted,
    envelope,
    outcome,
    prediction_log,
    write_outcomes,
    write_rows,
)
from tests.waiting import wait_for


def segments(home: Path) -> int:
    return len(list_segments(home, lambda _: True))


def read(home: Path, deployment: str = "churn") -> pa.Table:
    with Reader(home).open(deployment) as view:
        return view.sql("SELECT * FROM rows ORDER BY row_id")


def test_closed_segments_become_a_table_that_says_the_same(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        log.buffer(SCHEMA).append(envelope(1), ("DE", 7), FEATURES, ["Köln"], [[1.0, 2.0]], ("yes", 0.5))
        log.buffer(SCHEMA).append(envelope(2), (None, None), None, None, None, None)
    before = read(tmp_path)
    compacted(tmp_path)
    table = Table.load(layout.table(tmp_path, "churn"))
    assert table is not None
    assert sum(pq.read_metadata(file).num_rows for file in table.files) == 2
    assert read(tmp_path).equals(before)


def test_the_segment_being_written_is_left_alone(tmp_path: Path) -> None:
    compactor = Compactor(tmp_path, monotonic=Clock(0.0))
    with prediction_log(tmp_path) as log:
        append_plain(log.buffer(PLAIN), range(5))
        log.flush()
        assert compactor.run_once() == Round()
    assert compactor.run_once() == Round(rows=5, segments=1)
    assert compactor.run_once() == Round()


def test_segments_stay_for_the_grace_and_no_longer(tmp_path: Path) -> None:
    clock = Clock(0.0)
    compactor = Compactor(tmp_path, monotonic=clock, grace=60.0)
    write_rows(tmp_path, range(5))
    write_outcomes(tmp_path, outcome(unit="u"))
    compactor.run_once()
    clock.now = 59.0
    assert (compactor.run_once().removed, segments(tmp_path)) == (0, 2)
    clock.now = 60.0
    assert (compactor.run_once().removed, segments(tmp_path)) == (2, 0)
    assert not any((layout.spool(tmp_path) / "w0").iterdir()), "the ended sessions go too"
    assert read(tmp_path).num_rows == 5


def test_every_deployment_has_a_table_whatever_its_name(tmp_path: Path) -> None:
    names = ["churn", "a b", "ü%/2"]
    for name in names:
        write_rows(tmp_path, range(3), PLAIN._replace(deployment=name))
    compacted(tmp_path)
    write_rows(tmp_path, range(2, 4), PLAIN._replace(deployment="a b"))
    assert Reader(tmp_path).deployments() == sorted(names)
    assert [read(tmp_path, name).num_rows for name in names] == [3, 4, 3]


def test_segments_that_do_not_fit_in_one_commit_are_committed_one_after_another(tmp_path: Path) -> None:
    with prediction_log(tmp_path, segments=SMALL_SEGMENTS) as log:
        buffer = log.buffer(PLAIN)
        for start in range(0, 50, 10):
            append_plain(buffer, range(start, start + 10))
            log.flush()
    compacted(tmp_path, batch_bytes=1)
    table = Table.load(layout.table(tmp_path, "churn"))
    assert table is not None
    assert table.delta.version() == 4
    assert read(tmp_path).num_rows == 50


def test_duplicates_are_left_out_within_a_batch_and_against_the_table(tmp_path: Path) -> None:
    write_rows(tmp_path, range(10))
    compacted(tmp_path)
    write_rows(tmp_path, range(5, 15), worker="w1")
    write_rows(tmp_path, range(12, 18), worker="w2")
    assert Compactor(tmp_path).run_once() == Round(rows=8, duplicates=8, segments=2)
    assert read(tmp_path)["prediction.value"].to_pylist() == list(map(float, range(18)))


def test_columns_are_added_and_older_rows_have_none(tmp_path: Path) -> None:
    write_rows(tmp_path, range(1))
    compacted(tmp_path)
    schema = PLAIN._replace(prediction=(("value", "number"), ("extra", "boolean")))
    with prediction_log(tmp_path, "w1") as log:
        log.buffer(schema).append(envelope(1), (), None, None, None, (1.0, True))
    compacted(tmp_path)
    assert read(tmp_path)["prediction.extra"].to_pylist() == [None, True]


def test_a_clock_that_goes_back_loses_no_row(tmp_path: Path) -> None:
    write_rows(tmp_path, range(5))
    compacted(tmp_path)
    write_rows(tmp_path, range(5, 9), at=7)
    compacted(tmp_path)
    found = read(tmp_path)
    assert found.num_rows == 9
    assert {day.name for day in layout.table(tmp_path, "churn").glob("day=*")} == {"day=1970-01-01", "day=2023-11-14"}


def test_an_empty_segment_of_a_dead_writer_goes(tmp_path: Path) -> None:
    with prediction_log(tmp_path, segments=SMALL_SEGMENTS) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(30))
        log.flush()
        log.flush()
        assert segments(tmp_path) == 2, "one with rows, and its empty successor"
    clock = Clock(0.0)
    compactor = Compactor(tmp_path, monotonic=clock, grace=1.0)
    compactor.run_once()
    clock.now = 2.0
    compactor.run_once()
    assert segments(tmp_path) == 0
    assert read(tmp_path).num_rows == 30


def test_outcomes_keep_every_revision(tmp_path: Path) -> None:
    write_outcomes(tmp_path, outcome(unit="u", value=1.0), outcome(unit="u", value=2.0, received_at=2**52))
    compacted(tmp_path)
    table = Table.load(layout.outcomes(tmp_path))
    assert table is not None
    assert sum(pq.read_metadata(file).num_rows for file in table.files) == 2


def test_other_tools_read_the_table_as_it_is(tmp_path: Path) -> None:
    write_rows(tmp_path, range(5))
    compacted(tmp_path)
    table = Table.load(layout.table(tmp_path, "churn"))
    assert table is not None
    assert table.delta.to_pyarrow_table(columns=["request_id", "prediction.value"]).num_rows == 5
    log = sorted((layout.table(tmp_path, "churn") / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in log[0].read_text().splitlines()]
    (transaction,) = [action["txn"] for action in actions if "txn" in action]
    assert transaction["appId"].startswith("w0/")
    assert transaction["version"] == 1


def test_a_table_that_somebody_else_writes_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    with locked(tmp_path / "ledger" / "tables.lock", 0.0), pytest.raises(Unavailable, match=r"tables\.lock"):
        Compactor(tmp_path, lock_wait=0.05).run_once()


def test_a_second_process_on_one_home_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "ledger" / "compactor.lock", 0.0), pytest.raises(Unavailable, match=r"compactor\.lock"):
        main(["--home", str(tmp_path)])


@pytest.mark.processes
def test_the_process_compacts_and_ends_on_request_with_a_last_round(tmp_path: Path) -> None:
    write_rows(tmp_path, range(5))
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial.ledger.compactor", "--home", str(tmp_path), "--interval", "0.05"],
        env=os.environ | {"PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: Table.load(layout.table(tmp_path, "churn")), what="the table")
        log = OutcomeLog(tmp_path, "w0", clock=Clock())
        log.append([outcome(unit="u")]).result(20)
        log.close()
    finally:
        process.terminate()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "5 rows from 1 segments" in output
    assert Table.load(layout.outcomes(tmp_path)) is not None


DAY = 86_400_000_000
ABSURD = 40_000_000 * DAY
"""Microseconds from 1970 to a day that no calendar has."""


def test_rows_of_no_calendar_are_left_out_and_hold_up_nothing(tmp_path: Path) -> None:
    write_rows(tmp_path, range(1), at=-(2**63) + 1)
    write_rows(tmp_path, range(1, 3))
    assert Compactor(tmp_path).run_once() == Round(rows=2, segments=2, impossible=1)


def test_a_table_that_holds_an_absurd_day_goes_on(tmp_path: Path) -> None:
    directory = layout.table(tmp_path, "churn")
    write_rows(tmp_path, range(1))
    compacted(tmp_path)
    with Reader(tmp_path).open("churn") as view:
        rows = view.sql("SELECT * FROM rows")
    absurd = rows.set_column(rows.column_names.index("at"), "at", pa.array([ABSURD], pa.int64()).view(rows["at"].type))
    for _ in range(SMALL_FILES + 1):
        append(directory, with_day(absurd, "at"), {})
    for number in range(1, SMALL_FILES + 2):
        write_rows(tmp_path, range(number, number + 1))
        assert compacted(tmp_path)
    assert join_small_files(directory) == SMALL_FILES + 2, "the other days are joined"
    assert delete_expired(tmp_path, Retention({"churn": 1.0}), START + 3 * DAY) == {"churn": SMALL_FILES + 2}


def test_a_segment_that_cannot_be_read_holds_up_its_own_stream_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    write_rows(tmp_path, range(2), worker="bad")
    write_rows(tmp_path, range(2, 5), worker="good")
    write_outcomes(tmp_path, outcome(unit="a"))

    def failing(path: Path, *, mapped: bool) -> pa.Table | None:
        if path.is_relative_to(layout.spool(tmp_path) / "bad"):
            raise OSError(5, "Input/output error", str(path))
        return read_segment(path, mapped=mapped)

    monkeypatch.setattr("seatrial.ledger.compactor.read_segment", failing)
    rounds = Rounds(Compactor(tmp_path, grace=0.0))
    rounds.run()
    rounds.run()
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "Input/output error" in told, "a trouble that lasts is told once"
    table = Table.load(layout.table(tmp_path, "churn"))
    assert table is not None
    assert table.delta.count() == 3
    assert Table.load(layout.outcomes(tmp_path)) is not None
    monkeypatch.undo()
    rounds.run()
    assert "2 rows from 1 segments" in caplog.messages
