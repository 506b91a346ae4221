"""Seatrial's gateway against bare servers of the same model: CPU per request and requests per second, as ratios.

Every contestant is pinned to one core and the load (wrk) to the other; contestants take turns within each round, those
that wait are stopped (SIGSTOP), and only ratios of neighbouring turns are quoted, because these machines are noisy.
"""

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.model import make_model

SERVER_CORE, LOAD_CORE = 0, 1
_TICK = os.sysconf("SC_CLK_TCK")


class Turn(NamedTuple):
    """One contestant's turn: requests a second, CPU microseconds a request, latency quantiles in milliseconds.

    ``cpu_us`` is of all its processes (Seatrial's compactor and control work meanwhile, too); ``serving_us``
    of those that answer.
    """

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    serving_us: float
    failed: int


class Contestant:
    """A server in a process group of its own, pinned to the server's core."""

    def __init__(self, name: str, command: list[str], port: int, path: str, place: Path, serving: str = "") -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.path = path
        self._serving = serving
        log = (place / f"{re.sub(r'[^a-z]+', '-', name.lower())}.log").open("wb")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command],
            cwd=place,
            stdout=log,
            stderr=log,
            env=_environment(place),
        )

    def members(self) -> list[int]:
        """Process ids of the contestant and all that it started."""
        return _descendants(self.process.pid)

    def cpu_seconds(self) -> float:
        """CPU used so far by all its processes."""
        return sum(_cpu_seconds(pid) for pid in self.members())

    def serving_seconds(self) -> float:
        """CPU used so far by those that answer requests."""
        return sum(_cpu_seconds(pid) for pid in self.members() if self._serving in _command_line(pid))

    def signal(self, number: int) -> None:
        for pid in self.members():
            _signal(pid, number)

    def wait_ready(self, body: bytes) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                request = urllib.request.Request(self.url + self.path, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=2) as answer:
                    assert b"prediction" in answer.read()
                    return
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"{self.name} did not become ready: {error}") from error
                time.sleep(0.1)


def _environment(place: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "SEATRIAL_HOME": str(place / "home"),
        "SEATRIAL_HTTP": "127.0.0.1:18080",
        "SEATRIAL_GRPC": "off",
        "SEATRIAL_CONTROL": "127.0.0.1:18082",
        "OMP_NUM_THREADS": "1",
    }


def _descendants(pid: int) -> list[int]:
    found = [pid]
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    for child in children:
        found.extend(_descendants(int(child)))
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def take_turn(contestant: Contestant, features: str, connections: int, seconds: int) -> Turn:
    """Load one contestant and read off what it did."""
    script = Path(__file__).with_name("load.lua")
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    environment = {**os.environ, "BENCH_PATH": contestant.path, "BENCH_FEATURES": features}
    before, serving = contestant.cpu_seconds(), contestant.serving_seconds()
    said = subprocess.run(
        [*command, "-s", str(script), contestant.url],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    return _read_wrk(said, contestant.cpu_seconds() - before, contestant.serving_seconds() - serving)


def _read_wrk(said: str, cpu_seconds: float, serving_seconds: float) -> Turn:
    requests = int(re.findall(r"(\d+) requests in", said)[0])
    failed = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    quantiles = dict(re.findall(r"(50|99)%\s+([\d.]+\w+)", said))
    return Turn(
        rate=float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0]),
        cpu_us=cpu_seconds / requests * 1e6,
        p50_ms=_milliseconds(quantiles["50"]),
        p99_ms=_milliseconds(quantiles["99"]),
        serving_us=serving_seconds / requests * 1e6,
        failed=failed,
    )


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _deploy(place: Path) -> None:
    (place / "bench.yaml").write_text(
        "deployment: bench\n"
        "variants:\n"
        "  champion: {model: 'models:/bench/1'}\n"
        "  challenger: {model: 'models:/bench/1'}\n"
        "routing:\n"
        "  - {name: everybody, split: {champion: 50%, challenger: 50%}}\n"
    )
    for command in (
        ["register", "bench", "model.onnx", "--data", "reference.parquet", "--target", "target"],
        ["apply", "bench.yaml"],
    ):
        subprocess.run([sys.executable, "-m", "seatrial.cli", *command], cwd=place, env=_environment(place), check=True)


