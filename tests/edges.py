"""A gateway behind a real edge on a free port, its event loop in a thread, and raw sockets to talk to it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from seatrial.serving.edge import MAX_CONNECTIONS, Edge, Timeouts
from seatrial.serving.grpc_edge import OPEN_CONNECTIONS, GrpcEdge
from seatrial.serving.routes import Routes
from tests.gateways import Bench


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Wire:
    """A raw connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._stream = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> Reply:
        head = self.head()
        return head._replace(body=self._stream.read(int(head.headers.get("content-length", "0"))))

    def head(self) -> Reply:
        """A reply up to its body."""
        line = self._stream.readline()
        assert line, "the connection was closed without an answer"
        headers = {}
        while (text := self._stream.readline().strip()) != b"":
            name, _, value = text.decode().partition(": ")
            headers[name.lower()] = value
        return Reply(int(line.split()[1]), headers, b"")

    def ended(self) -> bool:
        return self._stream.read(1) == b""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        self.send(request(method, path, body, **headers))
        return self.reply()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = f"content-length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\n{lines}{length}\r\n".encode() + body


class Served(NamedTuple):
    bench: Bench
    edge: Edge
    port: int
    loop: asyncio.AbstractEventLoop
    wires: list[Wire]

    def wire(self) -> Wire:
        """A connection that is closed with the edge."""
        found = Wire(self.port)
        self.wires.append(found)
        return found


@contextmanager
def edge(
    bench: Bench,
    *,
    key: str | None = None,
    body_bytes: int = 1 << 20,
    timeouts: Timeouts = Timeouts(),
    most: int = MAX_CONNECTIONS,
) -> Iterator[Served]:
    """Serve a gateway over HTTP until the block ends."""
    loop = asyncio.new_event_loop()
    found = Edge(
        Routes(bench.gateway), key=key, body_bytes=body_bytes, timeouts=timeouts, most=most, shed=bench.gateway.shed
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    wires: list[Wire] = []
    try:
        listening = found.listen(host="127.0.0.1", port=0)
        server = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
        yield Served(bench, found, server.sockets[0].getsockname()[1], loop, wires)
    finally:
        for wire in wires:
            wire.close()
        asyncio.run_coroutine_threadsafe(found.drain(2.0), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def grpc_edge(bench: Bench, *, key: str | None = None, most: int = OPEN_CONNECTIONS) -> Iterator[str]:
    """Serve a gateway over gRPC until the block ends; gives the address."""
    loop = asyncio.new_event_loop()
    found = GrpcEdge(bench.gateway, key=key, most=most)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(found.listen("127.0.0.1:0"), loop).result(20)
        yield f"127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(found.drain(2.0), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
