"""A worker that dies while it prepares, a disk that is full, a control process that is asked to stop."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seatrial.releases import publication as publishing
from seatrial.releases.leadership import Leadership
from seatrial.releases.publication import PreparationFailed, Publication
from seatrial.spec.errors import Unavailable
from tests.harbour import Harbour, gateway_worker
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
STUCK = """
import sys, time
from pathlib import Path
from seatrial.releases.subscription import Subscription
subscription = Subscription(Path(sys.argv[1]), sys.argv[2])
subscription.join()
print("joined", flush=True)
while not any(change.kind == "prepare" and change.snapshot.revision > 1 for change in subscription.poll()):
    time.sleep(0.002)
print("preparing", flush=True)
sys.stdin.read()
"""


@contextmanager
def stuck_worker(home: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that joins, and says when it prepares revision 2; it never acknowledges."""
    command = [sys.executable, "-c", STUCK, str(home), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"joined\n"
        try:
            yield process
        finally:
            process.kill()


def said_preparing(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"preparing\n"


class Publishing(threading.Thread):
    """Publishes revision 2 of what is served, and keeps what came of it."""

    def __init__(self, harbour: Harbour, timeout: float) -> None:
        super().__init__()
        import msgspec

        self.publication = harbour.publication
        self.snapshot = msgspec.structs.replace(harbour.serving, revision=2)
        self.timeout = timeout
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.publication.publish(self.snapshot, self.timeout)
        except Unavailable as error:
            self.error = error


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    made.apply()
    yield made
    made.close()


@pytest.mark.processes
def test_worker_killed_while_preparing_is_not_ready_and_blocks_nobody_for_ever(harbour: Harbour) -> None:
    with gateway_worker(harbour.home, "w0"), stuck_worker(harbour.home, "w1") as victim:
        publishing_now = Publishing(harbour, timeout=5.0)
        publishing_now.start()
        said_preparing(victim)
        victim.kill()
        publishing_now.join()
        assert isinstance(publishing_now.error, PreparationFailed)
        assert "w1 died while preparing it and no other took its place" in publishing_now.error.reason
        assert harbour.publication.active("churn") == 1
        assert harbour.publication.workers() == ("w0",)
        assert harbour.publication.clean_up() == ()
        assert not (harbour.home / "gateway/workers/w1.lock").exists()


@pytest.mark.processes
def test_worker_killed_while_preparing_is_replaced_by_another(harbour: Harbour) -> None:
    with gateway_worker(harbour.home, "w0"), stuck_worker(harbour.home, "w1") as victim:
        publishing_now = Publishing(harbour, timeout=30)
        publishing_now.start()
        said_preparing(victim)
        victim.kill()
        wait_for(lambda: harbour.publication.died("w1"))
        assert publishing_now.is_alive()
        with gateway_worker(harbour.home, "w2"):
            publishing_now.join()
            assert publishing_now.error is None
            assert harbour.publication.active("churn") == 2


@pytest.mark.processes
def test_snapshot_that_kills_worker_after_worker_is_withdrawn_at_once(harbour: Harbour) -> None:
    with (
        gateway_worker(harbour.home, "w0"),
        stuck_worker(harbour.home, "w1") as one,
        stuck_worker(harbour.home, "w2") as two,
    ):
        publishing_now = Publishing(harbour, timeout=120)
        publishing_now.start()
        for victim in (one, two):
            said_preparing(victim)
            victim.kill()
        publishing_now.join()
        assert isinstance(publishing_now.error, PreparationFailed)
        assert "workers died while preparing it" in publishing_now.error.reason
        assert harbour.publication.active("churn") == 1


@pytest.mark.processes
def test_only_worker_killed_while_preparing_does_not_make_it_active(harbour: Harbour) -> None:
    """With no worker alive a snapshot is active at once; but not when it has just killed the last one."""
    with stuck_worker(harbour.home, "w1") as victim:
        publishing_now = Publishing(harbour, timeout=5.0)
        publishing_now.start()
        said_preparing(victim)
        victim.kill()
        publishing_now.join()
    assert isinstance(publishing_now.error, PreparationFailed)
    assert harbour.publication.active("churn") == 1


def test_worker_that_leaves_in_good_order_is_not_waited_for(harbour: Harbour) -> None:
    from seatrial.releases.subscription import Subscription

    leaving = Subscription(harbour.home, "w1")
    leaving.join()
    with gateway_worker(harbour.home, "w0"):
        publishing_now = Publishing(harbour, timeout=30)
        publishing_now.start()
        wait_for(lambda: harbour.publication.acknowledgement("w0", "churn").prepared == 2)
        assert publishing_now.is_alive()
        leaving.leave()
        publishing_now.join()
        assert publishing_now.error is None
        assert harbour.publication.active("churn") == 2


def test_full_disk_changes_nothing_and_says_so(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("create_whole", "write_pointer"):
        with monkeypatch.context() as patched:
            patched.setattr(publishing, name, full)
            with pytest.raises(Unavailable, match=r"could not be published: .*No space left"):
                harbour.apply('deployment: churn\nvariants: {champion: {model: "models:/churn/2"}}\n')
        assert harbour.publication.active("churn") == 1
        assert harbour.state.deployments.pending("churn") == ()
        assert harbour.versions == {"champion": "churn:1"}
    harbour.apply('deployment: churn\nvariants: {champion: {model: "models:/churn/2"}}\n')
    assert harbour.versions["champion"] == "churn:2"


def test_rolls_are_called_while_workers_come_and_go(tmp_path: Path) -> None:
    """Join and leave race with the publisher's question who lives; no worker is ever lost or refused."""
    publication = Publication(tmp_path)
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            publication.workers()
            publication.clean_up()

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for turn in range(30):
            with gateway_worker(tmp_path, f"w{turn % 3}"):
                assert f"w{turn % 3}" in publication.workers()
    finally:
        over.set()
        for thread in asking:
            thread.join()
    assert publication.workers() == ()


@pytest.mark.processes
def test_control_process_leads_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEATRIAL_")}
    command = [sys.executable, "-m", "seatrial.control", "--home", str(tmp_path / "home"), "--every", "0.05"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    ) as process:
        url = f"sqlite:///{tmp_path / 'home' / 'state.db'}"
        follower = Leadership(tmp_path / "home", url)
        wait_for((tmp_path / "home" / "leader.lock").exists, seconds=60)
        wait_for(lambda: (tmp_path / "home" / "leader.lock").read_text() == str(process.pid))
        assert not follower.take()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert follower.take()
        follower.release()
