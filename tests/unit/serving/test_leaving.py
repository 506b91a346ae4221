"""Callers who leave before their answer: not computed while they wait, and their rows say that they left."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.protocol.outcomes import OutcomeBody, check_outcomes
from tests.edges import edge, request
from tests.gateways import GOOD, Bench, Scripted, bench, slot, slow, snapshot
from tests.waiting import wait_for

BODY = msgspec.json.encode({"features": GOOD, "unit": "u"})
PATIENT = (slot("champion", 1, timeout=60.0), slot("challenger", 2, timeout=60.0))
LEFT = "the caller left before the answer"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


def test_a_caller_who_left_is_not_computed_and_his_rows_say_so(here: Bench) -> None:
    model = Scripted()
    model.hang()
    engine = slow(model, threads=1)
    deployed = here.serve(snapshot(slots=PATIENT), champion=engine)

    async def run() -> None:
        first = asyncio.create_task(here.gateway.predict("churn", GOOD, request_id="first"))
        while not model.calls:
            await asyncio.sleep(0)
        leaving = asyncio.create_task(here.gateway.predict("churn", GOOD, request_id="leaving"))
        parts = [{"features": GOOD, "unit": "a"}, {"features": GOOD, "unit": "b"}]
        several = asyncio.create_task(here.gateway.predict("churn", instances=parts, request_id="several"))
        while engine.held < 3:
            await asyncio.sleep(0)
        leaving.cancel()
        several.cancel()
        gone = await asyncio.gather(leaving, several, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in gone)
        model.release()
        assert (await first)["answered_by"] == "assigned"

    asyncio.run(run())
    wait_for(lambda: engine.held == 0, what="an empty queue")
    assert (model.calls, deployed.pending) == (1, 0)
    found = {(row["request_id"], row["row"]): (row["status"], row["answered_by"], row["error"]) for row in here.rows()}
    gone = ("timeout", "none", LEFT)
    assert found == {
        ("first", 0): ("ok", "assigned", ""),
        ("leaving", 0): gone,
        ("several", 0): gone,
        ("several", 1): gone,
    }
    assert here.gateway.selfcheck()["balanced"]


def test_a_connection_that_is_reset_takes_its_request_back(here: Bench) -> None:
    model = Scripted()
    model.hang()
    engine = slow(model, threads=1)
    here.serve(snapshot(slots=PATIENT), champion=engine)
    with edge(here) as served:
        staying, leaving = served.wire(), served.wire()
        staying.send(request("POST", "/v1/deployments/churn/predict", BODY))
        wait_for(lambda: model.calls == 1, what="the model's call")
        leaving.send(request("POST", "/v1/deployments/churn/predict", BODY))
        wait_for(lambda: engine.held == 2, what="a second call")
        leaving.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.close()
        wait_for(lambda: any(row["error"] == LEFT for row in here.rows()), what="the row of who left")
        model.release()
        assert staying.reply().status == 200
        wait_for(lambda: engine.held == 0, what="an empty queue")
    assert model.calls == 1


def test_outcomes_are_kept_and_counted_though_their_sender_left(here: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    here.serve(snapshot())
    disk: Future[None] = Future()
    monkeypatch.setattr(here.recorder.outcomes, "append", lambda _: disk)
    given = check_outcomes([OutcomeBody(outcome="churned", unit="u", value=1)])

    async def run() -> None:
        sending = asyncio.create_task(here.gateway.outcomes(given))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert not disk.cancelled()
        disk.set_result(None)
        while "seatrial_outcomes_total 1" not in here.gateway.metrics():
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_closing_the_model_is_not_taken_for_leaving(here: Bench) -> None:
    model = Scripted()
    model.hang()
    engine = slow(model, threads=1)
    here.serve(snapshot(slots=PATIENT, fallback={"prediction": 0}), champion=engine)

    async def run() -> list[Any]:
        asked = [asyncio.create_task(here.gateway.predict("churn", GOOD))]
        while not model.calls:
            await asyncio.sleep(0)
        asked.append(asyncio.create_task(here.gateway.predict("churn", GOOD)))
        while engine.held < 2:
            await asyncio.sleep(0)
        engine.batches.close()
        model.release()
        return await asyncio.gather(*asked)

    assert sorted(answer["answered_by"] for answer in asyncio.run(run())) == ["assigned", "fallback"]
    assert sorted(row["status"] for row in here.rows()) == ["ok", "shed"]
