"""A remote variant that hangs, resets, drips, floods or talks nonsense: all are answered, and every row is booked."""

import asyncio
import re
import resource
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seatrial.ledger.counters import series
from seatrial.models.remote import RemoteRuntime
from seatrial.protocol.inference import InferBody, InferInput
from seatrial.routing.snapshot import Shadow, Snapshot
from seatrial.serving.engine import Engine
from seatrial.serving.loader import Loader
from seatrial.serving.shadowing import ASKED
from seatrial.spec.errors import Overdue, SeatrialError
from tests.gateways import BINARY, GOOD, Bench, Scripted, bench, quick, slot, snapshot
from tests.remotes import (
    FAULTS,
    Heard,
    Server,
    drips,
    floods,
    floods_its_headers,
    good,
    hangs,
    json_slot,
    remote_server,
    resets,
    says,
    time_for,
    within,
)
from tests.waiting import wait_for


def released(url: str, *, seconds: float = 30.0, weight: float = 1.0, **more: Any) -> Snapshot:
    """A champion, and a remote variant that gets the traffic."""
    slots = (slot("champion", 1), within(json_slot("legacy", url, BINARY), seconds))
    return snapshot({"champion": 1 - weight, "legacy": weight}, slots=slots, **more)


@contextmanager
def serving(here: Bench, given: Snapshot, **engine: Any) -> Iterator[Engine]:
    made = Engine(RemoteRuntime(given.slot("legacy"), {}), **engine)
    try:
        here.serve(given, champion=quick(Scripted(0.25)), legacy=made)
        yield made
    finally:
        made.close()


def ask(here: Bench, requests: int, **more: Any) -> list[dict[str, Any]]:
    async def all_at_once() -> list[dict[str, Any]]:
        asked = (here.gateway.predict("churn", GOOD, unit=f"u{number}", **more) for number in range(requests))
        return list(await asyncio.gather(*asked))

    return asyncio.run(all_at_once())


def settled(here: Bench, rows: int) -> list[dict[str, Any]]:
    """The rows, of which there are so many, all of them written."""
    found = here.rows()
    assert len(found) == rows
    checked = here.gateway.selfcheck()
    assert checked["balanced"], checked
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_the_default_answers_for_a_remote_variant_that_fails(tmp_path: Path, fault: str) -> None:
    behave, words = FAULTS[fault]
    with (
        bench(tmp_path) as here,
        remote_server(behave) as server,
        serving(here, released(server.url, seconds=time_for(words))) as engine,
    ):
        for answer in ask(here, 20):
            assert (answer["variant"], answer["answered_by"], answer["model_version"]) == (
                "legacy",
                "default",
                "churn:1",
            )
            assert answer["prediction"] == 0
        rows = settled(here, 20)
        wait_for(lambda: engine.held == 0, what="every call over")
    assert {row["variant"] for row in rows} == {"legacy"}
    assert {row["assigned_version"] for row in rows} == {"legacy"}
    assert {row["status"] for row in rows} <= {"error", "timeout"}
    assert all(re.search(words, row["error"]) for row in rows), rows[0]["error"]


def test_good_answers_are_the_remote_variants_own(tmp_path: Path) -> None:
    with bench(tmp_path) as here, remote_server(good) as server, serving(here, released(server.url, seconds=10.0)):
        (answer,) = ask(here, 1)
        (row,) = settled(here, 1)
    assert (answer["variant"], answer["model_version"], answer["answered_by"]) == ("legacy", "legacy", "assigned")
    assert (answer["prediction"], answer["score"]) == (0, 0.4)
    assert (row["version"], row["prediction.label"], row["prediction.score"]) == ("legacy", 0, 0.4)
    assert row["feature.country"] == "FR"


def test_a_server_that_is_away_costs_no_time(tmp_path: Path) -> None:
    with remote_server(good) as server:
        gone = server.url
    with bench(tmp_path) as here, serving(here, released(gone)):
        assert {answer["answered_by"] for answer in ask(here, 50)} == {"default"}
        assert "cannot be reached (connection refused)" in settled(here, 50)[0]["error"]


def test_two_hundred_slow_answers_hold_no_threads_and_all_come(tmp_path: Path) -> None:
    together = threading.Barrier(100)  # nobody is answered before so many are asked together

    def slowly(_: Any) -> Any:
        together.wait(30)
        return {"label": 1, "score": 0.9}

    with (
        bench(tmp_path) as here,
        remote_server(says(slowly)) as server,
        serving(here, released(server.url, seconds=60.0)),
    ):
        before = {thread.name for thread in threading.enumerate()}
        answers = ask(here, 200)
        ours = {t.name for t in threading.enumerate()} - before
        assert not [name for name in ours if name.startswith(("model", "seatrial"))]
        assert {answer["model_version"] for answer in answers} == {"legacy"}
        settled(here, 200)


