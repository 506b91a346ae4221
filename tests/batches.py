"""A machine with one published deployment of small real models, and files of rows for it to score."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.models.artefact import digest_of, write_manifest
from seatrial.models.manifest import Manifest
from seatrial.releases.publication import Publication
from seatrial.routing.snapshot import Slot, Snapshot
from tests.gateways import logistic, snapshot

FEATURES = 4


def model(home: Path, variant: str, version: int, **more: Any) -> Slot:
    """A logistic regression on four numbers in the home's store."""
    content, signature = logistic(FEATURES, seed=version)
    directory = home / "store" / f"v{version}"
    if not directory.exists():
        directory.mkdir(parents=True)
        (directory / "model.onnx").write_bytes(content)
        manifest = Manifest(name="churn", file="model.onnx", format="onnx", runtime="onnx", signature=signature)
        write_manifest(directory, manifest)
    return Slot(
        variant=variant,
        model="churn",
        version=version,
        digest=digest_of(directory),
        path=str(directory),
        runtime="onnx",
        signature=signature,
        **more,
    )


def publish(home: Path, weights: Mapping[str, float] | None = None, *, revision: int = 1, **more: Any) -> Snapshot:
    """Serve a champion (version 1) and a challenger (version 2) with these weights."""
    slots = more.pop("slots", None) or (model(home, "champion", 1), model(home, "challenger", 2))
    made = snapshot(weights or {"champion": 1.0}, slots=slots, revision=revision, **more)
    Publication(home).publish(made, timeout=5.0)
    return made


def rows(count: int, seed: int = 0) -> dict[str, list[Any]]:
    """Columns of an input: ``id`` and the features."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {"id": [f"c{i}" for i in range(count)]}
    for feature in range(FEATURES):
        columns[f"feature_{feature}"] = rng.normal(size=count).round(3).tolist()
    return columns


def write_parquet(file: Path, columns: Mapping[str, list[Any]], *, group: int = 1000) -> Path:
    pq.write_table(pa.table(dict(columns)), file, row_group_size=group)
    return file


def write_csv(file: Path, columns: Mapping[str, list[Any]]) -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def answers(out: Path) -> list[dict[str, Any]]:
    """Every row of every shard, in order."""
    found: list[dict[str, Any]] = []
    for file in sorted((out / "shards").glob("*.parquet")):
        found += pq.read_table(file).to_pylist()
    return found
