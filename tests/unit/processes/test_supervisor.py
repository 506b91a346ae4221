"""The supervisor with real children: small programs that record what happens to them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.processes.children import backoff, system
from seatrial.processes.home import read_running
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

_CHILD = """
import os, signal, sys, time
from pathlib import Path
place, name = Path(sys.argv[1]), sys.argv[2]
def stop(*_):
    with (place / "ended").open("a") as file:
        file.write(name + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in name else stop)
(place / f"{name}.{os.getpid()}").touch()
while True:
    time.sleep(60)
"""

_PARENT = """
import sys
from pathlib import Path
from seatrial.processes.children import Child
from seatrial.processes.home import Running
from seatrial.processes.supervisor import Supervisor
place = Path(sys.argv[1])
children = tuple(
    Child(name, "obedient", (str(place), name), order=order, counted="worker" in name, nice=3 * ("nice" in name))
    for order, name in enumerate(sys.argv[2:])
)
def settle(worker):
    with (place / "settled").open("a") as file:
        file.write(worker + "\\n")
def crashed(worker, code, now, silent):
    with (place / "crashed").open("a") as file:
        file.write(f"{worker}:{code}\\n")
    return ("its version",)
running = Running(pid=0, http="127.0.0.1:1", control="127.0.0.1:2")
Supervisor(place, children, running, settle, crashed=crashed).run(stop_within=3.0)
"""


class System:
    def __init__(self, place: Path, *names: str) -> None:
        self.place = place
        (place / "obedient.py").write_text(_CHILD)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PARENT, str(place), *names],
            env={**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{os.getcwd()}"},
        )

    def pid(self, name: str, *, other_than: int = 0) -> int:
        def living() -> int:
            running = read_running(self.place)
            pid = running.children.get(name, 0) if running else 0
            return pid if pid != other_than and (self.place / f"{name}.{pid}").exists() else 0

        return wait_for(living, what=f"a living {name}")

    def lines(self, name: str) -> list[str]:
        path = self.place / name
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    running = read_running(tmp_path)
    for pid in running.children.values() if running else ():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_child_is_started_again_its_counts_settled_first_and_others_left_alone(place: Path) -> None:
    system = System(place, "worker0", "other")
    first, other = system.pid("worker0"), system.pid("other")
    os.kill(first, signal.SIGKILL)
    assert system.pid("worker0", other_than=first) != first
    assert system.lines("settled") == ["worker0"]
    assert system.pid("other") == other
    system.process.terminate()
    assert system.process.wait(20) == 0


def test_a_child_that_cannot_be_started_is_tried_again_and_others_left_alone(place: Path) -> None:
    log = place / "logs" / "worker0.log"
    log.mkdir(parents=True)  # so that its log cannot be opened
    system = System(place, "worker0", "other")
    other = system.pid("other")
    log.rmdir()
    assert alive(system.pid("worker0"))
    assert system.pid("other") == other
    system.process.terminate()
    assert system.process.wait(20) == 0
    assert '"not started"' in (place / "logs" / "supervisor.log").read_text()


def test_children_are_stopped_in_their_order(place: Path) -> None:
    system = System(place, "worker0", "control", "compactor")
    pids = [system.pid(name) for name in ("worker0", "control", "compactor")]
    system.process.terminate()
    assert system.process.wait(20) == 0
    assert system.lines("ended") == ["worker0", "control", "compactor"]
    assert not any(alive(pid) for pid in pids)
    assert system.lines("settled") == []  # they ended well: nothing to book


def test_a_child_that_will_not_stop_is_killed_and_its_counts_settled(place: Path) -> None:
    system = System(place, "worker-stubborn")
    pid = system.pid("worker-stubborn")
    system.process.terminate()
    assert system.process.wait(20) == 0
    assert not alive(pid)
    assert system.lines("settled") == ["worker-stubborn"]


def test_children_end_when_the_supervisor_is_killed(place: Path) -> None:
    system = System(place, "worker0", "other")
    pids = [system.pid("worker0"), system.pid("other")]
    system.process.kill()
    system.process.wait(20)
    wait_for(lambda: sorted(system.lines("ended")) == ["other", "worker0"], what="the end of both children")
    wait_for(lambda: not any(alive(pid) for pid in pids))


def test_what_happened_is_in_the_log(place: Path) -> None:
    system = System(place, "worker0")
    first = system.pid("worker0")
    os.kill(first, signal.SIGSEGV)
    system.pid("worker0", other_than=first)
    system.process.terminate()
    system.process.wait(20)
    events = [json.loads(line) for line in (place / "logs" / "supervisor.log").read_text().splitlines()]
    assert [e["message"] for e in events] == ["started", "died", "quarantined", "started", "stopping", "stopped"]
    assert events[1]["code"] == -signal.SIGSEGV


def test_backoff_grows_to_a_ceiling() -> None:
    waits = [backoff(crashes) for crashes in range(1, 12)]
    assert waits[0] == 0.0
    assert waits == sorted(waits)
    assert waits[-1] == 5.0


def test_a_system_has_its_workers_first_and_writers_last() -> None:
    children = system(Path("home"), workers=2, http_fd=5, control_fd=6)
    assert [c.name for c in children] == ["w0", "w1", "dashboard", "control", "compactor"]
    assert [c.sockets for c in children] == [(5,), (5,), (6,), (), ()]
    assert [c.order for c in children] == sorted(c.order for c in children)
    assert len({c.name for c in children}) == len(children)


def test_who_crashed_is_told_before_it_is_started_again_and_who_ended_well_is_not(place: Path) -> None:
    system = System(place, "worker0", "other")
    first, other = system.pid("worker0"), system.pid("other")
    os.kill(first, signal.SIGSEGV)
    second = system.pid("worker0", other_than=first)
    os.kill(second, signal.SIGTERM)  # it ends in good order, unasked
    system.pid("worker0", other_than=second)
    os.kill(other, signal.SIGKILL)
    system.pid("other", other_than=other)
    system.process.terminate()
    system.process.wait(20)
    assert system.lines("crashed") == [f"worker0:-{signal.SIGSEGV.value}"]
    events = [json.loads(line) for line in (place / "logs" / "supervisor.log").read_text().splitlines()]
    told = [e["message"] for e in events if e.get("child") == "worker0"]
    assert told[:4] == ["started", "died", "quarantined", "started"]


def test_a_child_may_come_behind_the_others(place: Path) -> None:
    system = System(place, "worker", "nice")
    try:
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        wait_for(lambda: os.getpriority(os.PRIO_PROCESS, system.pid("nice")) == ours + 3, what="its place behind")
        assert os.getpriority(os.PRIO_PROCESS, system.pid("worker")) == ours
    finally:
        system.process.terminate()
        system.process.wait(20)


def test_only_serving_workers_go_first(tmp_path: Path) -> None:
    assert {child.name for child in system(tmp_path, 2, 3, 4) if not child.nice} == {"w0", "w1"}
