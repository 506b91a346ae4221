"""The open loop: every request is sent, and waiting counts from the time at which it was due."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bench.openloop import Load, quantile, run

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def server(answer: bytes, gate: threading.Event) -> Iterator[tuple[int, list[bytes]]]:
    """Answers every request alike, once the gate is open; gives the bodies that came."""
    listener = socket.create_server(("127.0.0.1", 0))
    bodies: list[bytes] = []

    def talk(line: socket.socket) -> None:
        with line:
            data = b""
            while got := line.recv(65536):
                data += got
                head, gap, body = data.partition(b"\r\n\r\n")
                if gap and len(body) == int(head.rpartition(b"content-length: ")[2]):
                    bodies.append(body)
                    data = b""
                    gate.wait(10)
                    line.sendall(answer)

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(line,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], bodies
    finally:
        listener.close()


def opened() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


def test_every_request_is_sent_and_answered_with_a_unit_of_its_own() -> None:
    for answer in (ANSWER, CHUNKED):
        with server(answer, opened()) as (port, bodies):
            done = run(Load(port, "/", b'{"unit":"@"}', rate=200.0, seconds=0.2, connections=4))
        assert done.failed == done.unanswered == 0
        assert len(done.latencies_ms) == len(bodies) > 20
        assert len(set(bodies)) == len(bodies)
        assert done.latencies_ms == sorted(done.latencies_ms)


def test_a_stall_is_charged_to_all_that_came_due_meanwhile() -> None:
    gate = threading.Event()
    timer = threading.Timer(0.3, gate.set)
    with server(ANSWER, gate) as (port, _):
        timer.start()
        done = run(Load(port, "/", b"{}", rate=100.0, seconds=0.3, connections=2))
    # Two connections only were stuck, and a closed loop would have counted two long waits.
    assert len(done.latencies_ms) > 10
    assert quantile(done.latencies_ms, 0.5) > 50
    assert done.unanswered == 0


def test_refusals_and_silence_are_failures() -> None:
    with server(FAILED, opened()) as (port, _):
        done = run(Load(port, "/", b"{}", rate=100.0, seconds=0.1, connections=2))
    assert done.latencies_ms == []
    assert done.failed > 0


def test_quantiles() -> None:
    assert quantile([], 0.99) == 0.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0
