"""``python -m bench.batching``: what batches gain, what they cost at low load, and what a cache that never hits costs.

The gateway in process, one worker's worth of it, on a model whose weights do not fit a processor's cache (four dense
layers of 2048 x 2048, 64 MiB). With and without batches (or a cache) take turns, so that a ratio is of neighbours.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from seatrial.models.runtimes import OnnxRuntime
from seatrial.protocol.bodies import PredictBody
from seatrial.routing.snapshot import Batch, Cache, Device, Entry, LogPolicy, Slot, Snapshot
from seatrial.serving.deployed import Deployed
from seatrial.serving.engine import Engine
from seatrial.serving.gateway import Gateway, wall_clock
from seatrial.serving.loader import cores_each
from seatrial.serving.recording import Recorder
from seatrial.serving.warming import MEASURED_CALLS, WARM_CALLS
from seatrial.spec.signature import Answer, Feature, Signature, Tensor

NARROW, WIDE, LAYERS = 16, 2048, 4
NAMES = tuple(f"f{i:02d}" for i in range(NARROW))
SIGNATURE = Signature(
    task="regression",
    features=tuple(Feature(name=name, kind="number") for name in NAMES),
    inputs=(Tensor(name="X", datatype="FP32", shape=(-1, NARROW), features=NAMES),),
    outputs=(Tensor(name="Y", datatype="FP32", shape=(-1, 1)),),
    answer=Answer(prediction="Y"),
)


def dense(width: int, layers: int) -> bytes:
    """A regression through so many dense layers, with a narrow one before and one number after."""
    rng = np.random.default_rng(1)
    widths = [NARROW, *[width] * (layers + 1), 1]
    nodes, weights, given = [], [], "X"
    for layer, (rows, columns) in enumerate(itertools.pairwise(widths)):
        matrix = (rng.normal(size=(rows, columns)) / np.sqrt(rows)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"W{layer}"))
        last = layer == len(widths) - 2
        nodes.append(helper.make_node("MatMul", [given, f"W{layer}"], ["Y" if last else f"M{layer}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"M{layer}"], [f"H{layer}"]))
            given = f"H{layer}"
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, NARROW])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def measured(engine: Engine) -> Engine:
    """The same, warm, with a known pace, as a worker's engine is before it serves."""
    row = {"X": np.ones((1, NARROW), np.float32)}
    for call in range(WARM_CALLS + MEASURED_CALLS):
        engine.runtime.run(row) if call < WARM_CALLS else engine.run(row, 1)
    return engine


@contextmanager
def gateway(
    deployments: dict[str, tuple[bytes, Batch | None, Cache | None]], abreast: int, device: Device = "cpu"
) -> Iterator[Gateway]:
    """A gateway in a home of its own with one deployment for each way."""
    with tempfile.TemporaryDirectory() as directory:
        recorder = Recorder(Path(directory), "bench", clock=wall_clock)
        made = Gateway(recorder)
        for name, (content, batch, cache) in deployments.items():
            slot = Slot(
                variant="champion",
                model=name,
                version=1,
                digest=name,
                path="",
                runtime="onnx",
                timeout=30.0,
                signature=SIGNATURE,
                batch=batch,
                cache=cache,
            )
            snapshot = Snapshot(
                deployment=name,
                revision=1,
                task="regression",
                unit_name="unit",
                slots=(slot,),
                default="champion",
                entries=(Entry(name="everybody", to="champion", reason="rule"),),
                log=LogPolicy(features=NAMES),
            )
            engine = measured(Engine(OnnxRuntime(content, ("Y",), device), abreast=abreast))
            made.activate(made.prepare(Deployed(snapshot, {"champion": engine}, recorder)))
            asyncio.run(load(made, name, 4, 1.0))
        try:
            yield made
        finally:
            recorder.close()


def rows() -> Iterator[dict[str, float]]:
    """Rows that never come again."""
    for number in itertools.count():
        yield {name: (number % 1009) / 7 + i + number for i, name in enumerate(NAMES)}


ROWS = rows()


class Load(NamedTuple):
    """Requests a second, and the quantiles of their latency in milliseconds."""

    rate: float
    p50: float
    p99: float


