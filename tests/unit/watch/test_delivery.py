"""Alerts on their way: a webhook that takes them, one that refuses, one that is away, one that hangs."""

import json
import logging
import socket
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


def test_a_receiver_that_drips_its_answer_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEADLINE", 0.2)
    given_up = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not given_up.wait(0.01):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        said: list[str] = []
        address = f"json://127.0.0.1:{listener.getsockname()[1]}/hook"
        trying = threading.Thread(target=lambda: said.append(deliver(address, MESSAGE)), daemon=True)
        trying.start()
        trying.join(30)
        given_up.set()
        thread.join()
    assert said == ["Timeout"]


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


def test_any_other_address_goes_through_apprise(apprise: type[Apprise]) -> None:
    assert deliver("slack://a/b/c", MESSAGE) == ""
    ((address, message),) = apprise.given
    assert address == "slack://a/b/c"
    assert (message["title"], message["notify_type"]) == ("mail: data.major", "failure")
    assert message["body"].endswith("\n(n1)")


def test_what_apprise_refuses_is_a_failure_that_quotes_no_address(
    apprise: type[Apprise], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deliver("slack://nonsense", MESSAGE) == "Apprise does not know an address of slack:// like this"
    monkeypatch.setattr(apprise, "taken", False)
    assert deliver("slack://a/b/c", MESSAGE) == "the service did not take it"


def test_without_apprise_the_failure_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert deliver("mailto://team", MESSAGE).endswith("pip install 'seatrial[alerts]'")


@pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")
def test_the_library_itself_takes_these_calls(receiver: Receiver) -> None:
    pytest.importorskip("apprise", reason="Apprise is not installed: pip install seatrial[alerts]")
    assert deliver(f"form://127.0.0.1:{receiver.server_port}/hook", MESSAGE) == ""
    assert len(receiver.got) == 1
