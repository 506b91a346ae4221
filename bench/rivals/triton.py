"""Triton Inference Server from the wheel of PyTriton, the model in its python backend; no batching.

Triton's own wheel (``tritonserver``) is an interface to a server that comes in a container;
PyTriton's carries the server.
"""

import sys
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.rivals.session import Session

if __name__ == "__main__":
    port = int(sys.argv[1])
    session = Session(f"{sys.argv[2]}/model.onnx")

    @batch
    def infer(X: Any) -> dict[str, Any]:
        label, scores = session.many(X)
        return {"label": label.reshape(-1, 1), "probabilities": scores}

    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=port,
        grpc_address="127.0.0.1",
        grpc_port=port + 1000,
        allow_metrics=False,
    )
    with Triton(config=config, workspace=f"{sys.argv[2]}/triton") as triton:
        triton.bind(
            model_name="bench",
            infer_func=infer,
            inputs=[Tensor(name="X", dtype=np.float32, shape=(30,))],
            outputs=[
                Tensor(name="label", dtype=np.int64, shape=(1,)),
                Tensor(name="probabilities", dtype=np.float32, shape=(2,)),
            ],
            config=ModelConfig(max_batch_size=16, batching=True),
        )
        triton.serve()
