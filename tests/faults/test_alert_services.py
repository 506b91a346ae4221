"""Services that take alerts badly: one hangs, one drips, one is away. Control goes on as if they did not.

Real sockets, real threads, a fake clock. Nothing is timed: what must not wait is over while the service still holds its
connection.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seatrial.control.loop import Loop
from seatrial.control.perform import Who, rollback
from seatrial.watch import delivery
from tests.harbour import RELEASE
from tests.scenarios.scene import Scene
from tests.waiting import wait_for

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")


class Webhook(ThreadingHTTPServer):
    """A webhook that keeps what it got; until it is ``open`` it holds every connection."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.got: list[dict[str, Any]] = []
        self.held = 0
        self.open = threading.Event()
        super().__init__(("127.0.0.1", port), _Hook)

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/hook"


class _Hook(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.got.append(body)
        self.server.held += 1
        self.server.open.wait(60)
        self.server.held -= 1
        try:
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()
        except OSError:
            pass  # nobody waited for the answer

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def webhooks() -> Iterator[tuple[Webhook, Webhook]]:
    """One that answers, and one that hangs until it is opened."""
    good, hanging = Webhook(), Webhook()
    good.open.set()
    threads = [threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}) for one in (good, hanging)]
    for thread in threads:
        thread.start()
    yield good, hanging
    for one, thread in zip((good, hanging), threads, strict=True):
        one.open.set()
        one.shutdown()
        thread.join()
        one.server_close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.loop = Loop(made.harbour.site, made.world, made.leadership)
    yield made
    made.close()


def told(*addresses: str) -> str:
    receivers = ", ".join(f'{{to: "{address}", digest: off}}' for address in addresses)
    return f"alerts: [{receivers}]\n"


def test_a_service_that_hangs_delays_neither_the_loop_nor_other_receivers(
    scene: Scene, webhooks: tuple[Webhook, Webhook], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, hanging = webhooks
    monkeypatch.setattr(delivery, "TIMEOUT", 30.0)
    scene.harbour.apply(TEST_ONLY + told(hanging.address, good.address))
    scene.world.recommendation, scene.world.worse = "stop", ("errors",)
    scene.step(seconds=120)
    wait_for(lambda: hanging.held and good.got, what="both were asked")
    assert scene.status() == "rolled-back"
    for _ in range(20):  # the loop goes round and round, and asks the one that hangs nothing more
        scene.step(seconds=60)
    assert (hanging.held, len(hanging.got)) == (1, 1)
    wait_for(lambda: len(scene.harbour.state.notices.open()) == 1, what="the other's message is taken")
    hanging.open.set()
    wait_for(lambda: not scene.harbour.state.notices.open(), what="its message is taken as well")
    assert {message["event"] for message in hanging.got} == {"rollback"}


def test_a_service_that_never_answers_in_time_gets_the_same_message_again_until_it_does(
    scene: Scene, webhooks: tuple[Webhook, Webhook], monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = webhooks[1]
    monkeypatch.setattr(delivery, "TIMEOUT", 0.05)
    scene.harbour.apply(TEST_ONLY + told(hanging.address))
    rollback(scene.harbour.site, "churn", Who("ada", "because"))

    def tried(times: int) -> None:
        scene.step(seconds=3600)
        wait_for(lambda: scene.harbour.state.notices.of("churn")[0].attempts == times, what=f"{times} tries")

    tried(1)
    assert "Timeout" in scene.harbour.state.alerts.of("churn")[-1].error
    tried(2)
    hanging.open.set()
    monkeypatch.setattr(delivery, "TIMEOUT", 10.0)
    tried(3)
    assert scene.harbour.state.notices.open() == ()
    assert len(hanging.got) == 3
    assert {message["id"] for message in hanging.got} == {hanging.got[0]["id"]}


def test_a_service_that_drips_its_answer_holds_one_thread_and_nothing_else(
    scene: Scene, webhooks: tuple[Webhook, Webhook]
) -> None:
    good = webhooks[0]
    with ExitStack() as closing, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        drip = f"json://127.0.0.1:{listener.getsockname()[1]}/x"
        scene.harbour.apply(TEST_ONLY + told(drip, good.address))
        rollback(scene.harbour.site, "churn", Who("ada", "because"))
        scene.step()
        connection = closing.enter_context(listener.accept()[0])
        connection.sendall(b"HTTP/1.1 200")
        before = threading.active_count()
        for _ in range(20):
            connection.sendall(b" ")
            scene.step(seconds=600)
        assert threading.active_count() <= before + 1
        wait_for(lambda: good.got, what="the good one's message")
        connection.sendall(b"OK\r\ncontent-length: 0\r\n\r\n")
        wait_for(lambda: not scene.harbour.state.notices.open(), what="both are taken")


def test_a_service_that_comes_back_after_a_day_gets_what_it_missed(scene: Scene) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        scene.harbour.apply(TEST_ONLY + told(f"json://127.0.0.1:{port}/hook"))
        rollback(scene.harbour.site, "churn", Who("ada", "because"))
        for times in (1, 2, 3):
            scene.step(days=0.5)
            wait_for(lambda n=times: scene.harbour.state.notices.of("churn")[0].attempts == n, what="a try")  # type: ignore[misc]
    back = Webhook(port)
    back.open.set()
    thread = threading.Thread(target=back.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        scene.step(days=0.5)
        wait_for(lambda: back.got, what="the message")
        wait_for(lambda: not scene.harbour.state.notices.open(), what="it is taken")
    finally:
        back.shutdown()
        thread.join()
        back.server_close()
    assert back.got[0]["event"] == "rollback"
