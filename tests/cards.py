"""Whether an accelerator is here, for tests that need one; and a model that gives one work."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import onnxruntime

from bench.batching import NARROW, dense

TOLERANCE = 1e-4
"""What registration allows."""


@cache
def no_cuda() -> str:
    """Why ONNX Runtime cannot use a CUDA card here, or ""."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this onnxruntime has no CUDA"
    try:
        seen = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    except OSError:
        return "there is no NVIDIA driver"
    return "" if seen.returncode == 0 and "GPU 0" in seen.stdout else "there is no NVIDIA card"


@cache
def model(width: int = 2048, layers: int = 4) -> bytes:
    """A dense regression as ONNX, of 64 MiB."""
    return dense(width, layers)


def rows(number: int, seed: int = 0) -> dict[str, Any]:
    """So many rows of normal numbers for it."""
    return {"X": np.random.default_rng(seed).normal(size=(number, NARROW)).astype(np.float32)}


def apart(one: Any, other: Any) -> float:
    """The largest difference relative to max(|value|, a tenth of the median |value|), as registration measures it."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float((np.abs(one - other) / np.maximum(np.abs(other), 0.1 * np.median(np.abs(other)))).max())


HOLD = """
import sys
import numpy, onnxruntime
onnxruntime.preload_dlls()
onnxruntime.set_default_logger_severity(4)
held, size = [], 1 << 34
while size >= 1 << 21:
    try:
        held.append(onnxruntime.OrtValue.ortvalue_from_shape_and_type([size], numpy.uint8, "cuda", 0))
    except Exception:
        size //= 2
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def full_card() -> Iterator[None]:
    """A process that holds all that was free on the card."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
    finally:
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()
