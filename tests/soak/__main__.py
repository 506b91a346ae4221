"""``python -m tests.soak --seconds 600``: a whole system under load for a while, swapped again and again.

Callers predict and report outcomes without pause, one version is swapped for the other every few seconds, and each
process is looked at every second. At the end memory and file handles must not have grown, no request may have failed,
and the ledger must hold one row for every answer, every acknowledged outcome, and books that balance. Exit code 1 when
something is wrong; the table says what.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.faults.test_system import FEATURES, make_models, outcome_ids, put, rows, selfcheck
from tests.live import LiveSystem, Load
from tests.soak.judge import Finding, Sample, judge
from tests.waiting import wait_for

SWAP_SECONDS = 10.0
LOOK_SECONDS = 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Looks at every process of a system until the block ends."""

    def __init__(self, system: LiveSystem) -> None:
        self._children = {"supervisor": system.running.pid, **system.running.children}
        self._started = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.samples: dict[str, list[Sample]] = {name: [] for name in self._children}

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for name, pid in self._children.items():
                self.samples[name].append(_sample(pid, time.monotonic() - self._started))


def _sample(pid: int, at: float) -> Sample:
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return Sample(at, resident, len(os.listdir(f"/proc/{pid}/fd")))


def soak(place: Path, seconds: float, workers: int) -> list[str]:
    """Run it; prints what was measured, and gives what is wrong."""
    system = LiveSystem(place, workers=workers)
    make_models(system, 2)
    put(system, 1)
    with system:
        children = dict(system.running.children)
        with Load(system, "ring", FEATURES) as load, Watch(system) as watch:
            swaps = _swap(system, load, seconds)
        wrong = [f"answered {n} times with {status}" for status, n in load.answered.items() if status != 200]
        wrong += [f"{load.broken} connections broke"] if load.broken else []
        wrong += ["a process was started again"] if system.running.children != children else []
        findings = judge(watch.samples)
        wrong += [f"{finding.process}: {finding.wrong}" for finding in findings if finding.wrong]
        wrong += _consistent(system, load)
        _tell(findings, load, swaps)
    return wrong


def _swap(system: LiveSystem, load: Load, seconds: float) -> int:
    until, swaps = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        again = min(until, time.monotonic() + SWAP_SECONDS)
        wait_for(lambda at=again: time.monotonic() >= at, seconds=SWAP_SECONDS + 10, what="the time")
        load.answered_more(1)
        swaps += 1
        put(system, 1 + swaps % 2)
    return swaps


def _consistent(system: LiveSystem, load: Load) -> list[str]:
    predictions = load.answered[200] - len(load.acknowledged)
    wrong = []
    for what, true in (
        ("the books do not balance", lambda: selfcheck(system)["balanced"]),
        (f"the ledger has not one row for each of {predictions} answers", lambda: rows(system) == predictions),
        ("an acknowledged outcome is missing", lambda: set(load.acknowledged) <= outcome_ids(system)),
    ):
        try:
            wait_for(true, seconds=60, what=what)
        except AssertionError:
            wrong.append(what)
    return wrong


def _tell(findings: list[Finding], load: Load, swaps: int) -> None:
    print(f"{load.answered[200]} answers, {len(load.acknowledged)} outcomes acknowledged, {swaps} swaps\n")
    print("memory is judged in runs of three minutes and longer\n")
    print("| process | MiB at the end | MiB a minute | growth, MiB | file handles more |")
    print("|---|---|---|---|---|")
    for found in findings:
        print(f"| {found.process} | {found.last:.0f} | {found.slope:+.2f} | {found.growth:+.1f} | {found.handles:+d} |")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        wrong = soak(Path(place), arguments.seconds, arguments.workers)
    for sentence in wrong:
        print(f"wrong: {sentence}")
    print("nothing is wrong" if not wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