def test_more_than_may_wait_are_shed_at_once_and_answered(tmp_path: Path) -> None:
    """The server answers nobody before all who are too many have their answers."""
    go_on = threading.Event()

    def holds(server: Server, connection: socket.socket, heard: Heard) -> bool:
        assert go_on.wait(60)
        return good(server, connection, heard)

    async def run(here: Bench) -> list[dict[str, Any]]:
        asked = [asyncio.create_task(here.gateway.predict("churn", GOOD)) for _ in range(300)]
        while sum(task.done() for task in asked) < 280:
            await asyncio.sleep(0.01)
        go_on.set()
        return await asyncio.gather(*asked)

    with (
        bench(tmp_path) as here,
        remote_server(holds) as server,
        serving(here, released(server.url, seconds=60.0), threads=4, waiting=16) as engine,
    ):
        answers = asyncio.run(run(here))
        assert Counter(answer["answered_by"] for answer in answers) == {"default": 280, "assigned": 20}
        rows = settled(here, 300)
        wait_for(lambda: engine.held == 0, what="every call over")
    assert Counter(row["status"] for row in rows) == {"ok": 20, "shed": 280}


@pytest.mark.parametrize("behave", [floods, floods_its_headers, drips, hangs, resets])
def test_memory_is_bounded_whatever_a_server_does(tmp_path: Path, behave: Any) -> None:
    with bench(tmp_path) as here, remote_server(behave) as server, serving(here, released(server.url, seconds=0.5)):
        ask(here, 10)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(4):
            ask(here, 100)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        settled(here, 410)
    assert grown < 200 << 10, f"{grown} KiB more"  # 128 connections of at most 384 KiB, and slack


def shadowed(url: str, seconds: float) -> Snapshot:
    slots = (slot("champion", 1), within(json_slot("legacy", url, BINARY), seconds))
    return snapshot(slots=slots, shadows=(Shadow(variant="legacy", share=1.0, salt="s"),))


def copies(here: Bench) -> dict[str, int]:
    """What became of the shadow's copies."""
    values = here.recorder.counters.values()
    results = ("delivered", "dropped", "failed")
    return {
        result: values[series("shadow_total", deployment="churn", variant="legacy", result=result)]
        for result in results
    }


def test_a_shadow_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    with bench(tmp_path) as here, remote_server(hangs) as server, serving(here, shadowed(server.url, 0.05)):
        assert {answer["answered_by"] for answer in ask(here, 30)} == {"assigned"}
        lane = here.gateway.deployments["churn"].lanes["legacy"]
        wait_for(lambda: lane.idle, what="every copy delivered")
        rows = settled(here, 60)
        assert copies(here) == {"delivered": 0, "dropped": 0, "failed": 30}
    shadows = [row for row in rows if row["role"] == "shadow"]
    assert len(shadows) == 30
    assert {(row["answered_by"], row["status"]) for row in shadows} == {("none", "timeout")}


def test_a_hanging_shadow_is_asked_so_many_copies_at_once_and_what_comes_beyond_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path) as here, remote_server(hangs) as server, serving(here, shadowed(server.url, 600.0)):
        assert {answer["answered_by"] for answer in ask(here, ASKED)} == {"assigned"}
        wait_for(lambda: len(server.heard) == ASKED, what="as many copies asked as may be")
        monkeypatch.setattr("seatrial.serving.shadowing.MAX_COPIES", 10)
        assert {answer["answered_by"] for answer in ask(here, 30)} == {"assigned"}
        lane = here.gateway.deployments["churn"].lanes["legacy"]
        assert (len(server.heard), lane.waiting) == (ASKED, 10)
        assert copies(here) == {"delivered": 0, "dropped": 20, "failed": 0}
        lane.abandon()
        wait_for(lambda: lane.idle, what="an idle lane")
        assert copies(here) == {"delivered": 0, "dropped": ASKED + 30, "failed": 0}
        assert [row["role"] for row in settled(here, ASKED + 30)] == ["answer"] * (ASKED + 30)


def test_a_slow_shadow_answers_copies_beside_each_other(tmp_path: Path) -> None:
    """No answer is given before as many are asked as may be: one after the other, none would ever come."""
    together = threading.Barrier(ASKED)

    def meets(server: Server, connection: socket.socket, heard: Heard) -> bool:
        together.wait(60)
        return good(server, connection, heard)

    with bench(tmp_path) as here, remote_server(meets) as server, serving(here, shadowed(server.url, 60.0)):
        ask(here, ASKED)
        wait_for(lambda: copies(here)["delivered"] == ASKED, what="every copy delivered")
        lane = here.gateway.deployments["churn"].lanes["legacy"]
        wait_for(lambda: lane.idle, what="an idle lane")


