"""Deployments of the model, published without registry or control: for measurements that want many, or odd ones."""

import json
import shutil
from pathlib import Path

from bench.model import NAMES
from seatrial.models.artefact import digest_of, write_manifest
from seatrial.models.manifest import Manifest
from seatrial.releases.publication import Publication
from seatrial.routing.snapshot import Arm, Batch, Entry, LogPolicy, Shadow, Slot, Snapshot
from seatrial.spec.signature import Answer, Feature, Signature, Tensor

SIGNATURE = Signature(
    task="classification",
    features=tuple(Feature(name=name, kind="number") for name in NAMES),
    inputs=(Tensor(name="X", datatype="FP32", shape=(-1, len(NAMES)), features=NAMES),),
    outputs=(
        Tensor(name="label", datatype="INT64", shape=(-1,)),
        Tensor(name="probabilities", datatype="FP32", shape=(-1, 2)),
    ),
    answer=Answer(prediction="label", scores="probabilities", classes=(0, 1)),
)


def artefact(home: Path, model: Path, name: str) -> tuple[Path, str]:
    """A copy of the model that `make_model` made as an artefact of its own: where it lies, and its digest."""
    directory = home / "store" / name
    directory.mkdir(parents=True)
    shutil.copy(model, directory / "model.onnx")
    row = json.loads((model.parent / "features.json").read_text())
    (directory / "samples.json").write_text(json.dumps([row]))  # what it is warmed up with
    manifest = Manifest(
        name=name, file="model.onnx", format="onnx", runtime="onnx", signature=SIGNATURE, samples="samples.json"
    )
    write_manifest(directory, manifest)
    return directory, digest_of(directory)


def snapshot(
    deployment: str, versions: dict[str, tuple[Path, str]], *, shadow: str = "", batch: Batch | None = Batch()
) -> Snapshot:
    """A deployment of artefacts by variant: an even split of all, but for the one that gets a copy of everything."""
    slots = tuple(
        Slot(
            variant=variant,
            model=deployment,
            version=number,
            digest=digest,
            path=str(directory),
            runtime="onnx",
            signature=SIGNATURE,
            batch=batch,
        )
        for number, (variant, (directory, digest)) in enumerate(versions.items(), 1)
    )
    live = [variant for variant in versions if variant != shadow]
    arms = tuple(Arm(variant, 1 / len(live)) for variant in live)
    return Snapshot(
        deployment=deployment,
        revision=1,
        task="classification",
        unit_name="customer",
        slots=slots,
        default=live[0],
        entries=(Entry(name="everybody", salt=deployment, arms=arms),),
        shadows=(Shadow(variant=shadow, share=1.0, salt=deployment),) if shadow else (),
        log=LogPolicy(features=NAMES),
    )


def publish(home: Path, one: Snapshot) -> None:
    """Make a snapshot active, before any worker is up."""
    Publication(home).publish(one, timeout=5.0)
