"""``mlflow models serve`` of the model in MLflow's ONNX flavour, one worker."""

import os
import shutil
import sys
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

if __name__ == "__main__":
    port, place = sys.argv[1:3]
    saved = Path(place) / "mlflow-model"
    shutil.rmtree(saved, ignore_errors=True)
    mlflow.onnx.save_model(
        onnx.load(f"{place}/model.onnx"),
        str(saved),
        signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 30))])),
        onnx_execution_providers=["CPUExecutionProvider"],
    )
    os.environ["UVICORN_ACCESS_LOG"] = "false"
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["models", "serve", "-m", str(saved), "-h", "127.0.0.1", "-p", port, "--env-manager", "local", "-w", "1"]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *command])
