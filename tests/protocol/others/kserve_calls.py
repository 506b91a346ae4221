"""Run by an environment that has kserve: every call of its clients, against two addresses; prints what came as JSON.

``python kserve_calls.py http://HOST:PORT HOST:PORT`` (REST, then gRPC) with the deployments of ``test_kserve.py``.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable
from typing import Any

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

logging.disable(logging.CRITICAL)
ROWS = np.array([[40.0, 2000.0, 1.0], [50.0, 1.0, 2.0]], dtype=np.float32)


def rows(*, binary: bool, outputs: bool | None = None, text: str | None = None) -> InferRequest:
    given = InferInput("X", [2, 3], "FP32") if text is None else InferInput("BYTES", [1], "BYTES")
    given.set_data_from_numpy(ROWS if text is None else np.array([text], dtype=object), binary_data=binary)
    return InferRequest(
        "churn" if text is None else "words",
        [given],
        request_id="mine",
        parameters={} if outputs is None else {"binary_data_output": outputs},
    )


def shown(answer: Any) -> Any:
    return {
        "id": answer.id,
        "outputs": {one.name: np.vectorize(text, otypes=[object])(one.as_numpy()).tolist() for one in answer.outputs},
    }


def text(element: Any) -> str:
    return element.decode() if isinstance(element, bytes) else str(element)


async def error(call: Awaitable[Any]) -> str:
    try:
        await call
    except Exception as caught:  # noqa: BLE001 - what a user sees is the point
        return str(caught)
    return "no error"


async def rest(url: str) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        wanted = rows(binary=True)
        wanted.request_outputs = [RequestedOutput("label", {"binary_data": True})]
        texts = [client.infer(url, rows(binary=n % 2 == 0, text=f"text {n}"), model_name="words") for n in range(50)]
        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model": await client.is_model_ready(url, "churn"),
            "nobody": await client.is_model_ready(url, "nobody"),
            "json": shown(await client.infer(url, rows(binary=False), model_name="churn")),
            "binary in": shown(await client.infer(url, rows(binary=True), model_name="churn")),
            "binary out": shown(await client.infer(url, rows(binary=False, outputs=True), model_name="churn")),
            "both": shown(await client.infer(url, rows(binary=True, outputs=True), model_name="churn")),
            "one output": shown(await client.infer(url, wanted, model_name="churn")),
            "texts": [shown(one)["outputs"]["BYTES_OUT"] for one in await asyncio.gather(*texts)],
            "error": await error(client.infer(url, rows(binary=True), model_name="nobody")),
        }


async def grpc(address: str) -> dict[str, Any]:
    async with InferenceGRPCClient(address, retries=0) as client:
        nobody = rows(binary=True)
        nobody.model_name = "nobody"
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model": await client.is_model_ready("churn"),
            "nobody": await error(client.is_model_ready("nobody")),
            "raw": shown(await client.infer(rows(binary=True))),
            "contents": shown(await client.infer(rows(binary=False))),
            "text": shown(await client.infer(rows(binary=True, text="héllo"))),
            "error": await error(client.infer(nobody)),
        }


if __name__ == "__main__":
    found = {"rest": asyncio.run(rest(sys.argv[1])), "grpc": asyncio.run(grpc(sys.argv[2]))}
    print(json.dumps(found))
