"""Alerts on their way: a webhook that takes them, one that refuses, one that is away, one that hangs."""

import contextlib
import json
import logging
import signal
import socket
import struct
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from seatrial.releases.records import Alert
from seatrial.spec.errors import BadInput
from seatrial.watch import delivery
from seatrial.watch.delivery import Refusal, address_of, deliver, line_of
from seatrial.watch.services import notify
from seatrial.watch.telling import message_of, told_of

ALERT = Alert(
    deployment="mail",
    at=1_700_000_000_000_000,
    event="data.major",
    key="data/champion/begins/0",
    severity="critical",
    sentence="It moved.",
    details='{"condition": "data/champion"}',
)


MESSAGE = message_of("n1", "alert", "mail", [ALERT], told_of("mail", [ALERT]), 7)


class Receiver(HTTPServer):
    """A webhook in a thread; answers what ``status`` says and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Hook)


class Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        told = json.loads(body) if body.startswith(b"{") else {}
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, told))
        self.send_response(self.server.status)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def to(receiver: Receiver, path: str = "hook") -> str:
    return f"json://127.0.0.1:{receiver.server_port}/{path}"


def test_a_webhook_receives_the_message_as_json_under_its_id(receiver: Receiver) -> None:
    assert deliver(to(receiver), MESSAGE) == ""
    ((path, headers, body),) = receiver.got
    assert (path, headers["content-type"], headers["idempotency-key"]) == ("/hook", "application/json", "n1")
    assert body["text"].startswith("It moved.")
    assert {
        name: body[name] for name in ("id", "kind", "deployment", "event", "severity", "sentence", "at", "key")
    } == {
        "id": "n1",
        "kind": "alert",
        "deployment": "mail",
        "event": "data.major",
        "severity": "critical",
        "sentence": "It moved.",
        "at": "2023-11-14T22:13:20Z",
        "key": "data/champion/begins/0",
    }
    assert body["details"] == {"condition": "data/champion"}
    assert [alert["key"] for alert in body["alerts"]] == ["data/champion/begins/0"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_a_failure_and_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    assert deliver(to(receiver), MESSAGE) == f"it answered {status}"
    assert len(receiver.got) == 1


def test_a_receiver_that_is_away_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = deliver(f"json://127.0.0.1:{taken.getsockname()[1]}/hook", MESSAGE)
    assert error == "ConnectionError: Connection refused"


def test_a_receiver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "Timeout" in deliver(f"json://127.0.0.1:{silent.getsockname()[1]}", MESSAGE)


class Dripping:
    """A server that never ends the headers of its answer, and is never silent."""

    def __init__(self, resets: bool = False) -> None:
        self.over = threading.Event()
        self._resets = resets
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self.dripped = 0
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Dripping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection, contextlib.suppress(OSError):
                self._drip(connection)

    def _drip(self, connection: socket.socket) -> None:
        if self._resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not self.over.wait(0.01):
            connection.sendall(b"a")
            self.dripped += 1


def said_of(address: str) -> list[str]:
    """What became of a message, where a thread that never comes back must not hold the test."""
    said: list[str] = []
    trying = threading.Thread(target=lambda: said.append(deliver(address, MESSAGE)), daemon=True)
    trying.start()
    trying.join(30)
    return said


def test_a_receiver_that_drips_its_answer_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEADLINE", 0.2)
    with Dripping() as server:
        assert said_of(f"json://127.0.0.1:{server.port}/hook") == ["Timeout"]


def test_a_reset_when_the_time_is_over_is_said_to_be_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is still sending when its connection is ended answers with a reset, which may be read first."""
    monkeypatch.setattr(delivery, "DEADLINE", 0.2)
    with Dripping(resets=True) as server:

        def end(limit: Any) -> None:
            limit._over.set()
            server.over.set()

        monkeypatch.setattr(delivery._Limit, "_end", end)
        assert said_of(f"json://127.0.0.1:{server.port}/hook") == ["Timeout"]


