"""``python -m bench.devices``: what a device gains over one core, for a dense model in process, and what TF32 costs.

The processor and the device take turns at every size of a call, so that a ratio is of neighbours. What is printed is
JSON: the card and the builds stand beside the figures.
"""

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import time
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.batching import LAYERS, NARROW, WIDE, Load, dense, gateway, in_turn, load
from seatrial.models.providers import CHAINS, CPU
from seatrial.models.runtimes import OnnxRuntime
from seatrial.routing.snapshot import Batch, Device

SIZES = (1, 8, 64, 512)
CALLERS = (1, 32)


def inputs(rows: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """So many rows of normal numbers."""
    return {"X": np.random.default_rng(seed).normal(size=(rows, NARROW)).astype(np.float32)}


def timed(runtime: OnnxRuntime, given: dict[str, NDArray[Any]], seconds: float) -> float:
    """The median time of a call in microseconds, of all that fit into so many seconds and at least three."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        runtime.run(given)
        taken.append((time.perf_counter() - started) * 1e6)
    return statistics.median(taken)


def apart(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The largest difference, as registration measures it: relative to max(|value|, a tenth of the median |value|)."""
    floor = 0.1 * np.median(np.abs(other))
    return float((np.abs(one - other) / np.maximum(np.abs(other), floor)).max())


def calls(content: bytes, device: Device, rounds: int, seconds: float) -> list[dict[str, float]]:
    """The processor and the device at each size of a call."""
    runtimes = {"cpu": OnnxRuntime(content, ("Y",)), device: OnnxRuntime(content, ("Y",), device)}
    found: list[dict[str, float]] = []
    for rows in SIZES:
        given = inputs(rows)
        started = time.perf_counter()
        answer = runtimes[device].run(given)["Y"]
        first = (time.perf_counter() - started) * 1e6
        difference = apart(answer, runtimes["cpu"].run(given)["Y"])
        turns = in_turn(rounds, {name: partial(timed, runtime, given, seconds) for name, runtime in runtimes.items()})
        cpu, there = statistics.median(turns["cpu"]), statistics.median(turns[device])
        ratios = [a / b for a, b in zip(turns["cpu"], turns[device], strict=True)]
        found.append(
            {
                "rows": rows,
                "cpu_us": round(cpu, 1),
                "device_us": round(there, 1),
                "first_call_us": round(first, 1),
                "times_quicker": round(statistics.median(ratios), 2),
                "least": round(min(ratios), 2),
                "most": round(max(ratios), 2),
                "cpu_rows_per_s": round(rows / cpu * 1e6),
                "device_rows_per_s": round(rows / there * 1e6),
                "largest_relative_difference": difference,
            }
        )
    return found


def requests(content: bytes, device: Device, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """The gateway in process on the processor and on the device, with batches and without."""
    ways = {"batched": Batch(), "alone": None}
    found: list[dict[str, Any]] = []
    for where in ("cpu", device):
        with gateway({name: (content, batch, None) for name, batch in ways.items()}, 1, cast(Device, where)) as made:
            for callers in CALLERS:
                turns = in_turn(rounds, {name: partial(_load, made, name, callers, seconds) for name in ways})
                for name, loads in turns.items():
                    found.append(
                        {
                            "device": where,
                            "way": name,
                            "callers": callers,
                            "requests_per_s": round(statistics.median(one.rate for one in loads)),
                            "p50_ms": round(statistics.median(one.p50 for one in loads), 3),
                            "p99_ms": round(statistics.median(one.p99 for one in loads), 3),
                        }
                    )
    return found


def _load(made: Any, name: str, callers: int, seconds: float) -> Load:
    return asyncio.run(load(made, name, callers, seconds))


def shortened(content: bytes, device: Device) -> dict[str, float]:
    """How far answers are from float64's, in float32 as it is served, and with TF32."""
    import onnxruntime

    given = inputs(256, seed=1)
    exact = reference(content, given["X"])
    chain = CHAINS[device]
    found = {"cpu": apart(OnnxRuntime(content, ("Y",)).run(given)["Y"], exact)}
    found[device] = apart(OnnxRuntime(content, ("Y",), device).run(given)["Y"], exact)
    for allowed in ("0", "1"):
        options = [(name, {"use_tf32": allowed} if name == "CUDAExecutionProvider" else {}) for name in chain]
        session = onnxruntime.InferenceSession(content, providers=[*options, CPU])
        found[f"use_tf32={allowed}"] = apart(session.run(["Y"], given)[0], exact)
    return found


def reference(content: bytes, rows: NDArray[Any]) -> NDArray[Any]:
    """The dense model in float64, by numpy."""
    import onnx
    from onnx import numpy_helper

    answer = rows.astype(np.float64)
    weights = onnx.load_model_from_string(content).graph.initializer
    for number, weight in enumerate(weights, 1):
        answer = answer @ numpy_helper.to_array(weight).astype(np.float64)
        answer = answer if number == len(weights) else np.maximum(answer, 0)
    return answer


def facts() -> dict[str, str]:
    """The machine and the builds."""
    import onnxruntime

    said = {"python": platform.python_version(), "onnxruntime": onnxruntime.__version__, "numpy": np.__version__}
    said["built_with"] = ", ".join(onnxruntime.get_available_providers())
    with open("/proc/cpuinfo") as lines:
        said["processor"] = next((line.partition(": ")[2].strip() for line in lines if "model name" in line), "")
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        said["card"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        said["card"] = f"not known: {error}"
    return said


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.devices", description=__doc__)
    parser.add_argument("--device", choices=list(CHAINS), default="cuda")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    given = parser.parse_args()
    content = dense(WIDE, LAYERS)
    found: dict[str, Any] = {"facts": facts(), "device": given.device}
    found["calls"] = calls(content, given.device, given.rounds, given.seconds)
    found["requests"] = requests(content, given.device, given.rounds, given.seconds)
    if "CUDAExecutionProvider" in CHAINS[cast(Device, given.device)]:
        found["largest_relative_difference_from_float64"] = shortened(content, given.device)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
