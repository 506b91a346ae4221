"""A tiny HTTP server that answers as a test tells it, and one that breaks connections as a test tells it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = tuple[int, Any]
"""Status and body: bytes as they are, anything else as JSON."""


class Server:
    """Remembers what it was asked, and answers with ``answer(method, path, body)``."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[str, str, Any], Answer] = lambda *_: (200, {})
        self.retry_after = "0"
        self.connections = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def _handle(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(raw) if raw else None
                server.asked.append((self.command, self.path, body))
                server.headers.append(dict(self.headers))
                status, content = server.answer(self.command, self.path, body)
                written = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(written)))
                if status in (429, 503):
                    self.send_header("Retry-After", server.retry_after)
                self.end_headers()
                self.wfile.write(written)

            do_GET = do_POST = _handle  # noqa: N815 (the names that the standard library calls)

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def bodies(self, path: str) -> list[Any]:
        """What was posted to a path."""
        return [body for _, asked, body in self.asked if asked == path]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


class Breaker:
    """Takes connections and does to each what ``script`` says: bytes to send (after a request came), then closes.

    ``None`` in the script: keep the connection open and say nothing. After the script's end its last line repeats.
    """

    def __init__(self, *script: bytes | None) -> None:
        self.script = script
        self.connections = 0
        self._kept: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            line = self.script[min(self.connections, len(self.script) - 1)]
            self.connections += 1
            if line is None:
                self._kept.append(taken)
                continue
            with taken:
                taken.settimeout(5)
                if line:
                    taken.recv(1 << 16)
                    taken.sendall(line)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for kept in self._kept:
            kept.close()


@pytest.fixture
def breaker() -> Iterator[Callable[..., Breaker]]:
    made: list[Breaker] = []

    def make(*script: bytes | None) -> Breaker:
        made.append(Breaker(*script))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def nobody() -> str:
    """The URL of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
