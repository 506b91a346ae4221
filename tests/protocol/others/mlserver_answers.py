"""Ask MLServer the questions of ``questions.json`` and keep its answers in ``mlserver_answers.json``.

Run by an environment that has mlserver (``make mlserver``). Its model is written here and does what ``Scripted`` of the
tests' gateways does: label 0, probabilities 0.75 and 0.25, for every row of ``X``.
"""

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODEL = """
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, ResponseOutput


class Model(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        n = len(NumpyCodec.decode_input(payload.inputs[0]))
        label = ResponseOutput(name="label", datatype="INT64", shape=[n], data=[0] * n)
        scores = NumpyCodec.encode_output("probabilities", np.full((n, 2), [0.75, 0.25], dtype=np.float32))
        wanted = [one.name for one in payload.outputs or []]
        outputs = [one for one in (label, scores) if not wanted or one.name in wanted]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
"""
SETTINGS = {
    "name": "churn",
    "versions": ["1"],
    "implementation": "model.Model",
    "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
    ],
    "parameters": {"version": "1"},
}
SECONDS_TO_START = 120


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(port: int, question: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = question.get("raw") or (json.dumps(question["body"]) if "body" in question else None)
    connection.request(question["method"], question["path"], body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict) and "id" not in question.get("body", {}):
        found.pop("id", None)  # made up, another one each time
    return {"status": response.status, "body": found}


def answers(port: int) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS_TO_START
    ready = {"method": "GET", "path": "/v2/models/churn/ready"}
    while True:
        try:
            if ask(port, ready)["status"] == 200:
                break
        except OSError:
            pass
        assert time.monotonic() < deadline, "MLServer did not start"
        time.sleep(0.2)
    questions = json.loads((HERE / "questions.json").read_text())
    return {name: ask(port, question) for name, question in questions.items()}


def main() -> None:
    port, grpc, metrics = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(MODEL)
        (folder / "model-settings.json").write_text(json.dumps(SETTINGS))
        ports = {"http_port": port, "grpc_port": grpc, "metrics_port": metrics}
        (folder / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
        server = subprocess.Popen([Path(sys.executable).parent / "mlserver", "start", name], cwd=name)
        try:
            found = answers(port)
        finally:
            server.terminate()
            server.wait(30)
    kept = {"mlserver": version("mlserver"), "answers": found}
    (HERE / "mlserver_answers.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
