"""Publication and subscription: one protocol of files between control and the gateway's workers."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seatrial.processes.home import HomeLock
from seatrial.releases import publication as publishing
from seatrial.releases.layout import Acknowledgement, Failure, write_pointer
from seatrial.releases.publication import PreparationFailed, Publication, ServedLate
from seatrial.releases.subscription import Subscription
from seatrial.routing.snapshot import Arm, Entry, Slot, Snapshot
from seatrial.spec.errors import BadInput, Conflict, NotFound
from seatrial.spec.signature import Answer, Feature, Signature, Tensor

SIGNATURE = Signature(
    task="regression",
    features=(Feature(name="x", kind="number"),),
    inputs=(Tensor(name="in", datatype="FP32", shape=(-1, 1), features=("x",)),),
    outputs=(Tensor(name="out", datatype="FP32", shape=(-1, 1)),),
    answer=Answer(prediction="out"),
)


def snapshot(revision: int, deployment: str = "churn", version: int = 1) -> Snapshot:
    slot = Slot(
        variant="champion",
        model="churn",
        version=version,
        digest="d" * 64,
        path="/store/d",
        runtime="onnx",
        signature=SIGNATURE,
    )
    return Snapshot(
        deployment=deployment,
        revision=revision,
        task="regression",
        unit_name="customer",
        slots=(slot,),
        default="champion",
        fallback='{"prediction": 0}',
        entries=(Entry(name="everybody", arms=(Arm("champion", 1.0),), salt="s"),),
    )


def follow(subscription: Subscription, *, fail: str | None = None) -> list[tuple[str, int]]:
    """Do once what a gateway's worker does; with ``fail`` no snapshot can be loaded."""
    done: list[tuple[str, int]] = []
    for change in subscription.poll():
        revision = change.snapshot.revision
        done.append((change.kind, revision))
        if change.kind == "prepare":
            subscription.acknowledge(change.deployment, revision, fail)
        elif change.kind == "activate":
            subscription.activated(change.deployment, revision)
    return done


@contextmanager
def worker(home: Path, name: str, *, fail: str | None = None) -> Iterator[list[tuple[str, int]]]:
    """A live worker in a thread; yields what it was told."""
    subscription = Subscription(home, name)
    subscription.join()
    done: list[tuple[str, int]] = []
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            done.extend(follow(subscription, fail=fail))
            over.wait(0.005)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()
        subscription.leave()


def eventually(condition: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.005)


