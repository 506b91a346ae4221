"""How far the tables are behind: not at all while they have all, else as far as the oldest row that they lack."""

from pathlib import Path

import pytest

from seatrial.ledger import compactor as compacting
from seatrial.ledger.compactor import Compactor
from seatrial.ledger.counters import read_counters, series
from seatrial.ledger.lag import TABLED_UNTIL, Lag
from seatrial.spec.errors import Unavailable
from tests.ledger_events import PLAIN, SECOND, START, Clock, append_plain, outcome, prediction_log, write_outcomes

LATER = START + 1000 * SECOND


def until(home: Path, deployment: str = "churn", kind: str = "rows") -> int:
    return read_counters(home / "counters")[series(TABLED_UNTIL, deployment=deployment, kind=kind)]


def test_the_oldest_row_that_the_table_lacks(tmp_path: Path) -> None:
    clock = Clock(LATER)
    compactor = Compactor(tmp_path, clock=clock, lag=Lag(tmp_path))
    with prediction_log(tmp_path) as log:
        append_plain(log.buffer(PLAIN), range(7, 12))
        log.flush()
        compactor.run_once()
        assert until(tmp_path) == START + 7 * SECOND  # its segment is being written
        append_plain(log.buffer(PLAIN), range(3, 4))
        log.flush()
        compactor.run_once()
        assert until(tmp_path) == START + 7 * SECOND
    compactor.run_once()
    assert until(tmp_path) == LATER  # the writer is gone, and all is in the table
    clock.now += SECOND
    compactor.run_once()
    assert until(tmp_path) == LATER + SECOND


def test_outcomes_have_a_lag_of_their_own(tmp_path: Path) -> None:
    write_outcomes(tmp_path, outcome(unit="u"))
    Compactor(tmp_path, clock=Clock(LATER), lag=Lag(tmp_path)).run_once()
    assert until(tmp_path, "", "outcomes") == LATER


def test_a_table_that_cannot_be_written_falls_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(LATER)
    compactor = Compactor(tmp_path, clock=clock, lag=Lag(tmp_path))
    with prediction_log(tmp_path) as log:
        append_plain(log.buffer(PLAIN), range(5))
    compactor.run_once()
    with prediction_log(tmp_path) as log:
        append_plain(log.buffer(PLAIN), range(20, 25))

    def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(compacting, "append", refuse)
    clock.now += 60 * SECOND
    with pytest.raises(Unavailable, match="the disk is full"):
        compactor.run_once()
    assert until(tmp_path) == START + 20 * SECOND
    monkeypatch.setattr(compacting.Table, "load", refuse)
    with pytest.raises(Unavailable, match="the disk is full"):
        compactor.run_once()
    assert until(tmp_path) == START + 20 * SECOND  # what was noted last stands


def test_whoever_forgets_notes_nothing(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        append_plain(log.buffer(PLAIN), range(5))
    Compactor(tmp_path).compact()
    assert read_counters(tmp_path / "counters") == {}