@contextmanager
def contestants(place: Path) -> Iterator[list[Contestant]]:
    """Seatrial with everything on, and the bare servers, all started and stopped together."""
    model = str(place / "model.onnx")
    up = [sys.executable, "-m", "seatrial.processes"]
    bare = [sys.executable, "-m"]
    path = "/v1/deployments/bench/predict"
    with ExitStack() as stack:
        started = [
            Contestant("seatrial", up, 18080, path, place, serving="seatrial.serving.worker"),
            Contestant("bare granian", [*bare, "bench.rivals.bare_granian", "18091", model], 18091, "/", place),
            Contestant("bare uvloop", [*bare, "bench.rivals.bare_uvloop", "18092", model], 18092, "/", place),
        ]
        for contestant in started:
            stack.callback(_end, contestant)
        yield started


def _end(contestant: Contestant) -> None:
    members = contestant.members()
    contestant.signal(signal.SIGCONT)
    contestant.process.terminate()
    try:
        contestant.process.wait(30)
    except subprocess.TimeoutExpired:
        pass
    for pid in members:
        _signal(pid, signal.SIGKILL)


def measure(rounds: int, seconds: int, connections: tuple[int, ...]) -> dict[int, dict[str, list[Turn]]]:
    """``rounds`` interleaved turns of every contestant at every number of connections."""
    turns: dict[int, dict[str, list[Turn]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_model(place)
        _deploy(place)
        features = (place / "features.json").read_text()
        body = f'{{"unit":"u","features":{features}}}'.encode()
        with contestants(place) as field:
            for contestant in field:
                contestant.wait_ready(body)
            for count in connections:
                turns[count] = {c.name: [] for c in field}
                for _ in range(rounds):
                    _round(field, features, count, seconds, turns[count])
    return turns


def _round(
    field: list[Contestant], features: str, connections: int, seconds: int, turns: dict[str, list[Turn]]
) -> None:
    for contestant in field:
        for other in field:
            other.signal(signal.SIGCONT if other is contestant else signal.SIGSTOP)
        take_turn(contestant, features, connections, 1)
        turn = take_turn(contestant, features, connections, seconds)
        if turn.failed:
            raise SystemExit(f"{contestant.name} failed {turn.failed} requests; nothing is reported")
        turns[contestant.name].append(turn)
        print(f"{connections:3d} connections  {contestant.name:14s} {turn}", flush=True)


def table(turns: dict[int, dict[str, list[Turn]]]) -> str:
    """The result as Markdown: medians, and ratios to each rival with their range over rounds."""
    lines = []
    for connections, by_name in turns.items():
        rounds = len(next(iter(by_name.values())))
        lines += [
            f"**{connections} connections**, {rounds} interleaved rounds, medians:",
            "",
            "| server | requests/s | CPU µs/request | p50 ms | p99 ms | of it serving, µs |",
            "|---|---|---|---|---|---|",
        ]
        for name, own in by_name.items():
            middle = [statistics.median(t[i] for t in own) for i in range(5)]
            lines.append(
                f"| {name} | {middle[0]:,.0f} | {middle[1]:.1f} | {middle[2]:.2f} | {middle[3]:.2f} | {middle[4]:.1f} |"
            )
        lines += [
            "",
            "| Seatrial ÷ | CPU per request (min, median, max) | requests/s (min, median, max) |",
            "|---|---|---|",
        ]
        ours = by_name["seatrial"]
        for name, theirs in by_name.items():
            if name != "seatrial":
                lines.append(f"| {name} | {_range(ours, theirs, _cpu)} | {_range(ours, theirs, _rate)} |")
        lines.append("")
    return "\n".join(lines)


def _cpu(turn: Turn) -> float:
    return turn.cpu_us


def _rate(turn: Turn) -> float:
    return turn.rate


def _range(ours: list[Turn], theirs: list[Turn], of: Callable[[Turn], float]) -> str:
    ratios = sorted(of(a) / of(b) for a, b in zip(ours, theirs, strict=True))
    return f"{ratios[0]:.2f}, **{statistics.median(ratios):.2f}**, {ratios[-1]:.2f}"
