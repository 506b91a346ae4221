"""What a request waits for the event loop belongs to its latency, and whoever waited too long is shed."""

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.routing.router import Router
from seatrial.routing.snapshot import LogPolicy
from seatrial.serving import inference
from seatrial.serving.connection import Connection
from seatrial.serving.edge import Edge
from seatrial.serving.messages import Request, Response
from seatrial.serving.routes import LARGE_BYTES, Routes
from seatrial.spec.errors import SeatrialError
from tests.edges import request
from tests.gateways import Bench, bench, slot, snapshot
from tests.laws.test_serving_express import NAMES, SIGNATURE, Willing, _ready

MS = 1_000_000
PREDICT = "/v1/deployments/churn/predict"
INFER = "/v2/models/churn/infer"
ROW = {"feature_0": 0.5, "feature_1": 1.0, "feature_2": 3, "feature_3": True}


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None: ...
    def resume_reading(self) -> None: ...

    @property
    def answer(self) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and headers."""
        head, _, body = self.written.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), msgspec.json.decode(body), dict(line.split(": ", 1) for line in lines)


class House:
    """A gateway behind an edge whose clock stands still, but for the time that its models take."""

    def __init__(self, here: Bench, now: list[int]) -> None:
        self.here, self.now = here, now
        self.models: dict[str, Willing] = {}
        self.edge = Edge(Routes(here.gateway), ticks=lambda: now[0], shed=here.gateway.shed)

    def serve(self, *, champion: float = 60.0, challenger: float = 60.0, quick: bool = True, **more: Any) -> None:
        """Serve the challenger, with the champion for its default; timeouts in seconds."""
        slots = (
            slot("champion", 1, SIGNATURE, timeout=champion),
            slot("challenger", 2, SIGNATURE, timeout=challenger),
        )
        self.models = {s.variant: Willing() for s in slots}
        engines = {name: _ready(model) for name, model in self.models.items()}
        given = {"log": LogPolicy(features=NAMES), **more}
        deployed = self.here.serve(snapshot({"challenger": 1.0}, slots=slots, **given), **engines)
        assert deployed.quick is not None
        if not quick:
            deployed.quick = None
        for model in self.models.values():
            model.asked = 0
            model.takes = self.takes(40)

    def takes(self, milliseconds: int) -> Callable[[], None]:
        return lambda: self.now.__setitem__(0, self.now[0] + milliseconds * MS)

    def connection(self) -> tuple[Connection, Transport]:
        found, transport = Connection(self.edge), Transport()
        found._transport = transport  # type: ignore[assignment]
        found._loop = asyncio.get_running_loop()
        return found, transport

    async def turn(self, *messages: bytes) -> list[tuple[int, dict[str, Any], dict[str, str]]]:
        """What clients are told whose messages the event loop finds in one turn."""
        self.edge._loop = asyncio.get_running_loop()
        clients = [self.connection() for _ in messages]
        for (connection, _), message in zip(clients, messages, strict=True):
            connection.data_received(message)
        while not all(transport.written for _, transport in clients):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [transport.answer for _, transport in clients]

    @property
    def waits(self) -> list[int]:
        """Milliseconds that each request took, as its row says."""
        return [row["latency_us"] // 1000 for row in self.here.rows()]

    def shed(self) -> dict[str, int]:
        values = self.here.recorder.counters.values()
        return {name: value for name, value in values.items() if name.startswith("shed_total") and value}

    def balanced(self) -> bool:
        self.here.recorder.rows.flush()
        return bool(self.here.gateway.selfcheck()["balanced"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    now = [1_000 * MS]
    with bench(tmp_path, ticks=lambda: now[0]) as here:
        yield House(here, now)


def predict(number: int, **more: Any) -> bytes:
    body = {"unit": f"u{number}", "request_id": f"r{number}", "features": ROW, **more}
    return request("POST", PREDICT, msgspec.json.encode(body))


def plain(number: int) -> bytes:
    return request("POST", PREDICT, msgspec.json.encode({"unit": f"u{number}", "features": ROW}))


def infer(number: int, rows: int = 1, **parameters: Any) -> bytes:
    inputs = [
        {"name": "feature_0", "shape": [rows], "datatype": "FP64", "data": [0.5] * rows},
        {"name": "feature_1", "shape": [rows], "datatype": "FP64", "data": [1.0] * rows},
        {"name": "feature_2", "shape": [rows], "datatype": "INT64", "data": [3] * rows},
        {"name": "feature_3", "shape": [rows], "datatype": "BOOL", "data": [True] * rows},
    ]
    body = {"inputs": inputs, "parameters": {"unit": f"u{number}", **parameters}}
    return request("POST", INFER, msgspec.json.encode(body))


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("message", [plain, infer])
def test_the_later_ones_of_a_turn_have_waited_for_the_earlier_ones(
    house: House, quick: bool, message: Callable[[int], bytes]
) -> None:
    house.serve(quick=quick)

    async def play() -> None:
        for _ in range(2):  # the second time their heads are known
            answers = await house.turn(*(message(number) for number in range(4)))
            assert {status for status, *_ in answers} == {200}

    asyncio.run(play())
    assert sorted(house.waits) == [40, 40, 80, 80, 120, 120, 160, 160]


@pytest.mark.parametrize("quick", [True, False])
def test_whoever_waited_longer_than_every_timeout_is_shed_unread(house: House, quick: bool) -> None:
    house.serve(champion=0.1, challenger=0.1, quick=quick)
    answers = asyncio.run(house.turn(*(plain(number) for number in range(6)), infer(6)))
    assert [status for status, *_ in answers] == [200, 200, 200, 503, 503, 503, 503]
    _, body, headers = answers[3]
    assert body == {"error": "the request waited 120 ms before anybody came to it"}
    assert headers["retry-after"] == "1"
    assert house.models["challenger"].asked == 3
    assert house.shed() == {'shed_total{reason="loop"}': 4}
    assert len(house.here.rows()) == 3
    assert house.balanced()


def test_just_the_timeout_is_not_too_long(house: House) -> None:
    house.serve(champion=0.08, challenger=0.08)
    answers = asyncio.run(house.turn(*(plain(number) for number in range(4))))
    assert [status for status, *_ in answers] == [200, 200, 200, 503]


def test_retry_after_grows_with_the_wait(house: House) -> None:
    house.serve(champion=2, challenger=2)
    house.models["challenger"].takes = house.takes(1500)
    answers = asyncio.run(house.turn(*(plain(number) for number in range(3))))
    assert (answers[2][0], answers[2][2]["retry-after"]) == (503, "3")


@pytest.mark.parametrize("quick", [True, False])
def test_a_variant_with_less_time_leaves_it_to_the_default(house: House, quick: bool) -> None:
    house.serve(challenger=0.1, quick=quick)
    answers = asyncio.run(house.turn(*(plain(number) for number in range(5))))
    assert [body["answered_by"] for _, body, _ in answers] == ["assigned"] * 3 + ["default"] * 2
    rows = house.here.rows()
    assert sorted((row["variant"], row["status"], row["error"]) for row in rows if row["status"] != "ok") == [
        ("challenger", "shed", "the request waited 120 ms before anybody came to it"),
        ("challenger", "shed", "the request waited 160 ms before anybody came to it"),
    ]
    assert house.shed() == {'shed_total{deployment="churn",variant="challenger",reason="loop"}': 2}
    assert house.here.gateway.find("churn").variants["challenger"].breaker.state == "closed"
    assert house.balanced()


def test_with_a_fallback_nobody_is_turned_away(house: House) -> None:
    house.serve(champion=0.05, challenger=0.05, fallback={"prediction": 9})
    answers = asyncio.run(house.turn(*(plain(number) for number in range(4))))
    assert [(status, body["answered_by"]) for status, body, _ in answers] == [
        (200, "assigned"),
        (200, "assigned"),
        (200, "fallback"),
        (200, "fallback"),
    ]
    assert house.balanced()


@pytest.mark.parametrize(
    "late", [predict(9, timeout_ms=60), infer(9, timeout_ms=60)], ids=["the short way", "the protocol's"]
)
def test_the_callers_own_limit_began_when_he_asked(house: House, late: bytes) -> None:
    house.serve()
    answers = asyncio.run(house.turn(plain(0), plain(1), late))
    assert [status for status, *_ in answers] == [200, 200, 504]
    assert house.models["challenger"].asked == 2


def test_the_next_turn_begins_anew(house: House) -> None:
    house.serve(champion=0.1, challenger=0.1)

    async def play() -> list[int]:
        return [(await house.turn(plain(number)))[0][0] for number in range(6)]

    assert asyncio.run(play()) == [200] * 6
    assert house.waits == [40] * 6


def test_inflating_is_no_waiting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.serve(champion=0.1, challenger=0.1)
    inflate = gzip.decompress

    def lengthy(_: bytes, body: bytes, __: int) -> bytes:
        house.takes(500)()
        return inflate(body)

    monkeypatch.setattr("seatrial.serving.connection.inflate", lengthy)
    body = gzip.compress(msgspec.json.encode({"unit": "u", "features": ROW}))
    (answer,) = asyncio.run(house.turn(request("POST", PREDICT, body, content_encoding="gzip")))
    assert answer[0] == 200
    assert house.waits == [40]


@pytest.mark.parametrize("path", [PREDICT, INFER])
def test_decoding_a_large_body_is_no_waiting(house: House, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Routes._read_large

    def lengthy(routes: Routes, *arguments: Any) -> Any:
        house.takes(90_000)()
        return read(routes, *arguments)

    monkeypatch.setattr(Routes, "_read_large", lengthy)
    house.serve()
    rows = 4000
    large = msgspec.json.encode({"unit": "u", "instances": [{"features": ROW}] * rows})
    message = request("POST", PREDICT, large) if path == PREDICT else infer(0, 20_000)
    assert len(message) > LARGE_BYTES
    house.here.gateway.limits = house.here.gateway.limits._replace(rows=20_000)
    for model in house.models.values():
        model.takes = lambda: None
    (answer,) = asyncio.run(house.turn(message))
    assert answer[0] == 200, answer[1]
    assert max(house.waits) == 0


# Rows of large bodies are made in a thread, decisions on the event loop.


@pytest.mark.parametrize("binary", [False, True])
def test_rows_of_a_large_body_are_made_in_a_thread(house: House, binary: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    house.serve()
    made: list[int] = []
    decided: list[int] = []
    rows_of, check = inference.rows_of, inference._check_counts
    monkeypatch.setattr(inference, "rows_of", lambda *a: made.append(threading.get_ident()) or rows_of(*a))
    monkeypatch.setattr(inference, "_check_counts", lambda *a: made.append(threading.get_ident()) or check(*a))
    decide = Router.decide
    monkeypatch.setattr(Router, "decide", lambda *a: decided.append(threading.get_ident()) or decide(*a))
    rows = 20_000
    house.here.gateway.limits = house.here.gateway.limits._replace(rows=rows)
    if binary:
        data = np.zeros((rows, 4), dtype=np.float32).tobytes()
        tensor = {"name": SIGNATURE.inputs[0].name, "shape": [rows, 4], "datatype": "FP32"}
        head = msgspec.json.encode({"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}]})
        message = request("POST", INFER, head + data, inference_header_content_length=str(len(head)))
    else:
        message = infer(0, rows)
    (answer,) = asyncio.run(house.turn(message))
    assert answer[0] == 200, answer[1]
    assert made
    assert threading.get_ident() not in made
    assert set(decided) == {threading.get_ident()}
    assert len(house.here.rows()) == rows
    assert house.balanced()


def test_a_large_body_keeps_its_revision_while_its_rows_are_made(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.serve()
    going, go_on = threading.Event(), threading.Event()
    rows_of = inference.rows_of

    def lengthy(*arguments: Any) -> Any:
        going.set()
        assert go_on.wait(60)
        return rows_of(*arguments)

    monkeypatch.setattr(inference, "rows_of", lengthy)
    house.here.gateway.limits = house.here.gateway.limits._replace(rows=20_000)
    old = house.here.gateway.find("churn")

    async def play() -> None:
        asking = asyncio.ensure_future(house.turn(infer(0, 20_000)))
        while not going.is_set():
            await asyncio.sleep(0.001)
        house.serve(revision=2)
        assert not old.idle
        go_on.set()
        (answer,) = await asking
        assert answer[0] == 200
        assert old.idle

    asyncio.run(play())
    assert {row["revision"] for row in house.here.rows()} == {1}


@pytest.mark.parametrize("ways", [("rows", 2), ("shape", 19_999), ("asked", 0)])
def test_a_large_body_is_refused_as_a_small_one_is(house: House, ways: tuple[str, int]) -> None:
    house.serve()
    what, number = ways
    limits = house.here.gateway.limits
    house.here.gateway.limits = limits._replace(rows=number if what == "rows" else 20_000)

    def message(rows: int) -> Request:
        body = msgspec.json.decode(infer(0, rows).partition(b"\r\n\r\n")[2])
        if what == "shape":
            body["inputs"][0]["shape"] = [rows - 1]
        if what == "asked":
            body["outputs"] = [{"name": "nothing"}]
        return Request(b"POST", INFER.encode(), {}, msgspec.json.encode(body), True)

    routes = Routes(house.here.gateway)

    async def told(rows: int) -> str:
        try:
            answer = routes.handle(message(rows))
            assert not isinstance(answer, bytes | Response)
            await answer
        except SeatrialError as error:
            return type(error).__name__
        return "answered"

    small, large = asyncio.run(told(3)), asyncio.run(told(20_000))
    assert small == large != "answered"
    refused = {name: v for name, v in house.here.recorder.counters.values().items() if "refused" in name}
    assert refused == {'requests_refused_total{deployment="churn"}': 2}
