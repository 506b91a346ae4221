"""Every process of a system writes JSON lines where that is asked for, through a crash and an orderly end."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.live import LiveSystem
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

KEY = "open-sesame-17"


def test_every_line_of_every_process_is_an_object_without_the_key(tmp_path: Path) -> None:
    system = LiveSystem(tmp_path)
    system.environment |= {"SEATRIAL_LOG_FORMAT": "json", "SEATRIAL_KEY": KEY, "SEATRIAL_LOG_LEVEL": "debug"}
    with system:
        first = system.running.children["w0"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: system.running.children.get("w0", first) != first, what="another worker")
        wait_for(lambda: "nothing yet" in (system.home / "logs" / "w0.log").read_text(), what="its first line")
        assert system.stop() == 0
    processes = set()
    for log in sorted((system.home / "logs").glob("*.log")):
        text = log.read_text("utf-8")
        assert KEY not in text
        for line in text.splitlines():
            told = json.loads(line)
            assert {"time", "level", "process", "message"} <= told.keys()
            processes.add(told["process"])
    assert {"supervisor", "w0"} <= processes
