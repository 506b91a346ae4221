"""The KServe SDK's model server, one worker, its gRPC edge and its logs off."""

import sys
from typing import Any

import kserve

from bench.rivals.session import Session


class Bench(kserve.Model):
    def __init__(self, model: str) -> None:
        super().__init__("bench")
        self._path = model
        self.load()

    def load(self) -> bool:
        self._session = Session(self._path)
        self.ready = True
        return True

    async def predict(
        self,
        payload: kserve.InferRequest,
        headers: Any = None,  # noqa: ARG002
        response_headers: Any = None,  # noqa: ARG002
    ) -> kserve.InferResponse:
        label, scores = self._session.many(payload.inputs[0].as_numpy())
        outputs = [
            kserve.InferOutput("label", list(label.shape), "INT64", label.tolist()),
            kserve.InferOutput("probabilities", list(scores.shape), "FP32", scores.ravel().tolist()),
        ]
        return kserve.InferResponse(payload.id or "", "bench", outputs)


if __name__ == "__main__":
    server = kserve.ModelServer(http_port=int(sys.argv[1]), workers=1, enable_grpc=False, enable_latency_logging=False)
    server.start([Bench(f"{sys.argv[2]}/model.onnx")])
