"""BentoML, one worker, no batching."""

import os
import sys
from typing import Any

import bentoml

from bench.rivals.session import Session


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Bench:
    def __init__(self) -> None:
        self._session = Session(os.environ["BENCH_MODEL"])

    @bentoml.api
    async def predict(self, features: dict[str, float], unit: str = "") -> dict[str, Any]:  # noqa: ARG002
        return self._session.one(features)


if __name__ == "__main__":
    os.environ["BENCH_MODEL"] = f"{sys.argv[2]}/model.onnx"
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    command = ["-m", "bentoml", "serve", "bench.rivals.bentoml:Bench", "--host", "127.0.0.1", "--port", sys.argv[1]]
    os.execv(sys.executable, [sys.executable, *command])
