"""Load in two shapes, and what one turn under it came to."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LOAD_CORE = 1
_SCRIPT = Path(__file__).with_name("load.lua")


class Shape(NamedTuple):
    """How requests come.

    Attributes:
        connections: Of a closed loop: each sends its next request when it has its answer. 0: an open loop.
        rate: Of an open loop, requests a second.
    """

    connections: int = 0
    rate: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.connections} connections" if self.connections else f"open loop, {self.rate:g} requests/s"


class Turn(NamedTuple):
    """One contestant's turn.

    Attributes:
        rate: Requests answered a second.
        cpu_us: Server CPU a request, all its processes, microseconds.
        p50_ms, p99_ms: Latency; in an open loop from the time at which the request was due.
        serving_us: As ``cpu_us``, of those processes that answer.
        failed: Answers that were not 200, and in an open loop those that never came.
    """

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    serving_us: float
    failed: int


class Sent(NamedTuple):
    """What the load saw; ``answered`` in all, as `Turn` otherwise."""

    answered: int
    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


def send(shape: Shape, port: int, path: str, body: str, seconds: float, cores: str = str(LOAD_CORE)) -> Sent:
    """Load one server for so many seconds, from the cores named."""
    if shape.connections:
        return _closed(shape.connections, port, path, body, seconds, cores)
    return _open(shape.rate, port, path, body, seconds, cores)


def _closed(connections: int, port: int, path: str, body: str, seconds: float, cores: str) -> Sent:
    command = ["taskset", "-c", cores, "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    said = subprocess.run(
        [*command, "-s", str(_SCRIPT), f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "BENCH_PATH": path, "BENCH_BODY": body},
    ).stdout
    quantiles = dict(re.findall(r"(50|99)%\s+([\d.]+\w+)", said))
    broken = re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return Sent(
        answered=int(re.findall(r"(\d+) requests in", said)[0]),
        rate=float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0]),
        p50_ms=_milliseconds(quantiles["50"]),
        p99_ms=_milliseconds(quantiles["99"]),
        failed=sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
        + sum(map(int, broken[0:1] and broken[0])),
    )


def _open(rate: float, port: int, path: str, body: str, seconds: float, cores: str) -> Sent:
    command = ["taskset", "-c", cores, sys.executable, "-m", "bench.openloop", "--port", str(port), "--path", path]
    said = subprocess.run(
        [*command, "--rate", str(rate), "--seconds", str(seconds)],
        input=body.encode(),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(_SCRIPT.parent.parent)},
    ).stdout
    found = json.loads(said)
    answered = found["answered"]
    lost = found["failed"] + found["unanswered"]
    return Sent(answered, answered / max(seconds, found["seconds"]), found["p50"], found["p99"], lost)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]
