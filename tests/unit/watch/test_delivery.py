"""Alerts on their way: a webhook that takes them, one that refuses, one that is away, one that hangs."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from seatrial.releases.records import Alert
from seatrial.spec.deployment import AlertSpec
from seatrial.spec.errors import BadInput
from seatrial.watch import delivery
from seatrial.watch.delivery import Delivery, address_of, deliver, line_of

ALERT = Alert(
    deployment="mail",
    at=1_700_000_000_000_000,
    event="data.major",
    key="data/champion/begins/0",
    severity="critical",
    sentence="It moved.",
    details='{"condition": "data/champion"}',
)


class Receiver(HTTPServer):
    """A webhook in a thread; answers what ``status`` says and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, Any]]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Hook)


class Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, self.headers["content-type"], json.loads(body)))
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


def to(receiver: Receiver, *events: str) -> AlertSpec:
    return AlertSpec(to=f"json://127.0.0.1:{receiver.server_port}/hook", events=events)


def test_a_webhook_receives_the_alert_as_json(receiver: Receiver) -> None:
    assert deliver(ALERT, [to(receiver)]) == (Delivery(to(receiver).to, ""),)
    ((path, kind, body),) = receiver.got
    assert (path, kind) == ("/hook", "application/json")
    assert body == {
        "deployment": "mail",
        "event": "data.major",
        "severity": "critical",
        "sentence": "It moved.",
        "at": "2023-11-14T22:13:20Z",
        "key": "data/champion/begins/0",
        "details": {"condition": "data/champion"},
    }


def test_only_receivers_that_ask_for_the_event_get_it(receiver: Receiver) -> None:
    assert (
        deliver(ALERT, [to(receiver, "rollback"), to(receiver, "data"), to(receiver, "data.major")])
        == (Delivery(to(receiver).to, ""),) * 2
    )
    assert len(receiver.got) == 2


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_a_failure_and_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    assert deliver(ALERT, [to(receiver)])[0].error == f"it answered {status}"
    assert len(receiver.got) == 1


def test_a_receiver_that_is_away_is_a_failure_and_others_still_get_it(receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = AlertSpec(to=f"json://127.0.0.1:{taken.getsockname()[1]}/hook")
        first, second = deliver(ALERT, [away, to(receiver)])
    assert first.error == "ConnectionError: Connection refused"
    assert second.error == ""


def test_a_receiver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (found,) = deliver(ALERT, [AlertSpec(to=f"json://127.0.0.1:{silent.getsockname()[1]}")])
    assert "Timeout" in found.error


def test_addresses() -> None:
    assert address_of("json://host:9000/hook") == "http://host:9000/hook"
    assert address_of("jsons://host/hook?a=b") == "https://host/hook?a=b"
    for wrong in ("mailto://team", "json://", "http://host"):
        with pytest.raises(BadInput, match="json://host:port/path"):
            address_of(wrong)
    assert deliver(ALERT, [AlertSpec(to="json://[bad")])[0].error != ""


def test_a_line_of_the_terminal() -> None:
    assert line_of(ALERT) == "2023-11-14 22:13:20 critical mail data.major: It moved."


def test_an_address_with_a_secret_is_not_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    to = f"json://127.0.0.1:{receiver.server_address[1]}/hook/s3cr3t"
    with caplog.at_level(logging.DEBUG):
        assert deliver(ALERT, [AlertSpec(to=to, events=("data",))]) == (Delivery(to, ""),)
    assert receiver.got[0][0] == "/hook/s3cr3t"
    assert "s3cr3t" not in caplog.text
