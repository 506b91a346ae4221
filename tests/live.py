"""A whole system of real processes on free ports, as a user runs it, for tests that need one."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.processes.home import Running, read_running
from seatrial.spec.settings import Settings, load_settings
from tests.registries import give_registry
from tests.waiting import wait_for


class Answer(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


class Caller:
    """One kept-alive connection that speaks JSON."""

    def __init__(self, address: str, *, timeout: float = 60.0) -> None:
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=timeout)

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        payload = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, payload, {"Content-Type": "application/json", **headers})
        response = self._connection.getresponse()
        text = response.read()
        try:
            value = json.loads(text)
        except ValueError:
            value = text.decode()
        return Answer(response.status, value, dict(response.getheaders()))

    def close(self) -> None:
        self._connection.close()


class LiveSystem:
    """``seatrial up`` in a directory of its own.

    Args:
        place: Where ``seatrial.toml``, the home and logs go.
        workers: Serving processes.
    """

    def __init__(self, place: Path, *, workers: int = 1) -> None:
        give_registry(place / "home")
        self.place = place
        self.environment = {
            **os.environ,
            "SEATRIAL_HOME": str(place / "home"),
            "SEATRIAL_HTTP": "127.0.0.1:0",
            "SEATRIAL_GRPC": "127.0.0.1:0",
            "SEATRIAL_CONTROL": "127.0.0.1:0",
            "SEATRIAL_WORKERS": str(workers),
            "PYTHONPATH": os.getcwd(),
        }
        self.workers = workers
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def settings(self) -> Settings:
        mine = {k: v for k, v in self.environment.items() if k.startswith("SEATRIAL_")}
        return load_settings(mine, self.place)

    @property
    def running(self) -> Running:
        running = read_running(self.home)
        assert running is not None, "the system is not up"
        return running

    def start(self) -> "LiveSystem":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.processes"], cwd=self.place, env=self.environment, stdin=subprocess.DEVNULL
        )
        wait_for(self._all_live, seconds=60, what="every process of the system")
        return self

    def _all_live(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the supervisor ended with {self.process.returncode}"
        running = read_running(self.home)
        if running is None or len(running.children) < self.workers + 3:
            return False
        workers = list((self.home / "gateway" / "workers").glob("*.lock"))
        return len(workers) >= self.workers and self._answers()

    def _answers(self) -> bool:
        caller = self.caller(timeout=2.0)
        try:
            return caller("GET", "/v2/health/live").status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            caller.close()

    def caller(self, *, timeout: float = 60.0) -> Caller:
        return Caller(self.running.http, timeout=timeout)

    def control(self, *, timeout: float = 60.0) -> Caller:
        return Caller(self.running.control, timeout=timeout)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``seatrial …`` as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "seatrial.cli", *arguments],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def pid(self, child: str) -> int:
        return self.running.children[child]

    def kill(self, child: str) -> int:
        """Kill a process as the machine would (SIGKILL); gives the pid that died."""
        pid = self.pid(child)
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self) -> int:
        if self.process is None or self.process.poll() is not None:
            return 0 if self.process is None else int(self.process.returncode)
        self.process.terminate()
        return self.process.wait(40)

    def __enter__(self) -> "LiveSystem":
        return self.start()

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()


class Load:
    """Callers that predict and report outcomes without pause until the block ends, each on a connection of its own.

    Attributes:
        answered: Status → how many requests.
        broken: Connections that broke (a killed worker takes its own with it); the caller opens another and goes on.
        acknowledged: Ids of outcomes that were answered 200.
        sentences: A few of the answers that were not 200.
    """

    def __init__(self, system: LiveSystem, deployment: str, features: dict[str, object], *, callers: int = 4) -> None:
        self._system = system
        self._path = f"/v1/deployments/{deployment}/predict"
        self._features = features
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answered: Counter[int] = Counter()
        self.versions: Counter[str] = Counter()
        self.broken = 0
        self.acknowledged: list[str] = []
        self.sentences: list[str] = []
        self._threads = [threading.Thread(target=self._call, args=(i,), daemon=True) for i in range(callers)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.answered[200] >= len(self._threads), what="the first answers")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def answered_more(self, number: int) -> None:
        """Wait until that many more requests were answered 200."""
        goal = self.answered[200] + number
        wait_for(lambda: self.answered[200] >= goal, seconds=60, what=f"{number} more answers")

    def _call(self, index: int) -> None:
        caller = self._system.caller()
        count = 0
        while not self._stop.is_set():
            count += 1
            try:
                self._predict(caller, f"u{index}-{count}")
                if count % 5 == 0:
                    self._report(caller, f"o{index}-{count}", f"u{index}-{count}")
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.broken += 1
                caller.close()
                caller = self._system.caller()
        caller.close()

    def _predict(self, caller: Caller, unit: str) -> None:
        answer = caller("POST", self._path, {"unit": unit, "features": self._features})
        with self._lock:
            self.answered[answer.status] += 1
            if answer.status == 200:
                self.versions[answer.body["model_version"]] += 1
            elif len(self.sentences) < 5:
                self.sentences.append(str(answer.body))

    def _report(self, caller: Caller, outcome: str, unit: str) -> None:
        answer = caller("POST", "/v1/outcomes", {"outcome": "clicked", "unit": unit, "id": outcome, "value": 1})
        with self._lock:
            self.answered[answer.status] += 1
            if answer.status == 200:
                self.acknowledged.append(outcome)
