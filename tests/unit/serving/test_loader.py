"""Loading, sharing and letting go of models; following what is published."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.models.artefact import digest_of
from seatrial.models.manifest import Manifest
from seatrial.models.runtimes import RuntimeFailure
from seatrial.releases.publication import PreparationFailed, Publication
from seatrial.releases.subscription import Subscription
from seatrial.routing.snapshot import Batch, LogPolicy, Slot, Snapshot
from seatrial.serving.follower import Follower
from seatrial.serving.loader import Loader
from seatrial.serving.opening import open_gateway
from seatrial.spec.errors import SeatrialError, Unavailable
from seatrial.spec.signature import Signature
from tests.gateways import GOOD, Bench, Scripted, bench, broken, logistic, slot, snapshot


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "home") as found:
        yield found


class Models:
    """Makes scripted models, and remembers them by version."""

    def __init__(self) -> None:
        self.made: dict[int, Scripted] = {}
        self.next = Scripted

    def load(self, slot: Slot) -> Scripted:
        self.made[slot.version] = self.next()
        return self.made[slot.version]

    def loader(self, here: Bench) -> Loader:
        return Loader(here.recorder, load=self.load, digest=lambda path: path.name)


def placed(snapshot: Snapshot) -> Snapshot:
    """The same with artefacts at paths named by their digests."""
    slots = tuple(msgspec.structs.replace(one, path=f"/nowhere/{one.digest}") for one in snapshot.slots)
    return msgspec.structs.replace(snapshot, slots=slots)


def test_a_model_is_loaded_once_and_closed_with_its_last_user(here: Bench) -> None:
    models = Models()
    loader = models.loader(here)
    first = loader.prepare(placed(snapshot(revision=1)))
    second = loader.prepare(placed(snapshot({"champion": 0.5, "challenger": 0.5}, revision=2)))
    third = loader.prepare(placed(snapshot(revision=3, slots=(slot("champion", 2),))))
    assert loader.loaded == 2
    assert first.engines["champion"] is second.engines["champion"]
    assert second.engines["challenger"] is third.engines["champion"]
    for old in (first, second):
        loader.retire(old)
    loader.sweep()
    assert (models.made[1].closed, models.made[2].closed) == (True, False)
    loader.retire(third)
    loader.sweep()
    assert models.made[2].closed
    assert loader.loaded == 0


@pytest.mark.parametrize(("timeout", "longest"), [(1.0, 60.0), (600.0, 1200.0)])
def test_what_is_in_use_is_closed_later_but_not_never(here: Bench, timeout: float, longest: float) -> None:
    """A request may wait its whole timeout, and as long for the default variant again."""
    now = [0.0]
    models = Models()
    loader = Loader(here.recorder, load=models.load, digest=lambda path: path.name, monotonic=lambda: now[0])
    deployed = loader.prepare(placed(snapshot(slots=(slot("champion", 1, timeout=timeout),))))
    deployed.pending = 1
    loader.retire(deployed)
    for now[0] in (0.0, 60.0, longest):
        loader.sweep()
        assert not models.made[1].closed
    now[0] = longest + 1.0
    loader.sweep()
    assert models.made[1].closed


def test_a_failed_preparation_leaves_nothing_loaded(here: Bench) -> None:
    models = Models()
    loader = models.loader(here)
    wrong = placed(snapshot())
    slots = (wrong.slots[0], msgspec.structs.replace(wrong.slots[1], digest="other"))
    with pytest.raises(SeatrialError, match=r"churn:2 \(challenger\) cannot be loaded: its files in .* have digest"):
        loader.prepare(msgspec.structs.replace(wrong, slots=slots))
    assert models.made[1].closed
    assert loader.loaded == 0


def artefact(directory: Path) -> tuple[Slot, Signature]:
    """A real ONNX version on the disk."""
    content, signature = logistic(4)
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(content)
    manifest = Manifest(
        name="churn", file="model.onnx", format="onnx", runtime="onnx", signature=signature, samples="samples.json"
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    rows = [{f"feature_{i}": float(i * row) for i in range(4)} for row in range(5)]
    (directory / "samples.json").write_bytes(msgspec.json.encode(rows))
    return slot("champion", 1, signature, digest=digest_of(directory), path=str(directory)), signature


def test_a_real_model_is_verified_warm_and_answers(here: Bench, tmp_path: Path) -> None:
    one, signature = artefact(tmp_path / "store" / "a")
    loader = Loader(here.recorder)
    names = tuple(feature.name for feature in signature.features)
    given = snapshot(slots=(one,), log=LogPolicy(features=names))
    deployed = loader.prepare(given)
    assert deployed.default.engine.warm
    here.gateway.activate(deployed)
    answer = asyncio.run(here.gateway.predict("churn", dict.fromkeys(names, 1.0)))
    assert set(answer) >= {"prediction", "score"}
    (tmp_path / "store" / "a" / "model.onnx").write_bytes(b"tampered with")
    with pytest.raises(SeatrialError, match="have digest"):
        Loader(here.recorder).prepare(given)


def test_a_file_that_is_no_model_is_said(here: Bench, tmp_path: Path) -> None:
    one, _ = artefact(tmp_path / "a")
    (tmp_path / "a" / "model.onnx").write_bytes(b"not a model")
    bad = msgspec.structs.replace(one, digest=digest_of(tmp_path / "a"))
    with pytest.raises(SeatrialError, match="cannot be loaded"):
        Loader(here.recorder).prepare(snapshot(slots=(bad,), log=LogPolicy()))


def test_a_model_that_fails_on_its_own_samples_is_not_served(here: Bench, tmp_path: Path) -> None:
    directory = tmp_path / "digest-1"
    directory.mkdir()
    manifest = Manifest(
        name="m", file="f", format="onnx", runtime="onnx", signature=slot("c").signature, samples="s.json"
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (directory / "s.json").write_bytes(msgspec.json.encode([GOOD]))
    loader = Loader(here.recorder, load=lambda _: broken("no such operator"), digest=lambda path: path.name)
    with pytest.raises(SeatrialError, match="does not answer its own sample: no such operator"):
        loader.prepare(snapshot(slots=(slot("champion", 1, path=str(directory)),)))
    assert loader.loaded == 0


class Ranks(Scripted):
    """A model that looks at the whole batch."""

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        ages = inputs["X"][:, 0]
        scores = ages / ages.sum()
        return {"label": np.zeros(len(ages), np.int64), "probabilities": np.stack([1 - scores, scores], axis=1)}


@pytest.mark.parametrize(("model", "together"), [(Scripted, True), (Ranks, False)])
def test_whether_a_model_takes_batches_is_seen_on_its_samples(
    here: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture, model: type[Scripted], together: bool
) -> None:
    directory = tmp_path / "digest-1"
    directory.mkdir()
    manifest = Manifest(
        name="m", file="f", format="onnx", runtime="onnx", signature=slot("c").signature, samples="s.json"
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (directory / "s.json").write_bytes(msgspec.json.encode([GOOD, {**GOOD, "age": 41.0}]))
    loader = Loader(here.recorder, load=lambda _: model(), digest=lambda path: path.name)
    deployed = loader.prepare(snapshot(slots=(slot("champion", 1, path=str(directory)),)))
    assert deployed.default.engine.together is together
    said = "calls of churn:1 are not batched: 'probabilities' changes with the rows beside it"
    assert (said in caplog.text) is not together


class Counted(Scripted):
    """Notes how many rows it was asked for at once, and answers no more than it has room for."""

    def __init__(self, room: int = 1000) -> None:
        super().__init__()
        self.room = room
        self.sizes: list[int] = []

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        self.sizes.append(len(inputs["X"]))
        if len(inputs["X"]) > self.room:
            raise RuntimeFailure("no room")
        return super().run(inputs)


@pytest.mark.parametrize(
    ("device", "batch", "room", "sizes"),
    [
        ("cuda", Batch(rows=24), 1000, [2, 4, 8, 16, 24]),
        ("cuda", Batch(rows=24), 8, [2, 4, 8, 16]),
        ("cuda", Batch(rows=1), 1000, []),
        ("cuda", None, 1000, []),
        ("cpu", Batch(rows=24), 1000, []),
    ],
)
def test_a_model_on_a_device_is_warmed_with_batches_of_every_size(
    here: Bench, tmp_path: Path, device: Any, batch: Batch | None, room: int, sizes: list[int]
) -> None:
    directory = tmp_path / "digest-1"
    directory.mkdir()
    manifest = Manifest(
        name="m", file="f", format="onnx", runtime="onnx", signature=slot("c").signature, samples="s.json"
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (directory / "s.json").write_bytes(msgspec.json.encode([GOOD, {**GOOD, "age": 41.0}, {**GOOD, "age": 42.0}]))
    model = Counted(room)
    loader = Loader(here.recorder, load=lambda _: model, digest=lambda path: path.name)
    loader.prepare(snapshot(slots=(slot("champion", 1, path=str(directory), device=device, batch=batch),)))
    assert model.sizes[model.sizes.index(3) + 1 :] == sizes


class Following:
    """A follower with scripted models, stepped by hand, and a publisher beside it."""

    def __init__(self, here: Bench) -> None:
        self.models = Models()
        self.subscription = Subscription(here.home, "w0")
        self.subscription.join()
        self.follower = Follower(here.gateway, self.models.loader(here), self.subscription)
        self.publication = Publication(here.home)

    def publish(self, given: Snapshot) -> None:
        """Publish while the follower steps."""
        failed: list[PreparationFailed] = []

        def run() -> None:
            try:
                self.publication.publish(given, 10.0)
            except PreparationFailed as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            self.follower.step()
            thread.join(0.005)
        self.follower.step()
        if failed:
            raise failed[0]


def ask(here: Bench) -> str:
    return str(asyncio.run(here.gateway.predict("churn", GOOD))["model_version"])


def test_what_is_published_is_served(here: Bench) -> None:
    following = Following(here)
    following.follower.load_active()
    following.publish(placed(snapshot(revision=1)))
    assert ask(here) == "churn:1"
    following.publish(placed(snapshot(revision=2, slots=(slot("champion", 2),))))
    assert ask(here) == "churn:2"
    assert following.models.made[1].closed
    following.subscription.leave()


def test_what_does_not_load_is_withdrawn_and_the_old_one_goes_on(here: Bench) -> None:
    following = Following(here)
    following.publish(placed(snapshot(revision=1)))
    bad = snapshot(revision=2, slots=(slot("champion", 2, path="/nowhere/other"),))
    with pytest.raises(PreparationFailed, match="churn:2"):
        following.publish(bad)
    assert ask(here) == "churn:1"
    following.subscription.leave()


def test_a_worker_that_starts_serves_what_is_active(here: Bench) -> None:
    first = Following(here)
    first.publish(placed(snapshot(revision=1)))
    first.subscription.leave()
    here.gateway.remove("churn")
    again = Following(here)
    again.follower.load_active()
    assert ask(here) == "churn:1"
    again.subscription.leave()


def test_what_cannot_be_loaded_at_the_start_is_503_and_tried_again(
    here: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Following(here)
    first.publish(placed(snapshot(revision=1)))
    first.subscription.leave()
    here.gateway.remove("churn")
    again = Following(here)
    monkeypatch.setattr(again.models, "next", lambda: 1 / 0)
    again.follower.load_active()
    with pytest.raises(Unavailable, match="cannot be served now"):
        ask(here)
    monkeypatch.setattr(again.models, "next", Scripted)
    monkeypatch.setattr("seatrial.serving.follower.RETRY_SECONDS", 0.0)
    again.follower.step()
    assert ask(here) == "churn:1"
    again.subscription.leave()


def test_a_worker_that_starts_serves_without_a_version_that_cannot_be_loaded(
    here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is damaged after publication costs its own variant's answers, and nobody else's."""
    one, signature = artefact(tmp_path / "store" / "a")
    file = tmp_path / "store" / "b" / "model.onnx"
    other, _ = artefact(file.parent)
    (file.parent / "more").write_text("another digest")
    other = msgspec.structs.replace(other, variant="challenger", version=2, digest=digest_of(file.parent))
    names = tuple(feature.name for feature in signature.features)
    given = snapshot({"challenger": 1.0}, slots=(one, other), log=LogPolicy(features=names))
    Publication(here.home).publish(given, 5.0)
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    subscription = Subscription(here.home, "w0")
    subscription.join()
    follower = Follower(here.gateway, Loader(here.recorder), subscription)
    follower.load_active()
    row = dict.fromkeys(names, 1.0)
    answer = asyncio.run(here.gateway.predict("churn", row))
    assert (answer["variant"], answer["answered_by"], answer["model_version"]) == ("challenger", "default", "churn:1")
    (logged,) = here.rows()
    assert (logged["status"], logged["assigned_version"], logged["answered"]) == ("error", "churn:2", "champion")
    assert "churn:2 (challenger) cannot be loaded: its files in" in logged["error"]
    monkeypatch.setattr("seatrial.serving.follower.LACKING_RETRY_SECONDS", 0.0)
    served = here.gateway.find("churn")
    follower.step()
    assert here.gateway.find("churn") is served, "nothing is swapped where nothing was gained"
    file.write_bytes(whole)
    follower.step()
    assert asyncio.run(here.gateway.predict("churn", row))["answered_by"] == "assigned"
    served = here.gateway.find("churn")
    follower.step()
    assert here.gateway.find("churn") is served
    subscription.leave()


