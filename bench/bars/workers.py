"""Two workers against one, the load on the same two cores: requests a second under 32 connections, in pairs."""

import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import ours, results
from bench.bars.arguments import parser
from bench.contestant import Contestant
from bench.field import OURS, PREDICT
from bench.load import Shape
from bench.model import make_model
from bench.published import artefact, publish, snapshot
from bench.rivals.session import Session
from bench.serving import running

CORES = "0,1"
SHAPE = Shape(connections=32)


def measure(pairs: int, seconds: float) -> dict[str, Any]:
    """Turns by number of workers."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        make_model(place)
        features = json.loads((place / "features.json").read_text())
        answer = Session(str(place / "model.onnx")).one(features)
        systems: dict[int, Contestant] = {}
        for workers in (1, 2):
            own = place / f"w{workers}"
            versions = {name: artefact(own / "home", place / "model.onnx", name) for name in ("champion", "challenger")}
            publish(own / "home", snapshot("bench", versions))
            rival = OURS._replace(name=f"{workers} workers", port=OURS.port + 10 * workers, path=PREDICT)
            started = ours.start(own, features, rival=rival, workers=workers, cores=CORES)
            systems[workers] = stack.enter_context(running(started, (answer["prediction"], answer["score"])))
        for system in systems.values():
            system.settle()
        turns: dict[str, list[Any]] = {"1": [], "2": []}
        for number in range(pairs):
            for workers in (1, 2) if number % 2 == 0 else (2, 1):
                turns[str(workers)].append(_turn(systems, workers, seconds)._asdict())
    return {"machine": results.machine(), "turns": turns}


def _turn(systems: dict[int, Contestant], workers: int, seconds: float) -> Any:
    for system in systems.values():
        system.tree.pause()
    systems[workers].tree.resume()
    systems[workers].turn(SHAPE, 1.0, cores=CORES)
    return systems[workers].turn(SHAPE, seconds, cores=CORES)


def render(found: dict[str, Any]) -> str:
    one, two = found["turns"]["1"], found["turns"]["2"]
    lines = [
        [name, *(f"{statistics.median(turn[key] for turn in turns):,.2f}" for key in ("rate", "p50_ms", "p99_ms"))]
        for name, turns in (("one worker", one), ("two workers", two))
    ]
    ratios = [b["rate"] / a["rate"] for a, b in zip(one, two, strict=True)]
    table = results.rows(["32 connections, load on the same two cores", "requests/s", "p50 ms", "p99 ms"], lines)
    return f"{table}\n\nTwo ÷ one, requests/s: {results.spread(ratios)}; {len(ratios)} pairs."


if __name__ == "__main__":
    given = parser("workers", __doc__).parse_args()
    results.run("workers", given, lambda: measure(given.pairs, given.seconds), render)
