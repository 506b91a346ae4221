"""Everything that serving does not wait for stands still, for seconds here and for a minute in ``make faults``.

``FAULT_SECONDS`` says for how long.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.ledger import spool
from seatrial.routing.snapshot import Shadow
from seatrial.serving.shadowing import MAX_COPIES
from tests.edges import edge
from tests.faults.test_overload import MIB, resident
from tests.faults.test_system import FEATURES, make_models, put, rows, selfcheck
from tests.gateways import GOOD, Bench, Scripted, bench, quick, slot, slow, snapshot
from tests.live import LiveSystem, Load
from tests.waiting import wait_for

SECONDS = float(os.environ.get("FAULT_SECONDS", "2"))
PREDICT = "/v1/deployments/churn/predict"
BODY = msgspec.json.encode({"unit": "u", "features": GOOD})

pytestmark = pytest.mark.timeout(600 + 6 * SECONDS)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


def asked_for_a_while(here: Bench) -> int:
    """Ask without pause for as long as the stall lasts; every answer must be a 200. Gives how many."""
    asked = 0
    with edge(here) as served:
        wire = served.wire()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert wire.ask("POST", PREDICT, BODY).status == 200
            asked += 1
    return asked


def in_order(here: Bench) -> dict[str, Any]:
    said = wait_for(
        lambda: (found := here.gateway.selfcheck())["balanced"] and found, seconds=60, what="balanced books"
    )
    assert isinstance(said, dict)
    assert said["served"] == said["logged"] + sum(said["dropped"].values())
    return said


def test_the_disk(here: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    written: Callable[..., None] = spool.StreamWriter.write

    def stalled(writer: Any, batch: Any) -> None:
        assert go_on.wait(60 + 2 * SECONDS)
        written(writer, batch)

    monkeypatch.setattr(spool.StreamWriter, "write", stalled)
    here.recorder.rows.byte_limit = 4 * MIB
    here.serve(snapshot())
    asked_for_a_while(here)  # whatever fills while a first stall lasts: buffers, pools
    before = resident(os.getpid())
    asked_for_a_while(here)
    assert here.recorder.rows.held <= 5 * MIB
    assert resident(os.getpid()) - before < 32 * MIB
    go_on.set()
    here.recorder.rows.flush()
    in_order(here)


def test_a_shadow(here: Bench) -> None:
    model = Scripted()
    model.hang()
    shadow = Shadow(variant="challenger", share=1.0, salt="s")
    deployed = here.serve(snapshot(shadows=(shadow,)), challenger=quick(model))
    asked = asked_for_a_while(here)
    waiting = len(deployed.lanes["challenger"]._queue)
    assert waiting <= MAX_COPIES
    dropped = here.recorder.counters.values()['shadow_total{deployment="churn",variant="challenger",result="dropped"}']
    assert 1 <= asked - waiting - dropped <= 64  # in the shadow's hands: a batch at most
    model.release()
    wait_for(lambda: deployed.idle, seconds=60, what="an idle shadow")
    in_order(here)


def test_a_variant(here: Bench) -> None:
    """It hangs; the default answers everything, and only the few calls that found out are waited for."""
    model = Scripted()
    model.hang()
    slots = (slot("champion", 1), slot("challenger", 2, timeout=0.05))
    here.serve(snapshot({"challenger": 1.0}, slots=slots), challenger=slow(model))
    asked = asked_for_a_while(here)
    model.release()
    assert 1 <= model.calls <= 4
    counted = {
        status: here.recorder.counters.values()[
            f'requests_total{{deployment="churn",variant="challenger",reason="split",answered_by="default",status="{status}"}}'
        ]
        for status in ("timeout", "shed")
    }
    assert counted["timeout"] + counted["shed"] == asked
    assert 1 <= counted["timeout"] <= 16
    in_order(here)


@pytest.mark.processes
def test_control_compactor_and_dashboard_at_once(tmp_path: Path) -> None:
    system = LiveSystem(tmp_path, workers=2)
    make_models(system, 1)
    put(system, 1)
    with system:
        with Load(system, "ring", FEATURES) as load:
            load.answered_more(200)
            stopped = [system.pid(child) for child in ("control", "compactor", "dashboard")]
            before = resident(system.pid("w0"))
            try:
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                until = time.monotonic() + SECONDS
                while time.monotonic() < until:
                    load.answered_more(50)
                after = resident(system.pid("w0"))
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
        assert set(load.answered) == {200}, load.sentences
        assert load.broken == 0
        assert after - before < 48 * MIB
        answered = load.answered[200] - len(load.acknowledged)
        wait_for(lambda: rows(system) == answered, seconds=60, what="one row a request")
        assert selfcheck(system)["balanced"] is True
