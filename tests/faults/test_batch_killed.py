"""A batch run that is killed without warning goes on after its last finished shard, and comes to the same."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.batch import manifest
from seatrial.models.score_table import current_table, open_table, table_file
from tests.batches import answers, publish, rows, write_parquet
from tests.waiting import wait_for

pytestmark = pytest.mark.processes
ROWS = 40_000


class Run:
    """``seatrial batch`` as a process, on one home and one input."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def start(self, out: str) -> "subprocess.Popen[bytes]":
        line = ["batch", "churn", "customers.parquet", "--key", "id", "--out", out, "--shard-rows", "500", "--json"]
        return subprocess.Popen(
            [sys.executable, "-m", "seatrial.cli", *line],
            cwd=self.place,
            env={**os.environ, "SEATRIAL_HOME": str(self.place / "home"), "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
        )

    def finish(self, out: str) -> dict[str, object]:
        process = self.start(out)
        told, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        summary: dict[str, object] = json.loads(told)
        return summary

    def shards(self, out: str) -> int:
        record = manifest.read(self.place / out)
        return len(record.shards) if record is not None else 0


@pytest.fixture
def batch(tmp_path: Path) -> Run:
    publish(tmp_path / "home", {"champion": 0.5, "challenger": 0.5})
    columns = rows(ROWS)
    for row in range(7, ROWS, 701):
        columns["feature_1"][row] = None
    for row in range(900, ROWS, 5000):
        columns["id"][row] = columns["id"][row - 800]
    write_parquet(tmp_path / "customers.parquet", columns, group=7000)
    return Run(tmp_path)


def content(out: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    name = current_table(out)
    assert name is not None
    table = open_table(table_file(out, name))
    return {version: list(table.items(version)) for version in table.about.versions}


def test_killed_again_and_again_it_writes_what_an_undisturbed_run_writes(batch: Run) -> None:
    whole = batch.finish("whole")
    kills = 0
    for least in (2, 12, 30):
        process = batch.start("killed")
        wait_for(lambda least=least: batch.shards("killed") >= least, seconds=60, what=f"{least} shards")
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert current_table(batch.place / "killed") is None  # nothing is served before all of it is there
        kills += 1
    done = batch.shards("killed")
    last = batch.finish("killed")
    assert kills == 3
    assert last["before"] == done * 500
    for name in ("state", "rows", "scored", "rejected"):
        assert last[name] == whole[name]
    assert answers(batch.place / "killed") == answers(batch.place / "whole")
    rejects = [(batch.place / out / "rejects.ndjson").read_bytes() for out in ("killed", "whole")]
    assert rejects[0] == rejects[1]
    assert content(batch.place / "killed") == content(batch.place / "whole")
    assert not list((batch.place / "killed").rglob("*.half"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_sums_up_what_is_done(batch: Run, number: signal.Signals) -> None:
    process = batch.start("scores")
    wait_for(lambda: batch.shards("scores") >= 3, seconds=60, what="three shards")
    process.send_signal(number)
    told, _ = process.communicate(timeout=60)
    summary = json.loads(told)
    assert process.returncode == 3
    assert summary["state"] == "interrupted"
    assert 1500 <= summary["rows"] < ROWS
    assert summary["rows"] == sum(shard.rows for shard in manifest.read(batch.place / "scores").shards)  # type: ignore[union-attr]
    assert batch.finish("scores")["rows"] == ROWS
