"""A shadow of everything, of equal cost: what it does to live requests at 40 % of capacity, and at saturation.

One system serves two deployments of the same model; in one of them a second version gets a copy of every request. Their
turns alternate under an open loop at 40 % of what the one without a shadow bears. Then a closed loop loads the one with
a shadow as far as it goes: live requests must all be answered, and the copies that were dropped are counted.
"""

import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench import ours, results
from bench.bars.arguments import parser
from bench.contestant import Contestant
from bench.field import OURS, ROW
from bench.load import Shape
from bench.model import make_model
from bench.published import artefact, publish, snapshot
from bench.rivals.session import Session
from bench.serving import running
from seatrial.ledger.counters import parse_series

SHARE = 0.4
_PLAIN, _SHADOWED = "/v1/deployments/plain/predict", "/v1/deployments/shadowed/predict"


def measure(pairs: int, seconds: float) -> dict[str, Any]:
    """Turns by deployment, and what became of the copies under saturation."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_model(place)
        _publish(place)
        features = json.loads((place / "features.json").read_text())
        answer = Session(str(place / "model.onnx")).one(features)
        rival = OURS._replace(speech=ROW, path=_PLAIN)
        with running(ours.start(place, features, rival=rival), (answer["prediction"], answer["score"])) as system:
            system.settle()
            capacity = system.turn(Shape(connections=32), max(2.0, seconds)).rate
            shape = Shape(rate=capacity * SHARE)
            turns: dict[str, list[Any]] = {"without": [], "with": []}
            for number in range(pairs):
                order = [("without", _PLAIN), ("with", _SHADOWED)]
                for name, path in order if number % 2 == 0 else order[::-1]:
                    system.turn(shape, 1.0, path=path)
                    turns[name].append(system.turn(shape, seconds, path=path)._asdict())
                    _rested(system)
            return {
                "machine": results.machine(),
                "capacity": capacity,
                "turns": turns,
                "saturated": _saturated(system, seconds),
            }


def _publish(place: Path) -> None:
    home = place / "home"
    versions = {name: artefact(home, place / "model.onnx", name) for name in ("a", "b", "c")}
    publish(home, snapshot("plain", {"champion": versions["a"]}))
    publish(home, snapshot("shadowed", {"champion": versions["b"], "shadow": versions["c"]}, shadow="shadow"))


def _saturated(system: Contestant, seconds: float) -> dict[str, Any]:
    """A closed loop of 64 connections on the deployment with a shadow."""
    before = _copies(system)
    turn = system.turn(Shape(connections=64), max(2.0, seconds), path=_SHADOWED)
    _rested(system)
    after = _copies(system)
    return {**turn._asdict(), "copies": {result: after[result] - before.get(result, 0) for result in after}}


def _rested(system: Contestant) -> None:
    """Wait until no copy waits."""
    deadline, last = time.monotonic() + 30, -1
    while time.monotonic() < deadline and (now := sum(_copies(system).values())) != last:
        last = now
        time.sleep(0.3)


def _copies(system: Contestant) -> dict[str, int]:
    """Copies for the shadow so far, by what became of them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{system.rival.port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in lines:
        if line.startswith("seatrial_shadow_total{"):
            series, _, value = line.rpartition(" ")
            labels = parse_series(series)[1]
            found[labels["result"]] = int(value)
    return found


def render(found: dict[str, Any]) -> str:
    plain, shadowed = found["turns"]["without"], found["turns"]["with"]
    lines = [
        [name, *(results.spread([turn[key] for turn in turns]) for key in ("p50_ms", "p99_ms", "cpu_us"))]
        for name, turns in (("without a shadow", plain), ("with a shadow of everything", shadowed))
    ]
    ratios = [b["p99_ms"] / a["p99_ms"] for a, b in zip(plain, shadowed, strict=True)]
    table = results.rows(["open loop at 40 % of capacity", "p50 ms", "p99 ms", "CPU µs a request"], lines)
    last = found["saturated"]
    copies, lost = last["copies"], statistics.median([turn["failed"] for turn in plain + shadowed])
    rate = found["capacity"] * SHARE
    p99 = f"p99 with ÷ without: {results.spread(ratios)}; {len(ratios)} pairs at {rate:,.0f} requests/s"
    full = (
        f"At saturation (64 connections): {last['rate']:,.0f} live requests/s, {last['failed']} failed, against "
        f"{found['capacity']:,.0f} without a shadow; of the copies {copies.get('delivered', 0):,} were delivered, "
        f"{copies.get('dropped', 0):,} dropped and counted, {copies.get('failed', 0):,} failed."
    )
    return f"{table}\n\n{p99}, {lost:g} unanswered.\n\n{full}"


if __name__ == "__main__":
    given = parser("shadows", __doc__).parse_args()
    results.run("shadows", given, lambda: measure(given.pairs, given.seconds), render)
