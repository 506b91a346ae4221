"""The edge, over real sockets: keep-alive, order, limits, slow and rude clients."""

import asyncio
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.ledger.reader import Reader
from seatrial.routing.snapshot import Shadow
from seatrial.serving.arriving import SLOWEST
from seatrial.serving.coding import deflate, inflate
from seatrial.serving.edge import Timeouts
from seatrial.serving.routes import LARGE_BYTES
from tests.edges import Reply, Served, Wire, edge, request
from tests.gateways import GOOD, Bench, Scripted, bench, broken, quick, slot, slow, snapshot
from tests.waiting import wait_for

PREDICT = "/v1/deployments/churn/predict"
BODY = msgspec.json.encode({"unit": "u", "features": GOOD})


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot())
        yield found


@pytest.fixture
def served(here: Bench) -> Iterator[Served]:
    with edge(here) as found:
        yield found


@pytest.fixture
def wire(served: Served) -> Wire:
    return served.wire()


def test_requests_on_one_connection(wire: Wire) -> None:
    for _ in range(3):
        reply = wire.ask("POST", PREDICT, BODY)
        assert (reply.status, reply.json["prediction"]) == (200, 0)
        assert reply.headers["content-type"] == "application/json"
        assert "date" in reply.headers


def test_pipelined_requests_are_answered_in_order_though_the_first_is_slow(here: Bench, wire: Wire) -> None:
    model = Scripted()
    model.hang()
    here.serve(snapshot(), champion=slow(model))
    bodies = [msgspec.json.encode({"features": GOOD, "request_id": f"r{i}"}) for i in range(3)]
    health = request("GET", "/v2/health/live")
    wire.send(b"".join(request("POST", PREDICT, body) for body in bodies) + health)
    wait_for(lambda: model.calls > 0, what="the model's call")
    model.release()
    replies = [wire.reply() for _ in range(4)]
    assert [reply.json.get("request_id") for reply in replies] == ["r0", "r1", "r2", None]
    assert replies[3].json == {"live": True}


def test_more_pipelined_requests_than_the_queue_holds(here: Bench, wire: Wire) -> None:
    here.serve(snapshot(), champion=slow(Scripted()))
    wire.send(request("POST", PREDICT, BODY) * 200)
    assert {wire.reply().status for _ in range(200)} == {200}


def test_a_request_in_single_bytes(wire: Wire) -> None:
    for byte in request("POST", PREDICT, BODY):
        wire.send(bytes([byte]))
    assert wire.reply().status == 200


def test_chunked_body(wire: Wire) -> None:
    head = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(BODY[i : i + 7]), BODY[i : i + 7]) for i in range(0, len(BODY), 7))
    wire.send(head + chunks + b"0\r\n\r\n")
    assert wire.reply().status == 200


def test_expect_continue(served: Served, wire: Wire) -> None:
    head, _, _ = request("POST", PREDICT, BODY, expect="100-continue").partition(b"\r\n\r\n")
    wire.send(head + b"\r\n\r\n")
    assert wire.reply().status == 100
    wire.send(BODY)
    assert wire.reply().status == 200
    assert served.wire().ask("POST", PREDICT, BODY, expect="miracles").status == 417