def test_publish_without_workers_is_active_at_once(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    publication.publish(snapshot(1), timeout=0)
    assert publication.active("churn") == 1
    assert publication.read("churn", 1) == snapshot(1)
    assert Subscription(tmp_path, "w0").active() == {"churn": snapshot(1)}


def test_a_system_between_two_lives_of_its_only_worker_prepares_it_first(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    with lock_of_a_system(tmp_path):
        with pytest.raises(
            PreparationFailed, match=r"no worker was there to prepare it for 0\.05 s, though the system"
        ):
            publication.publish(snapshot(1), timeout=0.05)
        assert publication.active("churn") is None
        late: list[object] = []
        thread = threading.Thread(target=lambda: late.append(publication.publish(snapshot(2), timeout=30)))
        thread.start()
        eventually(lambda: (tmp_path / "gateway" / "proposed" / "churn.json").exists())
        with worker(tmp_path, "w0") as done:
            thread.join(30)
        assert late == [None]
    assert done == [("prepare", 2), ("activate", 2)]


@contextmanager
def lock_of_a_system(home: Path) -> Iterator[None]:
    lock = HomeLock(home)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def test_publish_waits_for_every_worker_and_returns_when_all_serve(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    with worker(tmp_path, "w0") as first, worker(tmp_path, "w1") as second:
        publication.publish(snapshot(1), timeout=10)
        assert [publication.acknowledgement(w, "churn").active for w in ("w0", "w1")] == [1, 1]
    assert first == second == [("prepare", 1), ("activate", 1)]


def test_one_failure_withdraws_everywhere_and_the_reason_is_kept(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    publication.publish(snapshot(1), timeout=0)
    with worker(tmp_path, "w0") as good, worker(tmp_path, "w1", fail="no such tensor: in"):
        with pytest.raises(PreparationFailed, match=r"worker w1 .*no such tensor"):
            publication.publish(snapshot(2), timeout=10)
        eventually(lambda: good[-1:] in ([("withdraw", 2)], [("activate", 1)]))
        assert ("activate", 2) not in good
    assert publication.active("churn") == 1
    assert "no such tensor" in (publication.withdrawn_because("churn", 2) or "")
    assert publication.withdrawn_because("churn", 1) is None
    assert publication.next_revision("churn") == 3


def test_publish_withdraws_when_a_worker_is_too_slow(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    asleep = Subscription(tmp_path, "w0")
    asleep.join()
    with pytest.raises(PreparationFailed, match=r"w0 did not prepare it within 0\.05 s"):
        publication.publish(snapshot(1), timeout=0.05)
    assert publication.active("churn") is None
    asleep.leave()


def test_publish_refuses_a_taken_or_old_revision(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    publication.publish(snapshot(5), timeout=0)
    for revision in (5, 4):
        with pytest.raises(Conflict, match=f"revision {revision} of deployment 'churn' is taken"):
            publication.publish(snapshot(revision, version=2), timeout=0)
    assert publication.read("churn", 5) == snapshot(5)


def test_second_publication_of_a_deployment_is_refused_while_one_is_preparing(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    slow = Subscription(tmp_path, "w0")
    slow.join()
    first = threading.Thread(target=publication.publish, args=(snapshot(1), 10))
    first.start()
    eventually(lambda: (tmp_path / "gateway/proposed/churn.json").exists())
    with pytest.raises(Conflict, match="another revision of deployment 'churn' is being prepared"):
        Publication(tmp_path).publish(snapshot(2), timeout=1)
    assert Publication(tmp_path).clean_up() == ()
    eventually(lambda: follow(slow)[-1:] == [("activate", 1)])
    first.join()
    assert publication.active("churn") == 1
    slow.leave()


def test_proposal_of_a_killed_publisher_is_withdrawn_by_the_next(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    publication.publish(snapshot(1), timeout=0)
    publication._write(snapshot(2))
    write_pointer(tmp_path / "gateway/proposed/churn.json", 2)
    subscription = Subscription(tmp_path, "w0")
    subscription.join()
    subscription.active()
    subscription.activated("churn", 1)
    assert follow(subscription) == [("prepare", 2)]
    assert publication.clean_up() == ("churn",)
    assert follow(subscription) == [("withdraw", 2)]
    assert publication.active("churn") == 1
    assert "ended before it was done" in (publication.withdrawn_because("churn", 2) or "")
    subscription.leave()


def test_proposal_left_after_activation_is_only_tidied(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    publication.publish(snapshot(1), timeout=0)
    write_pointer(tmp_path / "gateway/proposed/churn.json", 1)
    assert publication.clean_up() == ()
    assert publication.withdrawn_because("churn", 1) is None
    assert not (tmp_path / "gateway/proposed/churn.json").exists()


def test_an_active_revision_that_was_never_prepared_is_prepared_first(tmp_path: Path) -> None:
    subscription = Subscription(tmp_path, "w0")
    subscription.join()
    assert subscription.active() == {}
    publication = Publication(tmp_path)
    publication._write(snapshot(1))
    write_pointer(tmp_path / "gateway/active/churn.json", 1)  # activated while this worker was starting
    assert follow(subscription) == [("prepare", 1)]
    assert follow(subscription) == [("activate", 1)]
    assert follow(subscription) == []
    subscription.leave()


def test_a_proposal_during_the_start_of_a_worker_loses_neither(tmp_path: Path) -> None:
    """The active revision and the proposed one are prepared at the same time, and finish in any order."""
    for order in ((1, 2), (2, 1)):
        home = tmp_path / f"{order[0]}"
        publication = Publication(home)
        publication.publish(snapshot(1), timeout=0)
        publication._write(snapshot(2))
        write_pointer(home / "gateway/proposed/churn.json", 2)
        subscription = Subscription(home, "w0")
        subscription.join()
        assert [(c.kind, c.snapshot.revision) for c in subscription.poll()] == [("prepare", 1), ("prepare", 2)]
        for revision in order:
            subscription.acknowledge("churn", revision)
        assert publication.acknowledgement("w0", "churn").prepared == 2
        assert follow(subscription) == [("activate", 1)]
        assert publication.acknowledgement("w0", "churn").prepared == 2, "what was prepared beside stays said"
        publication.clean_up()
        assert follow(subscription) == [("withdraw", 2)]
        assert publication.acknowledgement("w0", "churn") == Acknowledgement(prepared=1, active=1)
        subscription.leave()


def test_a_failed_proposal_is_still_said_after_another_revision_is_activated(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    publication.publish(snapshot(1), timeout=0)
    publication._write(snapshot(2))
    write_pointer(tmp_path / "gateway/proposed/churn.json", 2)
    subscription = Subscription(tmp_path, "w0")
    subscription.join()
    subscription.poll()
    subscription.acknowledge("churn", 2, "no memory")
    subscription.acknowledge("churn", 1)
    subscription.activated("churn", 1)
    failed = publication.acknowledgement("w0", "churn").failed
    assert failed == Failure(2, "no memory")
    subscription.leave()


def test_prepare_is_asked_once_however_often_one_polls(tmp_path: Path) -> None:
    subscription = Subscription(tmp_path, "w0")
    subscription.join()
    Publication(tmp_path)._write(snapshot(1))
    write_pointer(tmp_path / "gateway/proposed/churn.json", 1)
    assert [c.kind for c in subscription.poll()] == ["prepare"]
    assert subscription.poll() == ()
    subscription.leave()


def test_acknowledging_what_was_withdrawn_is_ignored(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    subscription = Subscription(tmp_path, "w0")
    subscription.join()
    publication._write(snapshot(1))
    write_pointer(tmp_path / "gateway/proposed/churn.json", 1)
    subscription.poll()
    publication.clean_up()
    subscription.poll()
    subscription.acknowledge("churn", 1)
    assert publication.acknowledgement("w0", "churn").prepared is None
    subscription.leave()


def test_remove_stops_serving_and_keeps_the_past(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    with worker(tmp_path, "w0") as done:
        publication.publish(snapshot(1), timeout=10)
        publication.remove("churn")
        eventually(lambda: done[-1] == ("remove", 1))
    assert publication.all_active() == {}
    assert publication.read("churn", 1) == snapshot(1)


def test_unreadable_snapshot_is_a_failure_said_once_and_never_a_crash(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    subscription = Subscription(tmp_path, "w0")
    subscription.join()
    path = tmp_path / "gateway/snapshots/churn/1.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{")
    write_pointer(tmp_path / "gateway/active/churn.json", 1)
    assert subscription.active() == {}
    assert subscription.poll() == ()
    failed = publication.acknowledgement("w0", "churn").failed
    assert failed is not None
    assert "cannot be read" in failed.reason
    subscription.leave()


def test_two_living_workers_cannot_share_a_name(tmp_path: Path) -> None:
    first = Subscription(tmp_path, "w0")
    first.join()
    with pytest.raises(Conflict, match="'w0' already"):
        Subscription(tmp_path, "w0").join()
    first.leave()
    again = Subscription(tmp_path, "w0")
    again.join()
    again.leave()


def test_what_an_earlier_life_acknowledged_does_not_count(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    first = Subscription(tmp_path, "w0")
    first.join()
    publication._write(snapshot(1))
    write_pointer(tmp_path / "gateway/proposed/churn.json", 1)
    follow(first)
    assert publication.acknowledgement("w0", "churn").prepared == 1
    assert first._lock is not None
    os.close(first._lock)  # as a kill does
    assert publication.workers() == ()
    second = Subscription(tmp_path, "w0")
    second.join()
    assert publication.workers() == ("w0",)
    assert publication.acknowledgement("w0", "churn").prepared is None
    second.leave()


def test_worker_that_dies_the_moment_it_sees_the_proposal_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = Publication(tmp_path)
    victim = Subscription(tmp_path, "w0")
    victim.join()

    def written_and_killed(path: Path, revision: int) -> None:
        write_pointer(path, revision)
        assert victim._lock is not None
        os.close(victim._lock)  # as a kill does
        victim._lock = None

    monkeypatch.setattr(publishing, "write_pointer", written_and_killed)
    with pytest.raises(PreparationFailed, match="w0 died while preparing it"):
        publication.publish(snapshot(1), timeout=0.05)
    assert publication.active("churn") is None


def test_late_switch_is_said_and_the_revision_stays_active(tmp_path: Path) -> None:
    publication = Publication(tmp_path)
    lazy = Subscription(tmp_path, "w0")
    lazy.join()
    over = threading.Event()

    def prepare_only() -> None:
        while not over.is_set():
            for change in lazy.poll():
                if change.kind == "prepare":
                    lazy.acknowledge(change.deployment, change.snapshot.revision)
            over.wait(0.005)

    thread = threading.Thread(target=prepare_only)
    thread.start()
    with pytest.raises(ServedLate, match="w0 did not switch"):
        publication.publish(snapshot(1), timeout=0.5)
    over.set()
    thread.join()
    assert publication.active("churn") == 1
    lazy.leave()


def test_names_that_are_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'\.\./x' cannot be a name"):
        Publication(tmp_path).publish(snapshot(1, deployment="../x"), timeout=0)
    with pytest.raises(BadInput):
        Subscription(tmp_path, "a/b")


def test_read_of_an_unknown_revision(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="'churn' has no revision 7"):
        Publication(tmp_path).read("churn", 7)
