"""Gateways for tests: hand-made snapshots, models that do as they are told, a small real ONNX model."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from seatrial.models.runtimes import Runtime, RuntimeFailure
from seatrial.protocol.packing import DTYPES
from seatrial.routing.snapshot import Arm, ContextKey, Entry, LogPolicy, Shadow, Slot, Snapshot
from seatrial.serving.deployed import Deployed
from seatrial.serving.engine import Engine
from seatrial.serving.gateway import Gateway, Limits
from seatrial.serving.recording import Recorder
from seatrial.spec.signature import Answer, Feature, Signature, Tensor

CLOCK = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds."""

BINARY = Signature(
    task="classification",
    features=(
        Feature(name="age", kind="number"),
        Feature(name="income", kind="number", nullable=True),
        Feature(name="country", kind="category", categories=("DE", "FR", "US")),
    ),
    inputs=(Tensor(name="X", datatype="FP32", shape=(-1, 3), features=("age", "income", "country")),),
    outputs=(
        Tensor(name="label", datatype="INT64", shape=(-1,)),
        Tensor(name="probabilities", datatype="FP32", shape=(-1, 2)),
    ),
    answer=Answer(prediction="label", scores="probabilities", classes=(0, 1)),
)
GOOD = {"age": 40.0, "income": 2000.0, "country": "FR"}


class Scripted:
    """A model that gives its score for every row, and can be told to fail or to hang."""

    def __init__(self, score: float = 0.25, *, out_of_process: bool = False, alone: bool = False) -> None:
        self.score = score
        self.out_of_process = out_of_process
        self.alone = alone
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.calls = 0
        self.closed = False

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        self.calls += 1
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        n = len(inputs["X"])
        scores = np.full((n, 2), [1 - self.score, self.score])
        return {"label": np.full(n, int(self.score >= 0.5)), "probabilities": scores}

    def hang(self) -> None:
        self.gate.clear()

    def release(self) -> None:
        self.gate.set()

    def close(self) -> None:
        self.closed = True


def broken(reason: str = "out of order") -> Scripted:
    model = Scripted()
    model.failure = RuntimeFailure(reason)
    return model


def slot(variant: str, version: int = 1, signature: Signature = BINARY, **more: Any) -> Slot:
    """A version; it has time enough on any machine, unless a test is about how little it has."""
    given = {"model": "churn", "digest": f"digest-{version}", "path": "/nowhere", "runtime": "onnx", "timeout": 60.0}
    given |= more
    return Slot(variant=variant, version=version, signature=signature, **given)


def snapshot(
    weights: Mapping[str, float] | None = None,
    *,
    slots: tuple[Slot, ...] | None = None,
    deployment: str = "churn",
    revision: int = 1,
    fallback: Any = None,
    **more: Any,
) -> Snapshot:
    """A deployment of champion (version 1) and challenger (version 2), split by ``weights``."""
    split = weights or {"champion": 1.0}
    given: dict[str, Any] = {
        "task": "classification",
        "unit_name": "customer",
        "default": "champion",
        "entries": (Entry(name="everybody", salt="churn/1", arms=tuple(Arm(v, w) for v, w in split.items())),),
        "log": LogPolicy(features=("age", "income", "country")),
        "outcomes": ("churned",),
        **more,
    }
    return Snapshot(
        deployment=deployment,
        revision=revision,
        slots=slots or (slot("champion", 1), slot("challenger", 2)),
        fallback=None if fallback is None else msgspec.Raw(msgspec.json.encode(fallback)),
        **given,
    )


def quick(runtime: Runtime, **more: Any) -> Engine:
    """An engine that has been measured quick, so that it runs on the event loop."""
    engine = Engine(runtime, **more)
    for _ in range(10):
        engine.pace.note(10.0, 1)
    return engine


def slow(runtime: Runtime, **more: Any) -> Engine:
    """An engine that has not been measured, so that it runs in threads."""
    return Engine(runtime, **more)


