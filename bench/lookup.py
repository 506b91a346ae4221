"""Batch scoring and lookups: rows a second and peak memory of a run over N rows, and what a get costs afterwards.

    python -m bench.lookup --rows 1000000

The model is the one of the serving benchmark (logistic regression on 30 numbers, as ONNX). Each part runs in a
process of its own, so that its peak memory is its own.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.model import NAMES, make_model
from seatrial.batch.job import run
from seatrial.batch.plan import Ask
from seatrial.models.artefact import digest_of, write_manifest
from seatrial.models.lookup import KEYS, LookupRuntime
from seatrial.models.manifest import Manifest
from seatrial.models.score_table import key_bytes, open_table, table_file
from seatrial.releases.publication import Publication
from seatrial.routing.snapshot import Entry, Lookup, Slot, Snapshot
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
GROUP = 100_000
GETS = 200_000


def place(root: Path, rows: int) -> None:
    """A home with one published model, and the input."""
    directory = root / "home" / "store" / "churn"
    directory.mkdir(parents=True)
    make_model(directory)
    manifest = Manifest(name="churn", file="model.onnx", format="onnx", runtime="onnx", signature=SIGNATURE)
    write_manifest(directory, manifest)
    slot = Slot(
        variant="champion",
        model="churn",
        version=1,
        digest=digest_of(directory),
        path=str(directory),
        runtime="onnx",
        signature=SIGNATURE,
    )
    entry = Entry(name="everybody", to="champion", reason="rule")
    snapshot = Snapshot(
        deployment="churn",
        revision=1,
        task="classification",
        unit_name="customer",
        slots=(slot,),
        default="champion",
        entries=(entry,),
    )
    Publication(root / "home").publish(snapshot, timeout=5.0)
    _write_input(root / "rows.parquet", rows)


def _write_input(file: Path, rows: int) -> None:
    rng = np.random.default_rng(1)
    writer: Any = None
    for start in range(0, rows, GROUP):
        count = min(GROUP, rows - start)
        columns: dict[str, Any] = {"id": [f"customer-{start + i}" for i in range(count)]}
        columns |= {name: rng.normal(size=count) for name in NAMES}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    writer.close()


def score(root: Path, count: int) -> dict[str, float]:
    """Score the file in this process."""
    started, used = time.perf_counter(), time.process_time()
    own = [0.0]
    ask = Ask("churn", root / "rows.parquet", "id", root / "scores")
    summary = run(root / "home", ask, progress=lambda _: own.append(_own_memory()))
    seconds, used = time.perf_counter() - started, time.process_time() - used
    assert summary.rows == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows/s": count / seconds,
        "CPU µs a row": used / count * 1e6,
        "peak MiB": peak,
        "of it not files MiB": max(own),
    }


def _own_memory() -> float:
    """MiB of this process that are no mapped files (whose pages the system takes back when it likes)."""
    told = Path("/proc/self/status").read_text()
    return int(told.split("RssAnon:")[1].split()[0]) / 1024


def look_up(root: Path, rows: int) -> dict[str, float]:
    """Get keys at random: the bare table, the whole runtime (key in, tensors out)."""
    served = Publication(root / "home").read("churn", 1).slot("champion")
    slot = msgspec.structs.replace(served, lookup=Lookup(scores=str(root / "scores")))
    runtime = LookupRuntime(slot)
    name = (root / "scores" / "current").read_text().strip()
    table = open_table(table_file(root / "scores", name))
    picked = random.Random(2)
    keys = [f"customer-{picked.randrange(rows)}" for _ in range(GETS)]
    raw = [key_bytes(key) for key in keys]
    for key in raw:  # the pages once, so that the disk is not measured
        table.get("churn:1", [key])
    bare = _cost(lambda i: table.get("churn:1", [raw[i]]))
    inputs = [{KEYS: np.array([key], dtype=object)} for key in keys]
    whole = _cost(lambda i: runtime.run(inputs[i]))
    return {"get µs": bare, "key in, tensors out µs": whole, "table MiB": _size(root, name)}


def _cost(do: Any) -> float:
    """Microseconds of CPU a call, the median of nine blocks."""
    blocks = []
    size = GETS // 9
    for block in range(9):
        used = time.process_time()
        for i in range(block * size, (block + 1) * size):
            do(i)
        blocks.append((time.process_time() - used) / size * 1e6)
    return statistics.median(blocks)


def _size(root: Path, name: str) -> float:
    return table_file(root / "scores", name).stat().st_size / 2**20


PARTS = {"score": score, "look up": look_up}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(PARTS[given.part](given.root, given.rows)))
        return
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        place(root, given.rows)
        for part in PARTS:
            line = [
                sys.executable,
                "-m",
                "bench.lookup",
                "--rows",
                str(given.rows),
                "--root",
                directory,
                "--part",
                part,
            ]
            told = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
            print(f"{part}, {given.rows:,} rows: " + ", ".join(f"{name} {value:,.1f}" for name, value in told.items()))


if __name__ == "__main__":
    main()
