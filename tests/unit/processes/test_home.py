import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.processes.home import HomeLock, Running, is_up, read_running, write_running
from seatrial.spec.errors import Conflict

_HOLD = """
import sys
from pathlib import Path
from seatrial.processes.home import HomeLock
lock = HomeLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.processes
def test_a_second_system_in_one_home_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        write_running(tmp_path, Running(pid=holder.pid, http="127.0.0.1:8080", control="127.0.0.1:8082"))
        assert is_up(tmp_path)
        with pytest.raises(Conflict, match=f"process {holder.pid}"):
            HomeLock(tmp_path).acquire()
        holder.kill()
    lock = HomeLock(tmp_path)
    lock.acquire()  # the kernel dropped the lock of the killed one
    lock.release()
    assert not is_up(tmp_path)


def test_running_is_read_back_and_rubbish_is_none(tmp_path: Path) -> None:
    running = Running(pid=os.getpid(), http="127.0.0.1:1", control="127.0.0.1:2", children={"w0": 7})
    write_running(tmp_path, running)
    assert read_running(tmp_path) == running
    (tmp_path / "running.json").write_text("{")
    assert read_running(tmp_path) is None


def test_an_empty_home_is_not_up(tmp_path: Path) -> None:
    assert not is_up(tmp_path)
    assert read_running(tmp_path) is None


def test_who_asks_is_not_taken_for_a_system_that_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "home.lock").open("a+") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_up(tmp_path), "another who asks"
        monkeypatch.setattr("seatrial.processes.home.time.sleep", lambda _: asking.close())
        lock = HomeLock(tmp_path)
        lock.acquire()
        assert is_up(tmp_path)
        lock.release()
