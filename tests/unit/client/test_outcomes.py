# ruff: noqa: E501
"""Outcomes and rows: batched, repeated only where that is harmless, never lost in silence."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import wait
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.client import Assignment, AsyncClient, Client
from seatrial.client.batches import Batches
from seatrial.client.messages import Call, Reply
from seatrial.client.retries import pause
from seatrial.spec.errors import BadInput, Unavailable

NOW = 1_700_000_000_000_000
DECIDED = Assignment(
    request_id="r",
    deployment="churn",
    variant="champion",
    reason="split",
    propensity=0.5,
    revision=4,
    unit="u",
    context={"a": 1},
)


def test_outcomes_go_in_batches_and_are_acknowledged(server: Any) -> None:
    with Client(server.url) as client:
        futures = [client.outcome("purchase", unit=f"u{i}", fields={"amount": i}) for i in range(1200)]
        for future in futures:
            assert future.result(timeout=20) is None
    posted = server.bodies("/v1/outcomes")
    assert sum(len(batch) for batch in posted) == 1200
    assert len(posted) < 200
    assert all(len(batch) <= 500 for batch in posted)
    assert len({one["id"] for batch in posted for one in batch}) == 1200


def test_what_an_outcome_carries(server: Any) -> None:
    when = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    with Client(server.url, clock=lambda: NOW) as client:
        client.outcome("purchase", unit="u", value=None, id="mine")
        client.outcome("purchase", request_id="r", row=3, value=2.5, at=when, deployment="churn")
        client.outcome("purchase", key="k", fields={"amount": 1}, item="i")
        client.flush()
    first, second, third = (one for batch in server.bodies("/v1/outcomes") for one in batch)
    at = "2023-11-14T22:13:20+00:00"
    assert first == {"outcome": "purchase", "unit": "u", "value": None, "id": "mine", "at": at}
    assert second == {
        "outcome": "purchase", "request_id": "r", "row": 3, "value": 2.5, "at": "2024-05-06T07:08:09+00:00", "deployment": "churn",
    }  # fmt: skip
    assert len(third.pop("id")) == 32
    assert third == {"outcome": "purchase", "key": "k", "fields": {"amount": 1}, "item": "i", "at": at}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "names nobody"),
        ({"unit": "u", "at": datetime(2024, 1, 1)}, "without an offset"),
        ({"unit": "u", "amount": 3}, "'amount' is nothing that an outcome has"),
    ],
)
def test_what_is_no_outcome_is_refused_at_once(server: Any, said: dict[str, Any], words: str) -> None:
    with Client(server.url) as client, pytest.raises(BadInput, match=words):
        client.outcome("purchase", **said)
    assert not server.asked


def test_of_a_refused_batch_only_the_bad_one_fails(server: Any) -> None:
    def answer(_method: str, _path: str, body: Any) -> tuple[int, Any]:
        bad = [one for one in body if one["unit"] == "bad"]
        return (400, {"error": "bad unit"}) if bad else (200, {})

    server.answer = answer
    with Client(server.url) as client:
        futures = {unit: client.outcome("o", unit=unit) for unit in ("a", "b", "bad", "c", "d", "e")}
        with pytest.raises(BadInput, match="bad unit"):
            futures.pop("bad").result(timeout=10)
        assert [future.result(timeout=10) for future in futures.values()] == [None] * 5


def test_later_is_tried_again_until_it_is_taken(server: Any) -> None:
    answers = iter([(503, {"error": "disk full"}), (503, {"error": "disk full"}), (429, {})])
    server.answer = lambda *_: next(answers, (200, {}))
    with Client(server.url) as client:
        client.outcome("o", unit="u").result(timeout=20)
    posted = server.bodies("/v1/outcomes")
    assert len(posted) == 4
    assert all(batch == posted[0] for batch in posted)


def test_an_absent_gateway_fails_aloud(nobody: str) -> None:
    client = Client(nobody)
    future = client.outcome("o", unit="u")
    with pytest.raises(
        Unavailable, match=rf"1 outcome still waits for {nobody} after 0.2 s; is it up\? `seatrial up` starts it"
    ):
        client.close(timeout=0.2)
    with pytest.raises(Unavailable, match="closed before this outcome was handed over"):
        future.result(timeout=10)
    with pytest.raises(Unavailable, match="closed"):
        client.outcome("o", unit="u")


def test_a_full_queue_refuses_aloud() -> None:
    stalled = threading.Event()

    def send(_call: Call, _timeout: float) -> Reply:
        stalled.wait(10)
        return Reply(200, b"{}")

    batches = Batches("outcome", send, lambda _: Call("POST", "/", None), capacity=3)
    futures = [batches.add({"n": n}) for n in range(3)]
    with pytest.raises(Unavailable, match="3 outcomes wait"):
        batches.add({"n": 3})
    stalled.set()
    assert [future.result(timeout=10) for future in futures] == [None] * 3
    batches.close(5)


def test_a_bug_in_sending_does_not_kill_the_thread() -> None:
    def send(call: Call, _timeout: float) -> Reply:
        if call.path == "/1":
            raise KeyError("oh")
        return Reply(200, b"")

    batches = Batches("outcome", send, lambda bodies: Call("POST", f"/{bodies[0]['n']}"), size=1)
    with pytest.raises(Unavailable, match="KeyError"):
        batches.add({"n": 1}).result(timeout=10)
    assert batches.add({"n": 2}).result(timeout=10) is None
    batches.close(5)


def test_outcomes_now(server: Any) -> None:
    with Client(server.url) as client:
        assert client.outcomes([{"outcome": "o", "unit": i} for i in range(2500)]) == 2500
        with pytest.raises(BadInput, match="needs its name"):
            client.outcomes([{"unit": "u"}])
    assert [len(batch) for batch in server.bodies("/v1/outcomes")] == [1000, 1000, 500]


def test_log_writes_the_assignments_row(server: Any) -> None:
    with Client(server.url) as client:
        client.log(DECIDED, 1, features={"x": 2}, score=0.7, latency_ms=3.5).result(timeout=10)
    ((row,),) = server.bodies("/v1/predictions")
    assert row == {
        "deployment": "churn", "request_id": "r", "variant": "champion", "unit": "u", "context": {"a": 1}, "reason": "split",
        "propensity": 0.5, "revision": 4, "features": {"x": 2}, "score": 0.7, "latency_ms": 3.5, "prediction": 1,
    }  # fmt: skip


def test_a_default_assignment_is_no_row(nobody: str) -> None:
    with Client(nobody, timeout=0.2) as client:
        assignment = client.assign("churn", "u", default="champion")
        assert (assignment.is_default, assignment.variant) == (True, "champion")
        with pytest.raises(BadInput, match="decided nothing"):
            client.log(assignment, 1)
        with pytest.raises(Unavailable):
            client.assign("churn", "u")


def test_assign(server: Any) -> None:
    decided = {
        "request_id": "x",
        "variant": "b",
        "model_version": "m:2",
        "reason": "split",
        "propensity": 0.25,
        "revision": 3,
    }
    server.answer = lambda *_: (200, decided)
    with Client(server.url) as client:
        found = client.assign("churn", 7, context={"a": 1}, request_id="x")
    assert found == Assignment(deployment="churn", unit=7, context={"a": 1}, **decided)
    assert server.asked == [
        ("POST", "/v1/deployments/churn/assign", {"request_id": "x", "unit": 7, "context": {"a": 1}})
    ]


def test_asynchronous_outcomes_share_batches(server: Any) -> None:
    async def run() -> None:
        async with AsyncClient(server.url) as client:
            await asyncio.gather(*(client.outcome("o", unit=i) for i in range(700)))
            await client.log(DECIDED, 1)
            assert await client.outcomes([{"outcome": "o", "unit": "u"}]) == 1

    asyncio.run(run())
    assert [len(batch) for batch in server.bodies("/v1/outcomes")] == [500, 200, 1]
    assert len(server.bodies("/v1/predictions")) == 1


def test_asynchronous_refusals_reach_their_own_caller(server: Any) -> None:
    server.answer = lambda _m, _p, body: (400, {"error": "no"}) if any(o["unit"] == 3 for o in body) else (200, {})

    async def run() -> list[Any]:
        async with AsyncClient(server.url) as client:
            said = (client.outcome("o", unit=i) for i in range(6))
            return await asyncio.gather(*said, return_exceptions=True)

    found = asyncio.run(run())
    assert [isinstance(one, BadInput) for one in found] == [False, False, False, True, False, False]


def test_a_refusal_that_nobody_looks_at_is_raised_by_flush_and_close(server: Any) -> None:
    server.answer = lambda _m, _p, body: (400, {"error": "no such outcome"}) if "outcome" in body[0] else (200, {})
    client = Client(server.url)
    client.outcome("o", unit=1)
    with pytest.raises(BadInput, match=r"^1 outcome was not taken: no such outcome$"):
        client.flush()
    client.flush()
    client.outcome("o", unit=1)
    client.outcome("o", unit=2)
    client.log(DECIDED, 1)
    with pytest.raises(BadInput, match=r"^2 outcomes were not taken, the first because: no such outcome$"):
        client.close()
    client.close()
    assert len(server.bodies("/v1/predictions")) == 1
    with pytest.raises(BadInput), Client(server.url) as other:
        other.outcome("o", unit=1)


def test_a_refusal_that_the_caller_took_is_not_raised_again(server: Any) -> None:
    server.answer = lambda *_: (400, {"error": "no such outcome"})
    with Client(server.url) as client:
        assert isinstance(client.outcome("o", unit=1).exception(timeout=10), BadInput)
        with pytest.raises(BadInput):
            client.outcome("o", unit=1).result(timeout=10)
        future = client.outcome("o", unit=1)
        wait([future], timeout=10)
        assert future.exception() is not None


def test_what_goes_wrong_in_the_block_is_told_first(server: Any) -> None:
    server.answer = lambda *_: (400, {"error": "no such outcome"})

    def work() -> None:
        with Client(server.url) as client:
            client.outcome("o", unit=1)
            raise KeyError("first")

    with pytest.raises(KeyError):
        work()


def test_asynchronous_refusals_that_nobody_looks_at_are_raised(server: Any) -> None:
    server.answer = lambda *_: (400, {"error": "no such outcome"})

    async def forget(tasks: list[asyncio.Task[None]]) -> None:
        async with AsyncClient(server.url) as client:
            tasks += [asyncio.create_task(client.outcome("o", unit=unit)) for unit in range(2)]

    async def flush_and_look() -> None:
        async with AsyncClient(server.url) as client:
            task = asyncio.create_task(client.outcome("o", unit=1))
            with pytest.raises(BadInput, match="1 outcome was not taken: no such outcome"):
                await client.flush()
            assert task.done()
            taken = asyncio.create_task(client.outcome("o", unit=1))
            await asyncio.wait([taken])
            assert isinstance(taken.exception(), BadInput)
            with pytest.raises(BadInput):
                await client.outcome("o", unit=1)

    with pytest.raises(BadInput, match="2 outcomes were not taken, the first because: no such outcome"):
        asyncio.run(forget([]))
    asyncio.run(flush_and_look())


CHANGE = Call("POST", "/x", repeatable=False)
READ = Call("GET", "/x")
PATIENT = Call("POST", "/x", patient=True)


@pytest.mark.parametrize(
    ("call", "failure", "tried", "remaining", "again"),
    [
        (CHANGE, "broken", 1, 10.0, False),
        (CHANGE, "later", 1, 10.0, False),
        (READ, "broken", 1, 10.0, True),
        (READ, "broken", 2, 10.0, True),
        (READ, "broken", 3, 10.0, False),
        (READ, "later", 1, 10.0, False),
        (READ, "broken", 2, 0.01, False),
        (PATIENT, "later", 50, 10.0, True),
        (PATIENT, "broken", 50, 10.0, True),
        (PATIENT, "later", 50, 1.0, False),
    ],
)
def test_when_a_call_is_repeated(call: Call, failure: Any, tried: int, remaining: float, again: bool) -> None:
    assert (pause(call, failure, tried, remaining) is not None) is again


def test_pauses_grow_to_a_limit_and_honour_the_other_side() -> None:
    pauses = [pause(PATIENT, "later", tried, 100.0) or 0 for tried in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
    assert pause(PATIENT, "later", 1, 100.0, retry_after=1.5) == 1.5
    assert pause(READ, "broken", 1, 100.0) == 0.0


def test_a_change_is_never_repeated(breaker: Callable[..., Any]) -> None:
    gateway = breaker(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    client = Client(control=gateway.url)
    with pytest.raises(Unavailable, match="may or may not have been done"):
        client.promote("churn", reason="better")
    assert gateway.connections == 1


def test_aliases_are_handed_over_at_once_and_in_parts(server: Any) -> None:
    with Client(server.url, clock=lambda: NOW) as client:
        client.alias("cookie", 17)
        assert client.aliases([(f"cookie-{i}", None if i % 2 else "ann") for i in range(1001)]) == 1001
    first, second, third = server.bodies("/v1/units")
    assert first == [{"alias": "cookie", "unit": 17, "at": "2023-11-14T22:13:20+00:00"}]
    assert (len(second), len(third)) == (1000, 1)
    assert second[1]["unit"] is None


def test_a_name_that_is_its_own_alias_is_refused_at_once(server: Any) -> None:
    with Client(server.url) as client, pytest.raises(BadInput, match="its own alias"):
        client.alias("5", 5)
    assert not server.asked


def test_an_alias_is_said_again_when_the_gateway_stumbled(server: Any) -> None:
    answers = iter([(503, {"error": "the disk"}), (200, {"stored": 1})])
    server.answer = lambda *_: next(answers)
    with Client(server.url) as client:
        client.alias("cookie", "ann", timeout=5.0)
    assert len(server.bodies("/v1/units")) == 2


def test_aliases_from_asyncio(server: Any) -> None:
    async def say() -> int:
        async with AsyncClient(server.url, clock=lambda: NOW) as client:
            await client.alias("cookie", "ann")
            return await client.aliases([("a", "b"), ("c", "d")])

    assert asyncio.run(say()) == 2
    assert [len(batch) for batch in server.bodies("/v1/units")] == [1, 2]
