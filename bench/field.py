"""The field: who is measured, what each is asked, how its answer is read. A new rival is a file and a line here."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Answer = tuple[int, float]
"""The label, and the probability of label 1."""


class Speech(NamedTuple):
    """A way of asking: the body (``@`` where the unit goes) of a row by name, and how its answer is read."""

    body: Callable[[Mapping[str, float]], dict[str, Any]]
    read: Callable[[Any], Answer | None]


class Rival(NamedTuple):
    """One contestant.

    Attributes:
        name: As the tables have it.
        module: Its file in `bench.rivals`.
        port: Where it listens.
        speech, path: How and where it is asked.
        pins: Its requirements file's name, for an environment of its own; "": ours.
        package: The package whose version is told; "": none.
        python: The interpreter that its environment is made with; "": ours.
    """

    name: str
    module: str
    port: int
    speech: Speech
    path: str = "/predict"
    pins: str = ""
    package: str = ""
    python: str = ""


def _read_v2(answer: Any) -> Answer:
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    label = outputs["label"][0]
    return int(label[0] if isinstance(label, list) else label), float(_flat(outputs["probabilities"])[1])


def _flat(data: Any) -> list[float]:
    return data[0] if isinstance(data[0], list) else data


def _tensor(features: Mapping[str, float]) -> dict[str, Any]:
    return {"name": "X", "shape": [1, len(features)], "datatype": "FP32", "data": list(features.values())}


ROW = Speech(
    lambda features: {"unit": "@", "features": dict(features)},
    lambda answer: (int(answer["prediction"]), float(answer["score"])),
)
TENSOR = Speech(lambda features: {"inputs": [_tensor(features)]}, _read_v2)
TENSOR_WITH_UNIT = Speech(
    lambda features: {"parameters": {"unit": "@"}, "inputs": [_tensor(features)]},
    _read_v2,
)
MLFLOW = Speech(
    lambda features: {"inputs": [list(features.values())]},
    lambda answer: (
        int(answer["predictions"]["label"][0]),
        float(_flat(answer["predictions"]["probabilities"])[1]),
    ),
)
ECHO = Speech(ROW.body, lambda _: None)

PREDICT = "/v1/deployments/bench/predict"
INFER = "/v2/models/bench/infer"

OURS = Rival("seatrial", "", 18080, ROW, PREDICT)
OURS_INFER = Rival("seatrial, Open Inference", "", 18080, TENSOR_WITH_UNIT, INFER)

SYSTEM = "/usr/bin/python3"
"""Triton's python backend loads the system's libpython, and wants the packages of the same Python."""

RIVALS = (
    Rival("nginx, a fixed answer", "nginx", 18101, ECHO),
    Rival("uvloop + httptools, echo", "echo_uvloop", 18102, ECHO, package="uvloop"),
    Rival("granian, echo", "echo_granian", 18103, ECHO, package="granian"),
    Rival("bare uvloop + httptools", "bare_uvloop", 18104, ROW, package="uvloop"),
    Rival("bare granian", "bare_granian", 18105, ROW, package="granian"),
    Rival("Robyn", "robyn", 18106, ROW, pins="robyn", package="robyn"),
    Rival("FastAPI + uvicorn", "fastapi", 18107, ROW, pins="fastapi", package="fastapi"),
    Rival("LitServe", "litserve", 18108, ROW, pins="litserve", package="litserve"),
    Rival("BentoML", "bentoml", 18109, ROW, pins="bentoml", package="bentoml"),
    Rival("Ray Serve", "ray", 18110, ROW, "/", pins="ray", package="ray"),
    Rival("MLServer", "mlserver", 18111, TENSOR, INFER, pins="mlserver", package="mlserver"),
    Rival("MLflow serving", "mlflow", 18112, MLFLOW, "/invocations", pins="mlflow", package="mlflow"),
    Rival("KServe SDK", "kserve", 18113, TENSOR, INFER, pins="kserve", package="kserve"),
    Rival("Triton (PyTriton)", "triton", 18114, TENSOR, INFER, pins="triton", package="nvidia-pytriton", python=SYSTEM),
    Rival("Triton (tritonserver)", "triton", 18114, TENSOR, INFER, pins="tritonserver", package="tritonserver"),
)


def body_of(rival: Rival, features: Mapping[str, float]) -> str:
    """What the rival is asked, with ``@`` for the unit."""
    return json.dumps(rival.speech.body(features))
