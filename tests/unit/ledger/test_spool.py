from pathlib import Path

import pyarrow as pa
import pytest

from seatrial.ledger.spool import (
    Session,
    StreamWriter,
    list_segments,
    read_segment,
    remove_ended_sessions,
    writer_is_dead,
)
from tests.ledger_events import Clock

SCHEMA = pa.schema([("number", pa.int64())])


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"number": list(numbers)}, schema=SCHEMA)


def writer(session: Session, clock: Clock, size: int = 1 << 20, durable: bool = False) -> StreamWriter:
    return StreamWriter(
        session.directory / "outcomes",
        SCHEMA,
        durable=durable,
        segment_bytes=size,
        segment_seconds=10.0,
        monotonic=clock,
    )


def listed(home: Path) -> list[tuple[int, bool]]:
    return [(segment.number, segment.closed) for segment in list_segments(home, lambda _: True)]


def numbers(home: Path) -> list[int]:
    tables = [read_segment(segment.path, mapped=True) for segment in list_segments(home, lambda _: True)]
    return [n for table in tables if table is not None for n in table["number"].to_pylist()]


@pytest.mark.parametrize("durable", [False, True])
def test_batches_read_back_in_order(tmp_path: Path, durable: bool) -> None:
    session = Session(tmp_path, "w0")
    stream = writer(session, Clock(0.0), durable=durable)
    stream.write(batch(1, 2))
    stream.write(batch(3))
    assert numbers(tmp_path) == [1, 2, 3]
    assert listed(tmp_path) == [(1, False)]


def test_nothing_is_listed_before_anything_is_written(tmp_path: Path) -> None:
    writer(Session(tmp_path, "w0"), Clock(0.0))
    assert listed(tmp_path) == []


def test_a_full_segment_is_closed_by_its_successor(tmp_path: Path) -> None:
    stream = writer(Session(tmp_path, "w0"), Clock(0.0), size=1)
    for number in range(3):
        stream.write(batch(number))
    assert listed(tmp_path) == [(1, True), (2, True), (3, False)]
    assert numbers(tmp_path) == [0, 1, 2]


def test_an_old_segment_is_closed_though_nothing_more_comes(tmp_path: Path) -> None:
    clock = Clock(0.0)
    stream = writer(Session(tmp_path, "w0"), clock)
    stream.write(batch(1))
    clock.now = 9.9
    stream.rotate()
    assert listed(tmp_path) == [(1, False)]
    clock.now = 10.0
    stream.rotate()
    assert listed(tmp_path) == [(1, True), (2, False)]
    clock.now = 100.0
    stream.rotate()
    assert listed(tmp_path) == [(1, True), (2, False)], "an empty segment is not closed by age"


def test_everything_is_closed_when_the_writer_has_ended(tmp_path: Path) -> None:
    session = Session(tmp_path, "w0")
    stream = writer(session, Clock(0.0))
    stream.write(batch(1))
    assert not writer_is_dead(session.directory)
    stream.close()
    session.close()
    assert writer_is_dead(session.directory)
    assert listed(tmp_path) == [(1, True)]


def test_a_worker_that_comes_back_begins_a_session_of_its_own(tmp_path: Path) -> None:
    for number in range(2):
        session = Session(tmp_path, "w0")
        writer(session, Clock(0.0)).write(batch(number))
        session.close()
    segments = list_segments(tmp_path, lambda _: True)
    assert [segment.number for segment in segments] == [1, 1]
    assert len({segment.application for segment in segments}) == 2


def test_a_session_that_is_being_made_is_not_seen(tmp_path: Path) -> None:
    session = Session(tmp_path, "w0")
    writer(session, Clock(0.0)).write(batch(1))
    session.directory.rename(session.directory.with_name(".made"))
    assert listed(tmp_path) == []


def test_only_wanted_streams_are_listed(tmp_path: Path) -> None:
    writer(Session(tmp_path, "w0"), Clock(0.0)).write(batch(1))
    assert list_segments(tmp_path, lambda stream: stream != "outcomes") == []


def test_ended_sessions_without_segments_are_removed(tmp_path: Path) -> None:
    alive, ended = Session(tmp_path, "w0"), Session(tmp_path, "w1")
    for session in (alive, ended):
        stream = writer(session, Clock(0.0))
        stream.write(batch(1))
        stream.close()
    ended.close()
    remove_ended_sessions(tmp_path)
    assert ended.directory.exists(), "it still has a segment"
    for segment in list_segments(tmp_path, lambda _: True):
        segment.path.unlink()
    remove_ended_sessions(tmp_path)
    assert alive.directory.exists()
    assert not ended.directory.exists()


def test_a_segment_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_segment(tmp_path / "0000000001.arrow", mapped=True)
