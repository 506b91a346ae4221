"""``seatrial drift NAME``: the exit code is that of windows that say something of now."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from seatrial.cli.app import run
from seatrial.control.watched import seen_of
from seatrial.releases.records import WindowRecord
from seatrial.watch.window import Monitor, Signal, Window
from tests.harbour import PLAIN, Harbour

HOUR = 3_600_000_000


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))
    made = Harbour(tmp_path)
    made.apply(PLAIN + "monitors: {data: {window: 1h}}\n")
    monkeypatch.setattr("seatrial.control.site.microseconds", lambda: made.clock.now)
    yield made
    made.close()


def keep(harbour: Harbour, monitor: Monitor, hours_ago: int, severity: str, version: str = "churn:1") -> None:
    end = harbour.clock.now // HOUR * HOUR - hours_ago * HOUR
    moved = Signal("major", "major", False) if severity == "major" else Signal()
    place = {"monitor": monitor, "variant": "champion", "version": version, "start": end - HOUR, "end": end}
    window = Window(deployment="churn", rows=500, drift=moved, sentence="Said.", **place)  # type: ignore[arg-type]
    record = WindowRecord(deployment="churn", severity=severity, window=msgspec.json.encode(window).decode(), **place)  # type: ignore[arg-type]
    harbour.state.windows.add([record], deployment="churn", marks={})


def test_what_moved_now_ends_with_one(harbour: Harbour) -> None:
    keep(harbour, "data", 0, "major")
    assert run(["drift", "churn"]) == 1


def test_what_nobody_watches_any_more_or_moved_long_ago_does_not_fail_for_ever(
    harbour: Harbour, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(harbour, "calibration", 0, "major")
    keep(harbour, "fairness", 4000, "major", version="churn:0")
    keep(harbour, "data", 30, "major")
    assert seen_of(harbour.state, "churn", harbour.clock.now).severity == "no-data"
    assert run(["drift", "churn"]) == 3
    assert "none of these windows counts any more for churn:1" in capsys.readouterr().out
    keep(harbour, "data", 0, "none")
    assert seen_of(harbour.state, "churn", harbour.clock.now).severity == "none"
    assert run(["drift", "churn"]) == 0
