"""A forest of 1 000 trees over HTTP, its calls batched and each alone: a larger model's figures; there is no bar.

One system serves two deployments of the same forest; in one of them batches are off. Their turns alternate under the
same closed loop. Where the forest is quick enough for the event loop nothing is batched, and both are the same.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from bench import ours, results
from bench.bars.arguments import parser
from bench.field import OURS, ROW
from bench.load import Shape
from bench.model import make_model
from bench.published import artefact, publish, snapshot
from bench.rivals.session import Session
from bench.serving import running
from seatrial.routing.snapshot import Batch

CONNECTIONS = (4, 32)
WAYS: dict[str, Batch | None] = {"batched": Batch(), "alone": None}


def measure(trees: int, pairs: int, seconds: float) -> dict[str, Any]:
    """Turns by number of connections and way."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_model(place, trees=trees)
        for name, batch in WAYS.items():
            version = artefact(place / "home", place / "model.onnx", name)
            publish(place / "home", snapshot(name, {"champion": version}, batch=batch))
        features = json.loads((place / "features.json").read_text())
        answer = Session(str(place / "model.onnx")).one(features)
        rival = OURS._replace(speech=ROW, path=_path("batched"))
        turns: dict[str, dict[str, list[Any]]] = {}
        with running(ours.start(place, features, rival=rival), (answer["prediction"], answer["score"])) as system:
            system.settle()
            for connections in CONNECTIONS:
                shape, found = Shape(connections=connections), turns.setdefault(str(connections), {w: [] for w in WAYS})
                for number in range(pairs):
                    for name in list(WAYS)[:: 1 if number % 2 else -1]:
                        system.turn(shape, 1.0, path=_path(name))
                        found[name].append(system.turn(shape, seconds, path=_path(name))._asdict())
        size = (place / "model.onnx").stat().st_size
    return {"machine": results.machine(), "trees": trees, "bytes": size, "turns": turns}


def _path(name: str) -> str:
    return f"/v1/deployments/{name}/predict"


def render(found: dict[str, Any]) -> str:
    lines = []
    for connections, ways in found["turns"].items():
        for name, turns in ways.items():
            figures = [results.spread([t[key] for t in turns]) for key in ("p50_ms", "p99_ms", "serving_us")]
            rates = [mine["rate"] / base["rate"] for mine, base in zip(turns, ways["alone"], strict=True)]
            ratio = "" if name == "alone" else results.spread(rates)
            rate = results.spread([t["rate"] for t in turns], ",.0f")
            lines.append([f"{connections} connections, {name}", rate, *figures, ratio])
    header = ["load", "requests/s", "p50 ms", "p99 ms", "worker's CPU µs a request", "requests/s ÷ alone"]
    failed = sum(turn["failed"] for ways in found["turns"].values() for turns in ways.values() for turn in turns)
    pairs = len(next(iter(found["turns"].values()))["alone"])
    told = f"{found['trees']:,} trees, {found['bytes'] / 2**20:.1f} MiB; {pairs} pairs a load, {failed} failed."
    return f"{results.rows(header, lines)}\n\n{told}"


def _arguments() -> argparse.Namespace:
    made = parser("trees", __doc__)
    made.add_argument("--trees", type=int, default=1000, help="how many (1000)")
    return made.parse_args()


if __name__ == "__main__":
    given = _arguments()
    results.run("trees", given, lambda: measure(given.trees, given.pairs, given.seconds), render)
