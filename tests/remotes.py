"""Servers of somebody else's, for tests of remote variants: they answer as told, or fail in every way there is."""

import json
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import msgspec

from seatrial.models.remote_signature import settle_json
from seatrial.routing.snapshot import Remote, Slot
from seatrial.spec.signature import Signature


class Heard(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Behaviour = Callable[["Server", socket.socket, Heard], bool]
"""Answers one request; True keeps the connection."""


class Server(socketserver.ThreadingTCPServer):
    """A server on a free port.

    Attributes:
        behave: What it does with a request; may be changed at any time.
        heard: Every request, in order.
        over: Set when it ends: whatever hangs goes on.
        open: Connections that are open now.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behave = behave
        self.heard: list[Heard] = []
        self.over = threading.Event()
        self.open = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle is what these tests are about."""


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        server = self.server
        with server.lock:
            server.open += 1
        try:
            while (heard := self._read()) is not None:
                with server.lock:
                    server.heard.append(heard)
                if not server.behave(server, self.connection, heard):
                    return
        finally:
            with server.lock:
                server.open -= 1

    def _read(self) -> Heard | None:
        line = self.rfile.readline().decode()
        if not line:
            return None
        method, path, _ = line.split()
        headers = {}
        while (text := self.rfile.readline().strip()) != b"":
            name, _, value = text.decode().partition(": ")
            headers[name.lower()] = value
        return Heard(method, path, headers, self.rfile.read(int(headers.get("content-length", "0"))))


@contextmanager
def remote_server(behave: Behaviour) -> Iterator[Server]:
    server = Server(behave)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def reply(status: int, body: bytes, **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode() + body


def says(make: Callable[[Any], Any], status: int = 200, **headers: str) -> Behaviour:
    """Answers with the JSON that ``make`` makes of the request's."""

    def behave(_: Server, connection: socket.socket, heard: Heard) -> bool:
        document = make(heard.json if heard.body else None)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        connection.sendall(reply(status, body, **headers))
        return True

    return behave


def scoring(row: Mapping[str, Any]) -> dict[str, Any]:
    """A model of the features of ``tests.gateways``: the older, the likelier."""
    score = row["age"] / 100
    return {"label": int(score >= 0.5), "score": score, "scores": {"0": 1 - score, "1": score}}


good = says(scoring)


def hangs(server: Server, _: socket.socket, __: Heard) -> bool:
    server.over.wait()
    return False


def resets(_: Server, connection: socket.socket, __: Heard) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def resets_in_its_answer(_: Server, connection: socket.socket, heard: Heard) -> bool:
    connection.sendall(b'HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{"label"')
    return resets(_, connection, heard)


def ends_in_its_answer(_: Server, connection: socket.socket, __: Heard) -> bool:
    connection.sendall(b'HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{"label"')
    return False


def sends(head: bytes, part: bytes, pause: float = 0.0) -> Behaviour:
    """Begins an answer, and goes on with the same part for ever."""

    def behave(server: Server, connection: socket.socket, _: Heard) -> bool:
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 X\r\n" + head)
            while not server.over.wait(pause):
                connection.sendall(part)
        return False

    return behave


drips = sends(b"content-length: 100000\r\n\r\n", b" ", 0.01)
"""A byte now and then, for ever: no read ever waits long."""

drips_its_headers = sends(b"", b"a: b\r\n", 0.01)
floods_its_headers = sends(b"", b"a-header: of some length\r\n" * 1000)
floods = sends(b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n")


def no_http(_: Server, connection: socket.socket, __: Heard) -> bool:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    return False


def moved(_: Server, connection: socket.socket, heard: Heard) -> bool:
    connection.sendall(reply(307, b"", location=heard.path))
    return True


FAULTS: dict[str, tuple[Behaviour, str]] = {
    "hangs": (hangs, "no answer within"),
    "resets": (resets, "broke the connection before it answered"),
    "resets in its answer": (resets_in_its_answer, "broke off in the middle of its answer|broke the connection"),
    "ends in its answer": (ends_in_its_answer, "broke off in the middle of its answer|broke the connection"),
    "no json": (says(lambda _: b"<html>"), "6 bytes that are no JSON"),
    "deep json": (says(lambda _: b"[" * 100_000), "no JSON"),
    "not utf-8": (says(lambda _: b'{"label": "\xff"}'), "no JSON"),
    "no answer in it": (says(lambda _: {"result": 1}), "no `label` in an object of `result`"),
    "another label": (
        says(lambda row: {**scoring(row), "label": 7}),
        "answered 7, which is not one of the labels 0, 1",
    ),
    "no label": (says(lambda row: {**scoring(row), "label": None}), "answered null, which is no label"),
    "a probability over 1": (says(lambda row: {**scoring(row), "score": 1.5}), "answered 1.5 as a probability"),
    "a score that is text": (says(lambda row: {**scoring(row), "score": "high"}), "'high' where a number is expected"),
    "an error of its own": (says(lambda _: {"error": "out of memory"}, 500), "answered 500: out of memory"),
    "an error without words": (says(lambda _: b"", 503), "answered 503"),
    "no content": (says(lambda _: b"", 204), "answered 204"),
    "moved": (moved, "answered 307"),
    "drips": (drips, "no answer within"),
    "drips its headers": (drips_its_headers, "no answer within|gave no answer in HTTP"),
    "floods its headers": (floods_its_headers, "no answer within|gave no answer in HTTP"),
    "floods": (floods, "answered with more than [0-9]+ bytes"),
    "announces a flood": (says(lambda _: b" " * 500_000), "answered with more than [0-9]+ bytes"),
    "compressed": (says(lambda _: b"\x1f\x8b", content_encoding="gzip"), "a content coding that it was not asked for"),
    "no http": (no_http, "gave no answer in HTTP"),
}
"""What can go wrong with a server, and words of the reason that a row keeps."""


def time_for(words: str) -> float:
    """Seconds to give a server with that fault: short where nothing else ends it, ample where something must."""
    return 0.25 if "no answer within" in words else 30.0


def json_slot(variant: str, url: str, signature: Signature, **remote: Any) -> Slot:
    """A variant that is a server of any JSON, beside a version of that signature."""
    given = {"answer": "$.label", "score": "$.score", "body": "{{ features }}", **remote}
    settled = settle_json(Remote(protocol="json", address=url, **given), signature)
    return remote_slot(variant, settled.signature, settled.remote)


def remote_slot(variant: str, signature: Signature, remote: Remote, timeout: float = 5.0) -> Slot:
    return Slot(
        variant=variant,
        model=variant,
        version=0,
        digest="remote",
        path="",
        runtime="remote",
        timeout=timeout,
        signature=signature,
        remote=remote,
    )


def within(slot: Slot, seconds: float) -> Slot:
    return msgspec.structs.replace(slot, timeout=seconds)
