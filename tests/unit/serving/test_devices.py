"""A snapshot that asks for a device which is not here is withdrawn, and what was served goes on."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import onnxruntime
import pytest

from seatrial.models.artefact import digest_of
from seatrial.models.manifest import Manifest
from seatrial.releases.publication import PreparationFailed, Publication
from seatrial.releases.subscription import Subscription
from seatrial.routing.snapshot import LogPolicy, Slot
from seatrial.serving.follower import Follower
from seatrial.serving.loader import Loader
from tests.gateways import Bench, bench, logistic, slot, snapshot


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "home") as found:
        yield found


def artefact(directory: Path) -> Slot:
    content, signature = logistic(3)
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(content)
    manifest = Manifest(name="churn", file="model.onnx", format="onnx", runtime="onnx", signature=signature)
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return slot("champion", 1, signature, digest=digest_of(directory), path=str(directory))


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_a_device_that_is_not_here_is_withdrawn_everywhere(here: Bench, tmp_path: Path) -> None:
    one = artefact(tmp_path / "a")
    subscription = Subscription(here.home, "w0")
    subscription.join()
    follower = Follower(here.gateway, Loader(here.recorder), subscription)
    publication = Publication(here.home)
    failed: list[PreparationFailed] = []

    def publish(revision: int, given: Slot) -> None:
        try:
            publication.publish(snapshot(slots=(given,), revision=revision, log=LogPolicy()), 10.0)
        except PreparationFailed as error:
            failed.append(error)

    for revision, given in ((1, one), (2, msgspec.structs.replace(one, device="cuda"))):
        thread = threading.Thread(target=publish, args=(revision, given))
        thread.start()
        while thread.is_alive():
            follower.step()
            thread.join(0.005)
        follower.step()
    (error,) = failed
    assert "churn:1 (champion) cannot be loaded: `device: cuda` needs CUDAExecutionProvider" in str(error)
    assert publication.active("churn") == 1
    assert here.gateway.find("churn").revision == 1
    row = {f"feature_{i}": 1.0 for i in range(3)}
    assert asyncio.run(here.gateway.predict("churn", row))["model_version"] == "churn:1"
    subscription.leave()
