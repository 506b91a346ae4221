"""MLServer, the model inside the one process (``parallel_workers: 0``), which is its quickest way for a small model."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from bench.rivals.session import Session


class Bench(MLModel):
    async def load(self) -> bool:
        self._session = Session(os.environ["BENCH_MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        label, scores = self._session.many(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [
            NumpyCodec.encode_output("label", label),
            NumpyCodec.encode_output("probabilities", scores),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


def settings(port: int) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1000,
        "metrics_port": port + 2000,
        "parallel_workers": 0,
        "debug": False,
        "logging_settings": {"version": 1, "disable_existing_loggers": True},
    }


if __name__ == "__main__":
    place = Path(sys.argv[2])
    folder = place / "mlserver"
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings(int(sys.argv[1]))))
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "bench", "implementation": "bench.rivals.mlserver.Bench"})
    )
    os.environ["BENCH_MODEL"] = str(place / "model.onnx")
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", str(folder)])
