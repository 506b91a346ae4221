"""Clients that mean harm, or know no better: huge bodies, headers that drip, floods; others are served meanwhile."""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from seatrial.serving.arriving import MAX_HEADER_BYTES
from seatrial.serving.connection import Connection
from seatrial.serving.edge import Timeouts
from tests.edges import Served, edge, request
from tests.gateways import GOOD, Bench, bench, snapshot
from tests.waiting import wait_for

PREDICT = "/v1/deployments/churn/predict"
BODY = msgspec.json.encode({"unit": "u", "features": GOOD})
MIB = 1 << 20


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot())
        yield found


@pytest.fixture
def served(here: Bench) -> Iterator[Served]:
    with edge(here) as found:
        yield found


def test_a_hundred_megabytes_are_refused_before_they_come(served: Served) -> None:
    wire = served.wire()
    wire.send(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (PREDICT.encode(), 100 * MIB))
    assert wire.reply().status == 413
    assert served.edge.held == 0


def test_a_hundred_megabytes_in_chunks_are_held_up_to_the_limit(served: Served) -> None:
    """The oracle is the limit: a MiB and one read more are held at most, though a hundred are sent."""
    most: list[int] = []
    hear = Connection.on_body

    def watched(connection: Connection, body: bytes) -> None:
        hear(connection, body)
        most.append(served.edge.held)

    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "on_body", watched)  # before they connect: parsers bind it at their birth
        wire, other = served.wire(), served.wire()
        wire.send(b"POST %b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" % PREDICT.encode())
        for _ in range(8):
            wire.send(chunk)
        assert other.ask("POST", PREDICT, BODY).status == 200
        try:
            for _ in range(100 * MIB // 0x10000):
                wire.send(chunk)
        except OSError:  # it hung up after a while of listening to no purpose
            pass
    assert MIB // 2 < max(most) <= MIB + len(BODY)
    wire.close()
    wait_for(lambda: served.edge.held == 0, what="everything let go")
    assert other.ask("POST", PREDICT, BODY).status == 200


def test_slowloris(here: Bench) -> None:
    """Two hundred clients whose headers never end: others are served, and they are told and cut off."""
    with edge(here, timeouts=Timeouts(headers=5.0, linger=0.5)) as served:
        slow = [served.wire() for _ in range(200)]
        for wire in slow:
            wire.send(b"GET / HTTP/1.1\r\nhost: x\r\n")
        wait_for(lambda: len(served.edge.connections) == 200, what="two hundred connections")
        other = served.wire()
        answered = 0

        def dripped() -> bool:
            nonlocal answered
            for wire in slow:
                try:
                    wire.send(b"x")
                except OSError:
                    continue
            assert other.ask("POST", PREDICT, BODY).status == 200
            answered += 1
            return len(served.edge.connections) <= 1

        wait_for(dripped, what="the end of the slow ones")
        assert answered > 0


@pytest.mark.parametrize(
    "flood",
    [
        b"GET / HTTP/1.1\r\n" + b"x-a: 1\r\n" * (2 * MAX_HEADER_BYTES // 8),
        b"GET / HTTP/1.1\r\nx: " + b"y" * 2 * MAX_HEADER_BYTES,
        b"GET /" + b"a" * 2 * MAX_HEADER_BYTES,
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + b"1;" + b"e" * 2 * MAX_HEADER_BYTES,
    ],
    ids=["many headers", "a long header", "a long path", "a long chunk extension"],
)
def test_floods_of_headers_are_refused(served: Served, flood: bytes) -> None:
    wire = served.wire()
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.send(flood)
    assert wire.reply().status in (400, 431)
    assert wire.ended()
    assert served.wire().ask("POST", PREDICT, BODY).status == 200


def test_a_thousand_requests_in_one_breath_are_answered_in_order(served: Served) -> None:
    wire = served.wire()
    numbers = range(1000)
    bodies = [msgspec.json.encode({"unit": "u", "request_id": str(n), "features": GOOD}) for n in numbers]
    wire.send(b"".join(request("POST", PREDICT, body) for body in bodies))
    assert [wire.reply().json["request_id"] for _ in numbers] == [str(n) for n in numbers]


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/churn/infer", "/v1/outcomes", "/v1/predictions"])
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"features":' * 50_000, b'{"inputs":[' * 20_000])
def test_json_that_is_nested_without_end(served: Served, path: str, body: bytes) -> None:
    wire = served.wire()
    reply = wire.ask("POST", path, body)
    assert reply.status in (400, 413)
    assert isinstance(reply.json["error"], str)
    assert wire.ask("POST", PREDICT, BODY).status == 200


@pytest.mark.parametrize("shape", [[2**63, 2], [2**32, 2**32], [2**31, 2**33, 0], [-1, 3], [10**30, 3], [2**62] * 64])
@pytest.mark.parametrize("binary", [False, True])
def test_a_shape_whose_product_overflows(served: Served, shape: list[int], binary: bool) -> None:
    tensor = {"name": "X", "shape": shape, "datatype": "FP32"}
    given = {"parameters": {"binary_data_size": 12}} if binary else {"data": [1.0, 2.0, 3.0]}
    try:
        head = msgspec.json.encode({"inputs": [{**tensor, **given}]})
    except OverflowError:
        head = str({"inputs": [{**tensor, **given}]}).replace("'", '"').encode()
    wire = served.wire()
    more = {"inference_header_content_length": str(len(head))} if binary else {}
    reply = wire.ask("POST", "/v2/models/churn/infer", head + (b"\0" * 12 if binary else b""), **more)
    assert reply.status in (400, 413)
    assert isinstance(reply.json["error"], str)
    assert wire.ask("POST", PREDICT, BODY).status == 200