def test_close_when_asked_and_http_1_0(served: Served) -> None:
    wire = served.wire()
    reply = wire.ask("POST", PREDICT, BODY, connection="close")
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert wire.ended()
    old = served.wire()
    old.send(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert old.reply().status == 200
    assert old.ended()


def test_a_body_over_the_limit_is_refused_and_the_client_reads_it(served: Served) -> None:
    for headers in ({}, {"expect": "100-continue"}):
        wire = served.wire()
        body = b"x" * ((1 << 20) + 1)
        reply = wire.ask("POST", PREDICT, body, **headers)
        assert reply.status == 413
        assert "1048576 bytes" in reply.json["error"]
    chunked = served.wire()
    chunked.send(f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    for _ in range(20):
        chunked.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    assert chunked.reply().status == 413


def test_headers_over_the_limit(wire: Wire) -> None:
    wire.send(b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: %b\r\n" % (i, b"x" * 1000) for i in range(70)))
    assert wire.reply().status == 431


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\n" + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
        (b"POST /\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_gets_a_sentence(wire: Wire, sent: bytes, status: int) -> None:
    wire.send(sent)
    reply = wire.reply()
    assert reply.status == status
    assert isinstance(reply.json["error"], str)
    assert wire.ended()


def test_an_error_after_a_good_request_waits_its_turn(here: Bench, wire: Wire) -> None:
    model = Scripted()
    model.hang()
    here.serve(snapshot(), champion=slow(model))
    wire.send(request("POST", PREDICT, BODY) + b"nonsense\r\n\r\n")
    wait_for(lambda: model.calls > 0, what="the model's call")
    model.release()
    assert wire.reply().status == 200
    assert wire.reply().status == 400
    assert wire.ended()


def test_a_client_that_has_said_all_still_gets_its_answer(here: Bench, wire: Wire) -> None:
    import socket

    model = Scripted()
    model.hang()
    here.serve(snapshot(), champion=slow(model))
    wire.send(request("POST", PREDICT, BODY))
    wait_for(lambda: model.calls > 0, what="the model's call")
    wire.socket.shutdown(socket.SHUT_WR)
    model.release()
    assert wire.reply().status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/deployments/churn", 404),
        ("GET", PREDICT, 405),
        ("DELETE", "/v1/outcomes", 405),
        ("GET", "/v1/units", 405),
        ("POST", "/v1/deployments/nobody/predict", 404),
        ("GET", "/v2/models/nobody", 404),
        ("GET", "/v2/models/churn/versions/9/ready", 404),
        ("GET", "/%ff%00", 404),
    ],
)
def test_addresses_that_are_not(wire: Wire, method: str, path: str, status: int) -> None:
    reply = wire.ask(method, path, b"{}" if method == "POST" else b"")
    assert reply.status == status
    assert reply.json["error"]


def test_errors_of_the_gateway_and_retry_after(here: Bench, wire: Wire) -> None:
    bad = wire.ask("POST", PREDICT, msgspec.json.encode({"features": {**GOOD, "age": "x"}}))
    assert (bad.status, bad.json["error"]) == (400, "feature 'age': expected a number, got the string \"x\"")
    here.serve(snapshot(), champion=quick(broken()))
    away = wire.ask("POST", PREDICT, BODY)
    assert (away.status, away.headers["retry-after"]) == (503, "1")


def test_a_bug_is_a_500_with_a_sentence(wire: Wire, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.bench.gateway, "begin", lambda *_: 1 / 0)
    reply = wire.ask("POST", PREDICT, BODY)
    assert reply.status == 500
    assert "ZeroDivisionError" in reply.json["error"]


def test_a_key_is_asked_for(here: Bench) -> None:
    with edge(here, key="s3cret") as served:
        wire = served.wire()
        assert wire.ask("GET", "/v2/health/live").status == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
            refused = wire.ask("POST", PREDICT, BODY, **headers)
            assert refused.status == 401
            assert "Bearer" in refused.headers["www-authenticate"]
        assert wire.ask("POST", PREDICT, BODY, authorization="bearer s3cret").status == 200


def test_slow_clients_are_told_and_idle_ones_closed(here: Bench) -> None:
    with edge(here, timeouts=Timeouts(headers=0.0, body=0.0, idle=0.0)) as served:
        slow_headers, slow_body, idle = (served.wire() for _ in range(3))
        slow_headers.send(b"GET / HTTP/1.1\r\nhost:")
        slow_body.send(request("POST", PREDICT, BODY)[:-5])
        assert slow_headers.reply().status == 408
        assert slow_body.reply().status == 408
        assert idle.ended()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/health/ready", 200),
        ("/v2/models/churn", 200),
        ("/v1/selfcheck", 200),
        ("/metrics", 200),
        ("/v2/models/nobody", 404),
        (PREDICT, 405),
        ("/nowhere", 404),
    ],
)
def test_head_is_get_without_the_body(wire: Wire, path: str, status: int) -> None:
    for _ in range(2):  # the second time it is known
        wire.send(request("HEAD", path) + request("GET", "/v2/health/live"))
        head = wire.head()
        assert (head.status, int(head.headers["content-length"]) > 0) == (status, True)
        assert wire.reply().json == {"live": True}, "nothing of it is left on the connection"