class Bench:
    """A gateway on a home directory of its own, and what is needed to look behind it."""

    def __init__(
        self,
        home: Path,
        *,
        limits: Limits = Limits(),
        clock: Callable[[], int] = lambda: CLOCK,
        ticks: Callable[[], int] = time.perf_counter_ns,
        watch: Callable[[Any], None] | None = None,
    ) -> None:
        self.home = home
        self.recorder = Recorder(home, "w0", clock=clock)
        self.gateway = Gateway(self.recorder, clock=clock, limits=limits, ticks=ticks, watch=watch)

    def serve(self, snapshot: Snapshot, **engines: Engine) -> Deployed:
        """Activate a snapshot; variants without an engine get a quick scripted model."""
        loaded = {s.variant: engines.get(s.variant) or quick(Scripted()) for s in snapshot.slots}
        deployed = Deployed(snapshot, loaded, self.recorder)
        self.gateway.activate(self.gateway.prepare(deployed))
        self.gateway.ready = True
        return deployed

    def rows(self, deployment: str = "churn") -> list[dict[str, Any]]:
        """The rows written so far, in order of request and row."""
        from seatrial.ledger.reader import Reader

        self.recorder.rows.flush()
        with Reader(self.home).open(deployment) as view:
            return view.sql('select * from rows order by "at", request_id, "row", role').to_pylist()


@contextmanager
def bench(home: Path, **more: Any) -> Iterator[Bench]:
    found = Bench(home, **more)
    try:
        yield found
    finally:
        found.recorder.close()


__all__ = [
    "BINARY",
    "EVERY",
    "GOOD",
    "Bench",
    "ContextKey",
    "Echo",
    "Scripted",
    "Shadow",
    "bench",
    "broken",
    "echo",
    "quick",
    "slot",
    "slow",
    "snapshot",
]


def logistic(features: int, seed: int = 0) -> tuple[bytes, Signature]:
    """A small real ONNX model: logistic regression on ``features`` numbers, label and probabilities out."""
    from onnx import TensorProto, checker, helper

    rng = np.random.default_rng(seed)
    weights = rng.normal(size=features).astype(np.float32)
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["X"],
            ["label", "raw"],
            domain="ai.onnx.ml",
            coefficients=[*(-weights).tolist(), *weights.tolist()],
            intercepts=[0.1, -0.1],
            classlabels_ints=[0, 1],
            post_transform="SOFTMAX",
        ),
        helper.make_node("Identity", ["raw"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, features])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    checker.check_model(model)
    names = tuple(f"feature_{i}" for i in range(features))
    signature = Signature(
        task="classification",
        features=tuple(Feature(name=name, kind="number") for name in names),
        inputs=(Tensor(name="X", datatype="FP32", shape=(-1, features), features=names),),
        outputs=BINARY.outputs,
        answer=BINARY.answer,
    )
    return model.SerializeToString(), signature


KINDS = {"BOOL": "boolean", "BYTES": "text", "FP16": "number", "FP32": "number", "FP64": "number"}
EVERY = Signature(
    task="raw",
    features=tuple(Feature(name=f"f_{name.lower()}", kind=KINDS.get(name, "integer")) for name in DTYPES),  # type: ignore[arg-type]
    inputs=tuple(
        Tensor(name=name, datatype=name, shape=(-1, 1), features=(f"f_{name.lower()}",))  # type: ignore[arg-type]
        for name in DTYPES
    ),
    outputs=tuple(Tensor(name=f"{name}_OUT", datatype=name, shape=(-1, 1)) for name in DTYPES),  # type: ignore[arg-type]
    answer=Answer(prediction="BYTES_OUT"),
)
"""A model with one input and one output of every datatype."""


class Echo(Scripted):
    """Gives every input back."""

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        return {f"{name}_OUT": values for name, values in inputs.items()}


def echo(deployment: str = "echo") -> Snapshot:
    """A deployment of the model that gives everything back; serve it with ``champion=quick(Echo())``."""
    only = slot("champion", 1, EVERY, model=deployment)
    return snapshot(deployment=deployment, slots=(only,), task="raw", log=LogPolicy())
