"""LitServe, one worker, no batching."""

import sys
from typing import Any

import litserve

from bench.rivals.session import Session


class Api(litserve.LitAPI):
    def __init__(self, model: str) -> None:
        super().__init__(api_path="/predict")
        self._model = model

    def setup(self, device: str) -> None:  # noqa: ARG002
        self._session = Session(self._model)

    def decode_request(self, request: dict[str, Any]) -> dict[str, float]:
        return request["features"]

    def predict(self, features: dict[str, float]) -> dict[str, Any]:
        return self._session.one(features)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Api(f"{sys.argv[2]}/model.onnx"), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="warning", generate_client_file=False
    )
