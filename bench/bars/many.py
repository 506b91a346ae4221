"""A thousand deployments loaded against one: the latency of a request to one of them, and to all of them in turn.

Two gateways without HTTP in one process, each with everything on; every deployment has an artefact, a session and
buffers of its own. They take turns, block by block.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench import results
from bench.bars.arguments import parser
from bench.model import make_model
from bench.openloop import quantile
from bench.published import artefact, publish, snapshot
from seatrial.protocol.bodies import read_predict
from seatrial.serving import open_gateway
from seatrial.serving.gateway import Gateway
from seatrial.serving.parts import Pending

BLOCK = 1000


def measure(deployments: int, pairs: int) -> dict[str, Any]:
    """Quantiles in microseconds, by block, of each way; seconds and memory of loading."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_model(place)
        features = json.loads((place / "features.json").read_text())
        alone, _, _ = _loaded(place, place / "one", 1)
        crowd, seconds, mib = _loaded(place, place / "many", deployments)
        bodies = [json.dumps({"unit": f"u{i}", "features": features}).encode() for i in range(BLOCK)]
        ways = {
            "one loaded": (alone, ["d0"]),
            f"{deployments:,} loaded, one asked": (crowd, ["d0"]),
            f"{deployments:,} loaded, asked in turn": (crowd, [f"d{i}" for i in range(deployments)]),
        }
        found: dict[str, list[list[float]]] = {name: [] for name in ways}
        threaded = 0
        with closing(asyncio.new_event_loop()) as loop:
            for pair in range(pairs + 1):
                for name, (gateway, names) in ways.items():
                    taken, late = _block(loop, gateway, names, bodies)
                    if pair:  # the first is to warm up
                        found[name].append([quantile(taken, share) for share in (0.5, 0.99)])
                        threaded += late
        alone.recorder.close()
        crowd.recorder.close()
    return {
        "machine": results.machine(),
        "latency_us": found,
        "load_seconds": seconds,
        "mib": mib,
        "threaded": threaded,
    }


def _loaded(place: Path, home: Path, deployments: int) -> tuple[Gateway, float, float]:
    """A gateway with so many deployments, how long loading took, and how much memory came with it (MiB)."""
    for number in range(deployments):
        name = f"d{number}"
        publish(home, snapshot(name, {"champion": artefact(home, place / "model.onnx", name)}))
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gateway = open_gateway(home)
    return gateway, time.perf_counter() - started, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def _block(
    loop: asyncio.AbstractEventLoop, gateway: Gateway, names: list[str], bodies: list[bytes]
) -> tuple[list[float], int]:
    """Microseconds of each request of a block, ascending; how many were not answered at once."""
    taken, threaded = [], 0
    for number, body in enumerate(bodies):
        name = names[number % len(names)]
        started = time.perf_counter_ns()
        answer = gateway.answer_plain(name, body) or gateway.begin(name, read_predict(body), len(body))
        if isinstance(answer, Pending):  # on a busy machine the model looks slow, and runs in a thread
            threaded += 1
            loop.run_until_complete(gateway.finish(answer))
        taken.append((time.perf_counter_ns() - started) / 1000)
    return sorted(taken), threaded


def render(found: dict[str, Any]) -> str:
    names = list(found["latency_us"])
    first = found["latency_us"][names[0]]
    lines = []
    for name in names:
        blocks = found["latency_us"][name]
        p50, p99 = ([block[i] for block in blocks] for i in (0, 1))
        ratio = [mine[0] / base[0] for mine, base in zip(blocks, first, strict=True)]
        told = "" if name == names[0] else results.spread(ratio)
        lines.append([name, results.spread(p50, ".1f"), results.spread(p99, ".1f"), told])
    table = results.rows(["", "p50 µs (least, **median**, most)", "p99 µs", "p50 ÷ that of one"], lines)
    loading = f"Loading them took {found['load_seconds']:.1f} s and {found['mib']:,.0f} MiB."
    return f"{table}\n\n{loading} {found['threaded']:,} requests were not answered at once."


def _arguments() -> argparse.Namespace:
    made = parser("many", __doc__)
    made.add_argument("--deployments", type=int, default=1000, help="how many (1000)")
    return made.parse_args()


if __name__ == "__main__":
    given = _arguments()
    results.run("many", given, lambda: measure(given.deployments, given.pairs), render)