def test_a_service_of_apprise_that_drips_its_answer_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("apprise", reason="Apprise is not installed: pip install seatrial[alerts]")
    monkeypatch.setattr(delivery, "SERVICE_DEADLINE", 5.0)
    with Dripping() as server:
        assert said_of(f"xml://127.0.0.1:{server.port}/hook") == ["the service had not taken it after 5 s"]
        assert server.dripped, "the library had asked it"


def test_a_process_that_tells_a_service_ends_with_its_time_where_nobody_waits_for_it() -> None:
    pytest.importorskip("apprise", reason="Apprise is not installed: pip install seatrial[alerts]")
    with Dripping() as server:
        asked = {"to": f"xml://127.0.0.1:{server.port}/hook", "title": "t", "body": "b", "kind": "info", "seconds": 1}
        done = subprocess.run(
            [sys.executable, "-m", "seatrial.watch.services"], input=json.dumps(asked).encode(), timeout=60, check=False
        )
    assert done.returncode == -signal.SIGALRM


def test_a_service_is_told_through_the_library_itself(receiver: Receiver) -> None:
    pytest.importorskip("apprise", reason="Apprise is not installed: pip install seatrial[alerts]")
    assert deliver(f"form://127.0.0.1:{receiver.server_port}/hook", MESSAGE) == ""
    assert len(receiver.got) == 1
    assert deliver("slack://nonsense", MESSAGE) == "Apprise does not know an address of slack:// like this"


@pytest.mark.parametrize(
    ("status", "lasts"), [(400, True), (413, True), (422, True), (401, False), (404, False), (429, False), (503, False)]
)
def test_a_refusal_of_the_message_itself_is_told_from_one_of_the_moment(status: int, lasts: bool) -> None:
    said = deliver("json://127.0.0.1:9/hook", MESSAGE, lambda _address, _body: status)
    assert (said, isinstance(said, Refusal)) == (f"it answered {status}", lasts)


def test_addresses() -> None:
    assert address_of("json://host:9000/hook") == "http://host:9000/hook"
    assert address_of("jsons://host/hook?a=b") == "https://host/hook?a=b"
    for wrong in ("json://", "http://host"):
        with pytest.raises(BadInput, match="json://host:port/path"):
            address_of(wrong)
    assert deliver("json://[bad", MESSAGE) != ""


def test_a_line_of_the_terminal() -> None:
    assert line_of(ALERT) == "2023-11-14 22:13:20 critical mail data.major: It moved."


def test_an_address_with_a_secret_is_not_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert deliver(to(receiver, "hook/s3cr3t"), MESSAGE) == ""
    assert receiver.got[0][0] == "/hook/s3cr3t"
    assert "s3cr3t" not in caplog.text


class Apprise:
    """Stands for the library: the same two calls, and what they were given."""

    taken = True
    given: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def __init__(self) -> None:
        self.address = ""

    def add(self, address: str) -> bool:
        self.address = address
        return "nonsense" not in address

    def notify(self, **message: str) -> bool:
        self.given.append((self.address, message))
        return self.taken


@pytest.fixture
def apprise(monkeypatch: pytest.MonkeyPatch) -> type[Apprise]:
    module = types.ModuleType("apprise")
    module.Apprise = Apprise  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apprise", module)
    monkeypatch.setattr(Apprise, "given", [])
    return Apprise


def test_a_service_is_told_by_two_calls_of_the_library(apprise: type[Apprise]) -> None:
    assert notify("slack://a/b/c", "mail: data.major", "It moved.", "failure") == ""
    ((address, message),) = apprise.given
    assert address == "slack://a/b/c"
    assert message == {"title": "mail: data.major", "body": "It moved.", "notify_type": "failure"}


def test_what_apprise_refuses_is_a_failure_that_quotes_no_address(
    apprise: type[Apprise], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notify("slack://nonsense", "t", "b", "info") == "Apprise does not know an address of slack:// like this"
    monkeypatch.setattr(apprise, "taken", False)
    assert notify("slack://a/b/c", "t", "b", "info") == "the service did not take it"


def test_without_apprise_the_failure_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert notify("mailto://team", "t", "b", "info").endswith("pip install 'seatrial[alerts]'")