async def load(made: Gateway, name: str, callers: int, seconds: float) -> Load:
    """So many callers, each asking again as soon as it is answered."""
    until = time.perf_counter() + seconds
    taken: list[float] = []

    async def caller() -> None:
        while (started := time.perf_counter()) < until:
            await made.predict(name, next(ROWS))
            taken.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    quantiles = np.quantile(taken, [0.5, 0.99]) * 1000
    return Load(len(taken) / (time.perf_counter() - started), *map(float, quantiles))


def _turn(made: Gateway, name: str, callers: int, seconds: float) -> Load:
    return asyncio.run(load(made, name, callers, seconds))


def in_turn(rounds: int, ways: dict[str, Callable[[], Any]]) -> dict[str, list[Any]]:
    """Every way once a round, the order turned about every time."""
    found: dict[str, list[Any]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            found[name].append(ways[name]())
    return found


def ratio(one: list[float], other: list[float]) -> str:
    """The least, the median and the most of the ratios of neighbours."""
    ratios = [a / b for a, b in zip(one, other, strict=True)]
    return f"{min(ratios):.2f}, **{statistics.median(ratios):.2f}**, {max(ratios):.2f}"


def batches(rounds: int, seconds: float, abreast: int) -> str:
    """Throughput and latency with and without batches."""
    model, small = dense(WIDE, LAYERS), dense(256, LAYERS)
    told = ["| load | rate, batched ÷ alone | p50, batched ÷ alone | batched, requests/s | alone, requests/s |"]
    told.append("|---|---|---|---|---|")
    ways = {"batched": Batch(), "alone": None}
    for what, content, callers in (
        (f"four dense layers of {WIDE}², 32 callers", model, 32),
        (f"four dense layers of {WIDE}², 1 caller", model, 1),
        ("four dense layers of 256², 1 caller", small, 1),
    ):
        with gateway({name: (content, batch, None) for name, batch in ways.items()}, abreast) as made:
            for engine in (made.find(name).default.engine for name in ways):
                engine.runtime.out_of_process = True  # type: ignore[attr-defined]  # in threads, however quick
            found = in_turn(rounds, {name: partial(_turn, made, name, callers, seconds) for name in ways})
        one, other = found["batched"], found["alone"]
        told.append(
            f"| {what} | {ratio([t.rate for t in one], [t.rate for t in other])} "
            f"| {ratio([t.p50 for t in one], [t.p50 for t in other])} "
            f"| {statistics.median(t.rate for t in one):,.0f} | {statistics.median(t.rate for t in other):,.0f} |"
        )
    return "\n".join(told)


def misses(rounds: int, requests: int) -> str:
    """What a cache that never hits costs a quick model's request."""
    model = dense(8, 1)
    with gateway({"plain": (model, None, None), "cached": (model, None, Cache())}, 1) as made:
        encode = msgspec.json.encode

        for name in ("plain", "cached"):
            made.find(name).default.engine.fits = lambda _: True  # type: ignore[method-assign]  # whoever else works

        def long_way(name: str) -> float:
            given = [PredictBody(features=next(ROWS)) for _ in range(requests)]
            used = time.process_time()
            for body in given:
                made.begin(name, body)
            return (time.process_time() - used) / requests * 1e6

        def short_way() -> float:
            given = [encode({"unit": "u", "features": next(ROWS)}) for _ in range(requests)]
            pace = made.find("plain").default.engine.pace
            used = time.process_time()
            for body in given:
                pace.inline = True
                assert made.answer_plain("plain", body) is not None
            return (time.process_time() - used) / requests * 1e6

        found = in_turn(
            rounds,
            {
                "cached": lambda: long_way("cached"),
                "plain": lambda: long_way("plain"),
                "short": short_way,
            },
        )
    told = ["| way | CPU µs a request | with a cache ÷ it |", "|---|---|---|"]
    told.append(f"| all misses, with a cache | {statistics.median(found['cached']):.1f} | |")
    told.append(
        f"| the same without | {statistics.median(found['plain']):.1f} | {ratio(found['cached'], found['plain'])} |"
    )
    told.append(
        f"| the shorter way of plain rows, bytes in, bytes out, which a cache rules out "
        f"| {statistics.median(found['short']):.1f} | {ratio(found['cached'], found['short'])} |"
    )
    return "\n".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.batching", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one turn")
    parser.add_argument("--abreast", type=int, default=cores_each(1), help="batches at once; the cores of a worker")
    given = parser.parse_args()
    print(batches(given.rounds, given.seconds, given.abreast), end="\n\n")
    print(misses(given.rounds, 2000))


if __name__ == "__main__":
    main()
