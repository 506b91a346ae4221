import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from seatrial.ledger import layout
from seatrial.ledger.compactor import Compactor
from seatrial.ledger.forget import Forgot, forget
from seatrial.ledger.maintenance import SMALL_FILES, delete_expired, join_small_files, remove_replaced_files
from seatrial.ledger.reader import Reader
from seatrial.ledger.retention import Retention, read_forgetting, read_retention, write_retention
from seatrial.ledger.table import Table
from tests.ledger_events import (
    PLAIN,
    SECOND,
    START,
    Clock,
    append_plain,
    compacted,
    outcome,
    prediction_log,
    write_outcomes,
    write_rows,
)

DAY = 86_400 * SECOND


def files(directory: Path) -> list[str]:
    table = Table.load(directory)
    assert table is not None
    return table.files


def count(home: Path, what: str = "rows", deployment: str | None = "churn") -> int:
    with Reader(home).open(deployment) as view:
        return int(view.sql(f"SELECT count(*) AS n FROM {what}")["n"][0].as_py())


def test_many_small_files_of_a_day_become_one_and_replay_stays_impossible(tmp_path: Path) -> None:
    directory = layout.table(tmp_path, "churn")
    for number in range(SMALL_FILES + 2):
        write_rows(tmp_path, range(number * 3, number * 3 + 3))
        compacted(tmp_path)
    assert len(files(directory)) == SMALL_FILES + 2
    assert join_small_files(directory) == SMALL_FILES + 2
    assert len(files(directory)) == 1
    assert join_small_files(directory) == 0
    table = Table.load(directory)
    assert table is not None
    table.delta.create_checkpoint()
    compacted(tmp_path)
    assert count(tmp_path) == 3 * (SMALL_FILES + 2), "the segments are still there, and are known to be included"


def test_replaced_files_are_removed_after_their_grace_and_not_before(tmp_path: Path) -> None:
    directory = layout.table(tmp_path, "churn")
    for number in range(SMALL_FILES + 1):
        write_rows(tmp_path, range(number, number + 1))
        compacted(tmp_path)
    join_small_files(directory)
    assert remove_replaced_files(directory) == 0
    assert len(list(directory.rglob("*.parquet"))) == SMALL_FILES + 2


def test_what_a_killed_compactor_left_behind_is_removed(tmp_path: Path) -> None:
    write_rows(tmp_path, range(5))
    compacted(tmp_path)
    directory = layout.table(tmp_path, "churn")
    orphan = directory / "day=2023-11-14" / "part-of-nothing.parquet"
    orphan.write_bytes(Path(files(directory)[0]).read_bytes())
    os.utime(orphan, (1, 1))
    assert remove_replaced_files(directory) == 1
    assert not orphan.exists()
    assert count(tmp_path) == 5


def test_maintenance_of_tables_that_are_not_there_does_nothing(tmp_path: Path) -> None:
    assert join_small_files(tmp_path) == 0
    assert remove_replaced_files(tmp_path) == 0
    assert delete_expired(tmp_path, Retention({"churn": 1.0}), START) == {}


def test_retention_reads_back_and_is_empty_without_a_file(tmp_path: Path) -> None:
    assert read_retention(tmp_path).keep == {}
    write_retention(tmp_path, {"churn": 90 * 86400.0})
    assert read_retention(tmp_path).keep == {"churn": 90 * 86400.0}


def make_days(home: Path, deployment: str, days: int) -> None:
    with prediction_log(home) as log:
        for day in range(days):
            at = START + day * DAY
            append_plain(log.buffer(PLAIN._replace(deployment=deployment)), range(day * 10, day * 10 + 10), at=at)
    compacted(home)


def test_days_past_their_retention_are_deleted_and_counted(tmp_path: Path) -> None:
    make_days(tmp_path, "churn", 5)
    make_days(tmp_path, "fraud", 5)
    deleted = delete_expired(tmp_path, Retention({"churn": 2 * 86400.0}), START + 4 * DAY)
    assert deleted == {"churn": 20}
    assert (count(tmp_path), count(tmp_path, deployment="fraud")) == (30, 50)
    assert delete_expired(tmp_path, Retention({"churn": 2 * 86400.0}), START + 4 * DAY) == {}