def test_head_of_a_body_that_cannot_be_inflated_has_no_body(wire: Wire) -> None:
    """Found by the fuzzer: a body there would be read as the next answer."""
    wire.send(request("HEAD", "/v2/health/live", content_encoding="zip"))
    assert wire.head().status == 400
    assert wire.ask("GET", "/v2/health/live").status == 200


def test_head_without_the_key_has_no_body(here: Bench) -> None:
    with edge(here, key="s3cret") as served:
        wire = served.wire()
        wire.send(request("HEAD", "/metrics") + request("GET", "/v2/health/live"))
        assert wire.head().status == 401
        assert wire.reply().status == 200


def test_a_body_that_drips_has_a_deadline_as_a_whole(served: Served) -> None:
    wire = served.wire()
    wire.send(request("POST", PREDICT, BODY)[:-3])
    (connection,) = wait_for(lambda: [c for c in served.edge.connections if c.busy], what="the request")
    due = connection.deadline
    served.loop.call_soon_threadsafe(setattr, served.edge, "now", served.edge.now + 20.0)
    wire.send(BODY[-3:-2])
    wait_for(lambda: served.edge.held == len(BODY) - 2, what="the drop")
    assert connection.deadline == due
    wire.send(BODY[-2:])
    assert wire.reply().status == 200


def test_a_long_body_may_take_longer(here: Bench) -> None:
    with edge(here, body_bytes=4 << 20) as served:
        wire = served.wire()
        wire.send(f"POST {PREDICT} HTTP/1.1\r\ncontent-length: {3 << 20}\r\n\r\n".encode())
        (connection,) = wait_for(lambda: [c for c in served.edge.connections if c.busy], what="the request")
        wait_for(lambda: connection.deadline > served.edge.now + 15, what="the body's deadline")
        due = connection.deadline
        wire.send(bytes(2 << 20))
        wait_for(lambda: served.edge.held == 2 << 20, what="the body")
        assert connection.deadline == due + (1 << 20) / SLOWEST


def test_trailers_are_bounded_as_headers_are(wire: Wire) -> None:
    wire.send(f"POST {PREDICT} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n".encode())
    with suppress(OSError):  # the refusal may come before all is sent
        for _ in range(100):
            wire.send(b"x: " + b"y" * 8000 + b"\r\n")
    assert wire.reply().status == 431


def test_one_connection_too_many_is_told_and_closed(here: Bench) -> None:
    with edge(here, most=2) as served:
        first, second = served.wire(), served.wire()
        assert first.ask("GET", "/v2/health/live").status == second.ask("GET", "/v2/health/live").status == 200
        third = served.wire()
        refused = third.reply()
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "2 connections are open" in refused.json["error"]
        assert here.recorder.counters.values()['shed_total{reason="connections"}'] == 1
        assert third.ended()
        third.close()
        first.close()
        wait_for(lambda: len(served.edge.connections) == 1, what="the closing")
        assert served.wire().ask("GET", "/v2/health/live").status == 200