def test_a_worker_that_starts_serves_without_a_version_that_does_not_answer_its_samples(
    here: Bench, tmp_path: Path
) -> None:
    directory = tmp_path / "digest-2"
    directory.mkdir()
    manifest = Manifest(
        name="m", file="f", format="onnx", runtime="onnx", signature=slot("c").signature, samples="s.json"
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (directory / "s.json").write_bytes(msgspec.json.encode([GOOD]))
    made = {1: Scripted(), 2: broken("no such operator")}
    loader = Loader(here.recorder, load=lambda given: made[given.version], digest=lambda path: path.name)
    slots = (slot("champion", 1, path="/nowhere/digest-1"), slot("challenger", 2, path=str(directory)))
    here.gateway.activate(here.gateway.prepare(loader.prepare(snapshot({"challenger": 1.0}, slots=slots), active=True)))
    assert asyncio.run(here.gateway.predict("churn", GOOD))["answered_by"] == "default"
    assert made[2].calls == 1
    with pytest.raises(SeatrialError, match="does not answer its own sample: no such operator"):
        loader.prepare(snapshot(slots=slots, revision=2))


def test_a_swap_is_refused_whole_where_one_version_cannot_be_loaded(here: Bench) -> None:
    following = Following(here)
    following.publish(placed(snapshot(revision=1, slots=(slot("champion", 1),))))
    slots = (*placed(snapshot()).slots[:1], slot("challenger", 2, path="/nowhere/other"))
    with pytest.raises(PreparationFailed, match="churn:2"):
        following.publish(snapshot(revision=2, slots=slots))
    assert set(here.gateway.find("churn").variants) == {"champion"}
    following.subscription.leave()


def test_a_program_opens_what_is_active(here: Bench, tmp_path: Path) -> None:
    one, signature = artefact(tmp_path / "store" / "a")
    names = tuple(feature.name for feature in signature.features)
    here.recorder.close()
    Publication(here.home).publish(snapshot(slots=(one,), log=LogPolicy(features=names)), 5.0)
    gateway = open_gateway(here.home, "program")
    answer = asyncio.run(gateway.predict("churn", dict.fromkeys(names, 1.0), unit="u"))
    gateway.recorder.close()
    assert answer["model_version"] == "churn:1"
    assert gateway.selfcheck()["balanced"]