@pytest.mark.parametrize(("keeps", "left"), [({"churn": 1.0}, 5), ({"churn": 1.0, "fraud": 2.0}, 3)])
def test_outcomes_are_kept_as_long_as_the_longest_deployment_wants(
    tmp_path: Path, keeps: dict[str, float], left: int
) -> None:
    for deployment in ("churn", "fraud"):
        make_days(tmp_path, deployment, 1)
    for day in range(5):
        write_outcomes(tmp_path, outcome(unit=f"u{day}", at=START, received_at=START + day * DAY))
    compacted(tmp_path)
    delete_expired(tmp_path, Retention({name: days * 86400.0 for name, days in keeps.items()}), START + 4 * DAY)
    assert count(tmp_path, "outcomes") == left


def test_the_compactor_keeps_to_the_file_of_retention(tmp_path: Path) -> None:
    make_days(tmp_path, "churn", 5)
    write_retention(tmp_path, {"churn": 86400.0})
    remembered = remembers(tmp_path)
    Compactor(tmp_path, clock=Clock(START + 4 * DAY)).run_once()
    assert count(tmp_path) == 20
    assert not remembered.exists()
    remembers(tmp_path)
    Compactor(tmp_path, clock=Clock(START + 4 * DAY)).run_once()
    assert remembered.exists()  # nothing was deleted this time


def remembers(home: Path) -> Path:
    """What a judgement would have kept of its units."""
    file = layout.units(home, "churn") / "0" / "large-0.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"it's me")
    return file


@pytest.mark.parametrize("compact_first", [True, False])
def test_a_forgotten_unit_is_gone_from_everywhere_and_counted(tmp_path: Path, compact_first: bool) -> None:
    unit = "it's me"
    write_rows(tmp_path, range(4), unit=unit)
    write_rows(tmp_path, range(4, 9))
    write_rows(tmp_path, range(20, 22), PLAIN._replace(deployment="fraud"), unit=unit)
    write_outcomes(
        tmp_path,
        outcome(unit=unit),
        outcome(request_id="request-000000021"),
        outcome(request_id="request-000000005"),
        outcome(unit="somebody else"),
    )
    if compact_first:
        compacted(tmp_path)
    remembered = remembers(tmp_path)
    assert forget(tmp_path, unit, now=START + DAY) == Forgot({"churn": 4, "fraud": 2}, 2)
    assert not remembered.exists()
    assert (count(tmp_path), count(tmp_path, deployment="fraud"), count(tmp_path, "outcomes")) == (5, 0, 2)
    assert forget(tmp_path, unit, now=START + DAY) == Forgot({}, 0)


def test_what_a_live_writer_holds_of_a_forgotten_unit_never_comes_out(tmp_path: Path) -> None:
    clock = Clock(START + DAY)
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(3), unit="gone")
        append_plain(buffer, range(3, 5))
        log.flush()
        forget(tmp_path, "gone", now=START + DAY)
        assert count(tmp_path) == 2
        append_plain(buffer, range(5, 6), unit="gone", at=START + 2 * DAY)
        log.flush()
        assert count(tmp_path) == 3, "what comes after is new"
        clock.now = START + DAY + 2 * SECOND
        Compactor(tmp_path, clock=clock).run_once()
        assert [entry.units for entry in read_forgetting(tmp_path)] == [("gone",)]
    Compactor(tmp_path, clock=clock).run_once()
    assert count(tmp_path) == 3
    Compactor(tmp_path, clock=clock).run_once()
    assert read_forgetting(tmp_path) == (), "its name is not kept longer than the spool keeps its rows"
    files_of_table = files(layout.table(tmp_path, "churn"))
    assert sum(pq.read_metadata(file).num_rows for file in files_of_table) == 3
