"""A server that was started to be measured: pinned, asked whether it answers rightly, stopped in others' turns."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.field import Answer, Rival
from bench.load import Sent, Shape, Turn, send
from bench.tree import MARK, Tree

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE = 0
READY_SECONDS = 90.0
SETTLE_SECONDS = 20.0
_IDLE = 0.05
_NOT_YET = (404, 500, 502, 503)
_NEAR = 1e-4


class Unfit(Exception):
    """A contestant that does not start, or does not answer rightly; the message is its last word."""


class Contestant:
    """A running server.

    Args:
        rival: Who it is.
        command: What starts it.
        place: Its working directory; its log goes there.
        features: The row that it is asked, by name.
        environment: Beside ours.
        cores: Where it may run.
        serving: What the command lines of those of its processes have that answer.
    """

    def __init__(
        self,
        rival: Rival,
        command: list[str],
        place: Path,
        features: Mapping[str, float],
        *,
        environment: Mapping[str, str] | None = None,
        cores: str = str(SERVER_CORE),
        serving: str = "",
    ) -> None:
        self.rival = rival
        self.body = json.dumps(rival.speech.body(features))
        self._serving = serving
        self._log = place / f"{re.sub(r'[^a-z]+', '-', rival.name.lower())}.log"
        mark = f"{rival.module or 'seatrial'}-{rival.port}-{os.getpid()}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", cores, *command],
                cwd=place,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", MARK: mark, **(environment or {})},
            )
        self.tree = Tree(self.process.pid, mark)

    def wait_ready(self, expected: Answer) -> None:
        """Wait until it gives the right answer. Raises Unfit."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                answer = self._ask()
                break
            except urllib.error.HTTPError as error:
                if error.code not in _NOT_YET or time.monotonic() > deadline:
                    raise Unfit(f"HTTP {error.code}: {error.read()[:200].decode(errors='replace')}") from error
                time.sleep(0.1)
            except (urllib.error.URLError, OSError, json.JSONDecodeError) as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Unfit(self.last_word() or str(error)) from error
                time.sleep(0.1)
        found = self.rival.speech.read(answer)
        if found is not None and (found[0] != expected[0] or abs(found[1] - expected[1]) > _NEAR):
            raise Unfit(f"it answers {found}, and the model says {expected}")

    def settle(self) -> None:
        """Wait until it has done what a start brings with it: it uses a twentieth of a core at most, for a second."""
        deadline = time.monotonic() + SETTLE_SECONDS
        used = self.tree.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(1.0)
            used, before = self.tree.cpu_seconds(), used
            if used - before <= _IDLE:
                return

    def answer(self) -> Answer | None:
        """What it answers now."""
        return self.rival.speech.read(self._ask())

    def turn(self, shape: Shape, seconds: float, *, path: str = "", cores: str = "1") -> Turn:
        """Load it and read off what it did."""
        before, serving = self.tree.cpu_seconds(), self._serving_seconds()
        sent = send(shape, self.rival.port, path or self.rival.path, self.body, seconds, cores)
        return _turn(sent, self.tree.cpu_seconds() - before, self._serving_seconds() - serving)

    def last_word(self) -> str:
        """The last line of its log that says something."""
        lines = [line.strip() for line in self._log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def end(self) -> None:
        """Stop it and all that came of it."""
        self.tree.resume()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        deadline = time.monotonic() + 5
        while self.tree.members() and time.monotonic() < deadline:
            self.tree.signal(signal.SIGKILL)
            self.process.poll()
            time.sleep(0.05)

    def _serving_seconds(self) -> float:
        return self.tree.cpu_seconds(self._serving) if self._serving else 0.0

    def _ask(self) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.rival.port}{self.rival.path}",
            self.body.encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


def _turn(sent: Sent, cpu_seconds: float, serving_seconds: float) -> Turn:
    answered = max(1, sent.answered)
    return Turn(
        sent.rate,
        cpu_seconds / answered * 1e6,
        sent.p50_ms,
        sent.p99_ms,
        serving_seconds / answered * 1e6,
        sent.failed,
    )
