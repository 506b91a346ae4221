"""A contestant's processes, whoever started them: their CPU, their memory, the signals that stop and continue them."""

import os
import signal
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
MARK = "BENCH_CONTESTANT"


class Tree:
    """A process and all that came of it: its descendants, and whatever carries its mark in the environment.

    Args:
        pid: The process that was started.
        mark: What it was given as `MARK`; some rivals' children are orphans, and known by this only.
    """

    def __init__(self, pid: int, mark: str) -> None:
        self._pid = pid
        self._mark = f"{MARK}={mark}\0".encode()

    def members(self) -> list[int]:
        """Process ids."""
        found = set(_descendants(self._pid))
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and self._mark in _bytes(f"/proc/{entry.name}/environ") + b"\0":
                found.add(int(entry.name))
        return sorted(found)

    def cpu_seconds(self, only: str = "") -> float:
        """CPU used so far by all processes, and by their children that have ended.

        Args:
            only: Count those processes only whose command line has this in it.
        """
        return sum(_cpu_seconds(pid) for pid in self.members() if not only or only in command_line(pid))

    def memory_mib(self) -> float:
        """Memory of all processes, pages that several of them share counted once (PSS), in MiB."""
        return sum(_pss_kib(pid) for pid in self.members()) / 1024

    def signal(self, number: int) -> None:
        """Send a signal to every process."""
        for pid in self.members():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)


def command_line(pid: int) -> str:
    """A process's command line; empty when it has ended."""
    return _bytes(f"/proc/{pid}/cmdline").decode(errors="replace").replace("\0", " ")


def _descendants(pid: int) -> list[int]:
    found = [pid] if os.path.exists(f"/proc/{pid}") else []
    for thread in _listed(f"/proc/{pid}/task"):
        for child in _bytes(f"/proc/{pid}/task/{thread}/children").split():
            found.extend(_descendants(int(child)))
    return found


def _cpu_seconds(pid: int) -> float:
    fields = _bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK


def _pss_kib(pid: int) -> int:
    for line in _bytes(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