def test_a_locked_remote_shadow_is_asked_nothing(tmp_path: Path) -> None:
    with bench(tmp_path) as here, remote_server(good) as server, serving(here, shadowed(server.url, 60.0)):
        here.gateway.deployments["churn"].variants["legacy"].breaker.lock("it is in quarantine: crashes")
        ask(here, 3)
        wait_for(lambda: copies(here)["failed"] == 3, what="every copy booked")
        assert not server.heard
        assert {row["status"] for row in settled(here, 6) if row["role"] == "shadow"} == {"quarantine"}


def test_a_shadow_is_asked_as_any_other(tmp_path: Path) -> None:
    with bench(tmp_path) as here, remote_server(good) as server:
        slots = (slot("champion", 1), json_slot("legacy", server.url, BINARY))
        with serving(here, snapshot(slots=slots, shadows=(Shadow(variant="legacy", share=1.0, salt="s"),))):
            ask(here, 5)
            lane = here.gateway.deployments["churn"].lanes["legacy"]
            wait_for(lambda: lane.idle and len(server.heard) == 5, what="every copy delivered")
            shadows = [row for row in settled(here, 10) if row["role"] == "shadow"]
    assert [(row["version"], row["prediction.score"]) for row in shadows] == [("legacy", 0.4)] * 5


def test_a_callers_own_deadline_is_the_calls(tmp_path: Path) -> None:
    body = InferBody(
        [InferInput("X", [1, 3], "FP32", [40.0, 1.0, 1.0])],
        parameters={"timeout_ms": 100},
    )
    with (
        bench(tmp_path) as here,
        remote_server(hangs) as server,
        serving(here, released(server.url)) as engine,
    ):
        with pytest.raises(Overdue):
            asyncio.run(_hung(here, body))
        wait_for(lambda: engine.held == 0, what="the call given up")


async def _hung(here: Bench, body: InferBody) -> Any:
    model = here.gateway.find("churn").default.engine.runtime
    assert isinstance(model, Scripted)
    model.out_of_process = True
    model.hang()
    try:
        return await here.gateway.infer("churn", body)
    finally:
        model.release()


def test_champions_tensors_are_understood_for_a_remote_variant(tmp_path: Path) -> None:
    body = InferBody([InferInput("X", [2, 3], "FP32", [40.0, 1.0, 1.0, 80.0, 1.0, 2.0])])
    with bench(tmp_path) as here, remote_server(good) as server:
        with serving(here, released(server.url)):
            answer: Any = asyncio.run(here.gateway.infer("churn", body))
        assert [one.json["country"] for one in sorted(server.heard, key=lambda one: one.json["age"])] == ["FR", "US"]
    outputs = {one.name: one.data for one in answer.outputs}
    assert answer.model_version == "legacy"
    assert outputs["label"] == [0, 1]


def test_nothing_gets_weight_before_it_answers(tmp_path: Path) -> None:
    with bench(tmp_path) as here, remote_server(good) as server:
        loader = Loader(here.recorder, load=_load, digest=lambda _: "digest-1")
        server.behave = FAULTS["an error of its own"][0]
        with pytest.raises(
            SeatrialError, match=r"legacy \(legacy\) does not answer a sample: .* answered 500: out of me"
        ):
            loader.prepare(released(server.url))
        assert loader.loaded == 0
        server.behave = good
        deployed = loader.prepare(released(server.url))
        assert [heard.json["age"] for heard in server.heard[-3:]] == [0.0, 0.0, 0.0]
        assert loader.loaded == 2
        loader.retire(deployed)
        loader.sweep()
        assert loader.loaded == 0


def test_what_is_served_already_is_served_without_a_server_that_is_away(tmp_path: Path) -> None:
    """A worker that takes a dead one's place must not refuse a deployment for one variant that is away."""
    with remote_server(good) as server:
        gone = server.url
    with bench(tmp_path) as here:
        loader = Loader(here.recorder, load=_load, digest=lambda _: "digest-1")
        deployed = loader.prepare(released(gone), active=True)
        here.gateway.activate(here.gateway.prepare(deployed))
        assert {answer["answered_by"] for answer in ask(here, 5)} == {"default"}
        settled(here, 5)
        again = loader.prepare(released(gone, weight=0.5))  # and it must be possible to take it out of traffic
        for done in (deployed, again):
            loader.retire(done)
        loader.sweep()


def _load(given: Any) -> Any:
    return RemoteRuntime(given, {}) if given.remote is not None else Scripted(0.25)