def test_drain_answers_what_is_under_way_and_closes(here: Bench, served: Served) -> None:
    model = Scripted()
    model.hang()
    here.serve(snapshot(), champion=slow(model))
    busy, idle = served.wire(), served.wire()
    assert idle.ask("GET", "/v2/health/live").status == 200
    busy.send(request("POST", PREDICT, BODY))
    wait_for(lambda: model.calls > 0, what="the model's call")
    draining = asyncio.run_coroutine_threadsafe(served.edge.drain(10.0), served.loop)
    assert idle.ended()
    model.release()
    reply = busy.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    draining.result(10)
    with pytest.raises(OSError):
        served.wire().ask("GET", "/v2/health/live")


def test_every_address_once(here: Bench, wire: Wire) -> None:
    told = wire.ask("POST", "/v1/deployments/churn/assign", b'{"unit": "u"}').json
    assert told["variant"] == "champion"
    row = {"deployment": "churn", "request_id": told["request_id"], "variant": "champion", "unit": "u", "prediction": 1}
    assert wire.ask("POST", "/v1/predictions", msgspec.json.encode(row)).json == {"written": 1}
    sent = wire.ask("POST", "/v1/outcomes", b'{"outcome": "churned", "unit": "u"}\n{"outcome": "churned", "unit": 3}')
    assert sent.json["stored"] == 2
    assert wire.ask("GET", "/v1/deployments").json == {"deployments": ["churn"]}
    assert wire.ask("GET", "/v2").json["name"] == "seatrial"
    assert wire.ask("GET", "/v2/").json["name"] == "seatrial"
    assert wire.ask("GET", "/v2/health/ready").json == {"ready": True, "live": True}
    assert wire.ask("GET", "/v2/models/churn/ready").json == {"name": "churn", "ready": True}
    assert wire.ask("GET", "/v2/models/churn/versions/2").json["name"] == "churn"
    tensor = {"name": "X", "shape": [1, 3], "datatype": "FP32", "data": [40, 1, 0]}
    inferred = wire.ask("POST", "/v2/models/churn/infer", msgspec.json.encode({"inputs": [tensor]}))
    assert inferred.json["model_version"] == "churn:1"
    here.recorder.rows.flush()
    assert wire.ask("GET", "/v1/selfcheck").json["balanced"] is True
    metrics = wire.ask("GET", "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"seatrial_outcomes_total 2" in metrics.body
    here.gateway.ready = False
    assert wire.ask("GET", "/v2/health/ready").status == 503


def test_a_million_rows_are_refused_with_the_limit(here: Bench) -> None:
    with edge(here, body_bytes=64 << 20) as served:
        wire = served.wire()
        row = msgspec.json.encode({"features": GOOD})
        for rows, message in (
            (1_000_000, "over 200000 objects and lists in one request; the limit is 10000 rows"),
            (20_000, "20000 rows in one request; the limit is 10000"),
        ):
            reply = wire.ask("POST", PREDICT, b'{"instances":[' + b",".join([row] * rows) + b"]}")
            assert reply.status == 413
            assert message in reply.json["error"]


def test_a_hanging_shadow_keeps_no_more_bytes_than_its_bound(
    here: Bench, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.serving.shadowing.MAX_BYTES", 1 << 20)
    model = Scripted()
    model.hang()
    shadows = (Shadow(variant="challenger", share=1.0, salt="s"),)
    deployed = here.serve(snapshot(shadows=shadows), challenger=slow(model))
    body = msgspec.json.encode({"features": {**GOOD, "note": "x" * (300 << 10)}})
    for _ in range(8):
        assert wire.ask("POST", PREDICT, body).status == 200
    dropped = 'shadow_total{deployment="churn",variant="challenger",result="dropped"}'
    wait_for(lambda: here.recorder.counters.values().get(dropped, 0) >= 8 - 4, what="copies dropped")
    model.release()
    wait_for(lambda: deployed.idle, what="an idle lane")


def test_the_bodies_of_all_connections_are_bounded_together(served: Served) -> None:
    served.edge.held_bytes = 1 << 20
    head, _, _ = request("POST", PREDICT, b"x" * 700_000).partition(b"\r\n\r\n")
    first = served.wire()
    first.send(head + b"\r\n\r\n" + b"x" * 600_000)
    wait_for(lambda: served.edge.held == 600_000, what="half a body")
    refused = served.wire().ask("POST", PREDICT, b"x" * 700_000)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert served.bench.recorder.counters.values()['shed_total{reason="bytes"}'] == 1
    assert served.wire().ask("POST", PREDICT, BODY).status == 200
    first.close()
    wait_for(lambda: served.edge.held == 0, what="everything let go")
    large = msgspec.json.encode({"features": {**GOOD, "note": "x" * 700_000}})
    assert [served.wire().ask("POST", PREDICT, large).status for _ in range(3)] == [200, 200, 200]
    wait_for(lambda: served.edge.held == 0, what="everything let go")


def test_aliases_are_on_the_disk_when_they_are_acknowledged(here: Bench, wire: Wire, tmp_path: Path) -> None:
    assert wire.ask("POST", "/v1/units", b'{"alias": "cookie", "unit": 17}').json == {"stored": 1}
    told = wire.ask("POST", "/v1/units", b'[{"alias": "a", "unit": "b"}, {"alias": "b", "unit": "a"}]')
    assert told.status == 400
    assert "leads back to itself" in told.json["error"]
    assert wire.ask("POST", "/v1/units", b'{"alias": "cookie", "unit": "cookie"}').status == 400
    for unit in ("cookie", "17", "18"):
        wire.ask("POST", PREDICT, msgspec.json.encode({"unit": unit, "features": GOOD}))
    here.recorder.rows.flush()
    with Reader(tmp_path).open("churn", persons=True) as view:
        found = view.sql("SELECT unit, named_as FROM rows ORDER BY named_as DESC").to_pylist()
    assert found == [
        {"unit": "17", "named_as": "cookie"},
        {"unit": "18", "named_as": "18"},
        {"unit": "17", "named_as": "17"},
    ]
    with Reader(tmp_path).open("churn") as view:
        assert view.sql("SELECT unit FROM rows ORDER BY unit")["unit"].to_pylist() == ["17", "18", "cookie"]
    assert b"seatrial_aliases_total 1" in wire.ask("GET", "/metrics").body


def test_aliases_that_the_disk_refuses_are_not_acknowledged(here: Bench, wire: Wire) -> None:
    here.recorder.outcomes.close()
    refused = wire.ask("POST", "/v1/units", b'{"alias": "cookie", "unit": 17}')
    assert refused.status == 503
    assert "send them again" in refused.json["error"]


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/churn/infer", "/v1/predictions", "/v1/outcomes", "/v1/units"])
def test_a_body_of_brackets_is_refused_unread(wire: Wire, path: str) -> None:
    reply = wire.ask("POST", path, b"[" + b"{}," * 300_000 + b"{}]")
    assert (reply.status, reply.json["error"][:30]) == (413, "over 200000 objects and lists ")


# The binary tensor extension and content codings.

INFER = "/v2/models/churn/infer"
TENSOR = {"name": "X", "shape": [1, 3], "datatype": "FP32"}
ROW = struct.pack("<3f", 40, 1, 0)


def binary(tail: bytes = ROW, **more: Any) -> tuple[bytes, dict[str, str]]:
    head = msgspec.json.encode({"inputs": [{**TENSOR, "parameters": {"binary_data_size": len(tail)}}], **more})
    return head + tail, {"inference-header-content-length": str(len(head))}


def tensors(reply: Reply) -> tuple[dict[str, Any], bytes]:
    length = int(reply.headers["inference-header-content-length"])
    return msgspec.json.decode(reply.body[:length]), reply.body[length:]


def test_binary_in_and_out(wire: Wire) -> None:
    body, headers = binary(id="i", parameters={"binary_data_output": True})
    reply = wire.ask("POST", INFER, body, **headers)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/octet-stream")
    head, raw = tensors(reply)
    assert (head["id"], head["model_version"]) == ("i", "churn:1")
    assert [one["parameters"] for one in head["outputs"]] == [{"binary_data_size": 8}, {"binary_data_size": 8}]
    assert struct.unpack("<q2f", raw) == (0, 0.75, 0.25)


def test_binary_in_and_json_out_and_the_other_way_round(wire: Wire) -> None:
    body, headers = binary()
    reply = wire.ask("POST", INFER, body, **headers)
    assert reply.json["outputs"][0]["data"] == [0]
    assert "inference-header-content-length" not in reply.headers
    json = {"inputs": [{**TENSOR, "data": [40, 1, 0]}], "parameters": {"binary_data_output": True}}
    assert struct.unpack("<q2f", tensors(wire.ask("POST", INFER, msgspec.json.encode(json)))[1]) == (0, 0.75, 0.25)


def test_a_raw_request(wire: Wire) -> None:
    head, raw = tensors(wire.ask("POST", INFER, ROW * 2, inference_header_content_length="0"))
    assert [one["shape"] for one in head["outputs"]] == [[2], [2, 2]]
    assert len(raw) == 2 * 8 + 4 * 4


def test_a_large_binary_request_is_read_in_a_thread(here: Bench, wire: Wire) -> None:
    here.serve(snapshot(slots=(slot("champion", timeout=60.0), slot("challenger", 2))))
    rows = 9000
    tensor = {"name": "X", "shape": [rows, 3], "datatype": "FP64", "parameters": {"binary_data_size": rows * 24}}
    head = msgspec.json.encode({"id": "x" * 50_000, "inputs": [tensor]})
    body = head + struct.pack("<3d", 40, 1, 0) * rows
    assert len(body) > LARGE_BYTES
    reply = wire.ask("POST", INFER, body, inference_header_content_length=str(len(head)))
    assert len(reply.json["outputs"][0]["data"]) == rows


def test_a_fallback_in_binary(here: Bench, wire: Wire) -> None:
    here.serve(snapshot(fallback={"prediction": "no", "score": 0.5}), champion=quick(broken()))
    body, headers = binary(parameters={"binary_data_output": True})
    head, raw = tensors(wire.ask("POST", INFER, body, **headers))
    assert [one["name"] for one in head["outputs"]] == ["prediction", "score"]
    assert raw == struct.pack("<I2s", 2, b"no") + struct.pack("<d", 0.5)


@pytest.mark.parametrize("length", ["-1", "9999", "x", ""])
def test_header_lengths_that_cannot_be(wire: Wire, length: str) -> None:
    reply = wire.ask("POST", INFER, binary()[0], inference_header_content_length=length)
    assert reply.status == 400
    assert "Inference-Header-Content-Length" in reply.json["error"]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_codings_both_ways_around_binary(wire: Wire, coding: str) -> None:
    body, headers = binary(parameters={"binary_data_output": True})
    sent = deflate(coding.encode(), body)
    reply = wire.ask("POST", INFER, sent, content_encoding=coding, accept_encoding=coding, **headers)
    assert reply.headers["content-encoding"] == coding
    plain = reply._replace(body=inflate(coding.encode(), reply.body, 10_000))
    assert struct.unpack("<q2f", tensors(plain)[1]) == (0, 0.75, 0.25)


def test_a_long_answer_is_compressed_for_those_who_take_it(here: Bench, wire: Wire) -> None:
    rows = 2000
    body = msgspec.json.encode({"inputs": [{**TENSOR, "shape": [rows, 3], "data": [40, 1, 0] * rows}]})
    for engine in (quick, slow):
        here.serve(snapshot(), champion=engine(Scripted()))
        sent = deflate(b"gzip", body)
        reply = wire.ask("POST", INFER, sent, content_encoding="gzip", accept_encoding="gzip, deflate, br")
        assert reply.headers["content-encoding"] == "gzip"
        assert len(msgspec.json.decode(inflate(b"gzip", reply.body, 1 << 20))["outputs"][0]["data"]) == rows
    short = wire.ask("POST", PREDICT, BODY, accept_encoding="gzip, deflate, br")
    assert "content-encoding" not in short.headers
    assert short.json["prediction"] == 0


def test_codings_refused(wire: Wire) -> None:
    bomb = wire.ask("POST", INFER, deflate(b"gzip", bytes(2 << 20)), content_encoding="gzip")
    assert (bomb.status, "once inflated" in bomb.json["error"]) == (413, True)
    assert wire.ask("POST", INFER, b"rubbish", content_encoding="gzip").status == 400
    assert "'br' is not understood" in wire.ask("POST", INFER, b"x", content_encoding="br").json["error"]
    refused = wire.ask("POST", INFER, b"x", accept_encoding="gzip")
    assert (refused.status, "error" in refused.json) == (400, True)


def test_not_ready_is_503_with_a_body(here: Bench, wire: Wire) -> None:
    here.gateway.miss("gone", "its files are away")
    here.gateway.ready = False
    ready = wire.ask("GET", "/v2/health/ready")
    assert (ready.status, ready.json["ready"], ready.json["live"]) == (503, False, True)
    assert "loading or stopping" in ready.json["error"]
    for name in ("churn", "gone"):
        model = wire.ask("GET", f"/v2/models/{name}/ready/")
        assert (model.status, model.json["name"], model.json["ready"]) == (503, name, False)
        assert model.json["error"]


def test_the_repository_extension(here: Bench, wire: Wire) -> None:
    here.gateway.miss("gone", "its files are away")
    every = wire.ask("POST", "/v2/repository/index").json
    assert [(one["name"], one["version"], one["state"]) for one in every] == [
        ("churn", "churn:1", "READY"),
        ("churn", "churn:2", "READY"),
        ("gone", "", "UNAVAILABLE"),
    ]
    assert len(wire.ask("POST", "/v2/repository/index", b'{"ready": true}').json) == 2
    load = wire.ask("POST", "/v2/repository/models/churn/load", b"{}")
    assert (load.status, "seatrial apply" in load.json["error"]) == (501, True)


def test_a_request_with_a_time_limit_of_its_own(here: Bench, wire: Wire) -> None:
    model = Scripted()
    model.hang()
    here.serve(snapshot(slots=(slot("champion", timeout=60.0),)), champion=slow(model))
    body = {"inputs": [{**TENSOR, "data": [40, 1, 0]}], "parameters": {"timeout_ms": 20}}
    reply = wire.ask("POST", INFER, msgspec.json.encode(body))
    model.release()
    assert reply.status == 504
    assert "that the request left" in reply.json["error"]
    for wrong in (0, -1, True, "20", 1e9):
        body["parameters"] = {"timeout_ms": wrong}
        assert wire.ask("POST", INFER, msgspec.json.encode(body)).status == 400


def test_the_short_way_has_a_time_limit_too(here: Bench, wire: Wire) -> None:
    model = Scripted()
    model.hang()
    here.serve(snapshot(slots=(slot("champion", timeout=60.0),)), champion=slow(model))
    body: dict[str, object] = {"features": {"age": 40, "income": 1, "country": "FR"}, "timeout_ms": 20}
    reply = wire.ask("POST", "/v1/deployments/churn/predict", msgspec.json.encode(body))
    model.release()
    assert reply.status == 504
    assert "that the request left" in reply.json["error"]
    for wrong in (0, -1, True, "20", 1e9):
        refused = wire.ask("POST", "/v1/deployments/churn/predict", msgspec.json.encode({**body, "timeout_ms": wrong}))
        assert refused.status == 400
