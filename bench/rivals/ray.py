"""Ray Serve: one replica behind its proxy, no FastAPI in between."""

import os
import signal
import sys
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_SERVE_LOG_TO_STDERR"] = "0"

import ray
from ray import serve

from bench.rivals.session import Session


@serve.deployment(num_replicas=1, max_ongoing_requests=100, logging_config={"enable_access_log": False})
class Bench:
    def __init__(self, model: str) -> None:
        self._session = Session(model)

    async def __call__(self, request: Any) -> dict[str, Any]:
        return self._session.one((await request.json())["features"])


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Bench.bind(f"{sys.argv[2]}/model.onnx"), route_prefix="/")
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    serve.shutdown()
    ray.shutdown()
