"""A gateway whose ledger's disk is full or stalled: predictions go on and are accounted for, outcomes are refused."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.ledger import spool
from tests.edges import Served, edge
from tests.faults.test_ledger_disk import Disk, disk
from tests.gateways import GOOD, Bench, bench, snapshot
from tests.waiting import wait_for

__all__ = ["disk"]  # the fixture

PREDICT = "/v1/deployments/churn/predict"
BODY = msgspec.json.encode({"unit": "u", "features": GOOD})
OUTCOME = msgspec.json.encode({"outcome": "churned", "unit": "u", "value": 1})


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


@pytest.fixture
def served(here: Bench) -> Iterator[Served]:
    here.serve(snapshot())
    with edge(here) as found:
        yield found


def balanced(served: Served) -> dict[str, Any]:
    def at_rest() -> dict[str, Any] | None:
        said: dict[str, Any] = served.wire().ask("GET", "/v1/selfcheck").json
        return said if said["in_flight"] == 0 else None

    said = wait_for(at_rest, what="rest")
    assert said["balanced"]
    assert said["served"] == said["logged"] + sum(said["dropped"].values())
    return said


def test_a_full_disk(served: Served, here: Bench, disk: Disk) -> None:
    wire = served.wire()
    assert [wire.ask("POST", PREDICT, BODY).status for _ in range(10)] == [200] * 10
    here.recorder.rows.flush()
    disk.room = 0
    assert [wire.ask("POST", PREDICT, BODY).status for _ in range(100)] == [200] * 100
    here.recorder.rows.flush()
    refused = wire.ask("POST", "/v1/outcomes", OUTCOME)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) >= 1
    disk.room = None
    assert wire.ask("POST", "/v1/outcomes", OUTCOME).status == 200
    assert wire.ask("POST", PREDICT, BODY).status == 200
    here.recorder.rows.flush()
    said = balanced(served)
    assert (said["served"], said["logged"], said["dropped"]) == (111, 11, {"disk": 100})


def test_a_stalled_disk(served: Served, here: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows wait in a bounded buffer, answers do not wait at all; when the disk is back everything adds up."""
    go_on = threading.Event()
    written: Callable[..., None] = spool.StreamWriter.write

    def stalled(writer: Any, batch: Any) -> None:
        assert go_on.wait(60)
        written(writer, batch)

    monkeypatch.setattr(spool.StreamWriter, "write", stalled)
    wire = served.wire()
    assert [wire.ask("POST", PREDICT, BODY).status for _ in range(500)] == [200] * 500
    assert here.recorder.rows.held <= here.recorder.rows.byte_limit
    go_on.set()
    here.recorder.rows.flush()
    said = balanced(served)
    assert said["served"] == 500
