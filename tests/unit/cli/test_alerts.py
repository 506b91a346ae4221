"""``seatrial alerts``: what is told, what people do about it, and the exit codes."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from seatrial.cli.app import run
from seatrial.releases.records import Alert
from seatrial.watch.alerts import Condition
from tests.harbour import PLAIN, Harbour


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    """A home with a deployment and an open condition that nobody has taken on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))
    made = Harbour(tmp_path)
    made.apply(PLAIN)
    condition = Condition(
        condition="data/champion", edge="begins", severity="major", variant="champion", start=0, end=1
    )
    made.state.alerts.add(
        Alert(
            deployment="churn",
            at=made.clock.now,
            event="data.major",
            key="data/champion/begins/0",
            severity="critical",
            sentence="tenure moved.",
            details=msgspec.json.encode(condition).decode(),
        )
    )
    yield made
    made.close()


@pytest.mark.usefixtures("harbour")
def test_what_is_open_is_a_no_until_somebody_takes_it_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "list", "churn"]) == 1
    told = capsys.readouterr().out
    assert "data.major: tenure moved.  (waits)" in told
    assert "open: data/champion is major, and nobody has taken it on" in told
    assert run(["alerts", "ack", "churn", "1", "--reason", "on it"]) == 0
    assert run(["alerts", "list", "churn"]) == 0
    assert "taken on by" in capsys.readouterr().out


@pytest.mark.parametrize("terminal", [False, True])
def test_status_cuts_a_long_alert_on_a_terminal_only(
    harbour: Harbour, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    long = " ".join(f"tenure-{number} moved," for number in range(40))
    (alert,) = harbour.state.alerts.of("churn")
    harbour.state.alerts.add(msgspec.structs.replace(alert, key="data/champion/begins/1", sentence=long))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert run(["status", "churn"]) == 0
    told = capsys.readouterr().out
    assert (f"data.major: {long}\n" in told) is not terminal
    assert (" …\n" in told) is terminal


@pytest.mark.usefixtures("harbour")
def test_a_mute_heeds_it_as_well_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "mute", "churn", "data", "--for", "2d", "--reason", "the sale is on"]) == 0
    assert run(["alerts", "list", "churn", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert (found["unheeded"], found["mutes"][0]["what"]) == ([], "data")
    assert run(["alerts", "unmute", "churn", "data", "--reason", "over", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ended"] == 1
    assert run(["alerts", "list", "churn"]) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("alerts ack churn 99 --reason x", "no alert 99"),
        ("alerts mute churn datta --for 1d --reason x", "did you mean `data`"),
        ("alerts mute churn data --for soon --reason x", "soon"),
        ("alerts unmute churn data --reason x", "not muted"),
        ("alerts test churn", "names nobody"),
        ("alerts list chrun", "chrun"),
    ],
)
@pytest.mark.usefixtures("harbour")
def test_what_cannot_be_done_is_bad_input_in_a_sentence(
    line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert says in told


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_a_test_says_who_took_it(harbour: Harbour, capsys: pytest.CaptureFixture[str]) -> None:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        good = f"json://127.0.0.1:{server.server_port}/hook"
        harbour.apply(PLAIN + f'alerts: [{{to: "{good}"}}]\n')
        assert run(["alerts", "test", "churn"]) == 0
        assert capsys.readouterr().out == f"{good}: taken\n"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            away = f"json://127.0.0.1:{taken.getsockname()[1]}/hook"
            harbour.apply(PLAIN + f'alerts: [{{to: "{good}"}}, {{to: "{away}"}}]\n')
            assert run(["alerts", "test", "churn", "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert {one["to"]: one["error"] for one in told} == {good: "", away: "ConnectionError: Connection refused"}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
