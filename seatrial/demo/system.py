"""The system that the demo starts and drives: the command line in processes of its own, the control API over HTTP."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from seatrial.spec.errors import SeatrialError
from seatrial.spec.settings import Settings, load_settings

T = TypeVar("T")


class ActFailed(SeatrialError):
    """An act of the demo did not come out."""


class System:
    """``seatrial`` in a directory of its own, on free ports.

    Args:
        place: The directory; made when it does not exist.
    """

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.place = place
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("SEATRIAL_")}
        self._environment |= {
            "SEATRIAL_HOME": str(place / "home"),
            "SEATRIAL_HTTP": f"127.0.0.1:{_free_port()}",
            "SEATRIAL_GRPC": "off",
            "SEATRIAL_CONTROL": f"127.0.0.1:{_free_port()}",
            "SEATRIAL_WORKERS": "1",
        }
        self.settings: Settings = load_settings(self._environment, place)
        self.url = f"http://{self.settings.http}"
        self.control = f"http://{self.settings.control}"

    def seatrial(self, *arguments: str) -> str:
        """Run ``seatrial …`` as a user does. Raises ActFailed when it does not end well."""
        done = subprocess.run(
            [sys.executable, "-m", "seatrial.cli", *arguments],
            cwd=self.place,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ActFailed(f"`seatrial {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, name: str) -> None:
        """Apply a file as `seatrial apply` does; in this process, which has the registry's library loaded already."""
        from seatrial.control.apply import apply

        apply((self.place / name).read_text("utf-8"), self.settings, actor="demo", source=name)

    def get(self, path: str) -> Any:
        """A document of the control API."""
        with urllib.request.urlopen(f"{self.control}/api{path}", timeout=30) as answer:
            return json.load(answer)


def until(
    found: Callable[[], T | None],
    *,
    seconds: float,
    what: str,
    stands: Callable[[], str],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Look until something is found, twice a second.

    Args:
        what: Is waited for, as a sentence begins.
        stands: Says how things stand, as the end of a sentence; asked when it has not come.

    Raises:
        ActFailed: Not found after ``seconds``.
    """
    deadline = clock() + seconds
    while clock() < deadline:
        value = found()
        if value:
            return value
        sleep(0.5)
    raise ActFailed(
        f"{what} did not come within {seconds:.0f} s; at the end {stands()} The likely cause is a busy machine "
        f"(load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors): run the demo again when it has less to do."
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
