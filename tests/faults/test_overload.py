"""Ten times more than it can do, and a state store that is away: real processes, and everybody who can be is served."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.control.apply import apply
from tests.faults.test_system import FEATURES, FILE, make_models, put, selfcheck
from tests.live import LiveSystem, Load
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

_SLOW = """
import sys
if "seatrial.serving.worker" in sys.orig_argv:
    import time
    import seatrial.models.runtimes as runtimes

    class Slow(runtimes.OnnxRuntime):
        def run(self, inputs):
            time.sleep(0.25)
            return super().run(inputs)

        def one_row(self, given, sample):
            return None

    runtimes.OnnxRuntime = Slow
"""
_HELD_UP = """
import sys
if "seatrial.serving.worker" in sys.orig_argv:
    import time
    import seatrial.models.runtimes as runtimes

    class Lengthy:
        def __init__(self, bound):
            self.row, self.outputs, self._ask = bound.row, bound.outputs, bound.run

        def run(self):
            time.sleep(0.01)
            self._ask()

    class Quick(runtimes.OnnxRuntime):
        def one_row(self, given, sample):
            return Lengthy(super().one_row(given, sample))

    from seatrial.serving.pace import Pace
    note = Pace.note
    Pace.note = lambda pace, taken_us, rows: note(pace, 10.0, rows)  # it passes for quick, whatever else runs here
    runtimes.OnnxRuntime = Quick
"""
MIB = 1 << 20


def hooked(place: Path, hook: str, variant: str) -> LiveSystem:
    """A system of one worker whose models are as the hook has them."""
    system = LiveSystem(place)
    make_models(system, 1)
    apply(FILE.format(version=1).replace("timeout: 30s", variant), system.settings, actor="test")
    (place / "hook").mkdir()
    (place / "hook" / "sitecustomize.py").write_text(hook)
    system.environment["PYTHONPATH"] = f"{place / 'hook'}:{system.environment['PYTHONPATH']}"
    return system


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[LiveSystem]:
    """One worker whose model takes 250 ms in each of its four threads: sixteen requests a second on any machine."""
    with hooked(tmp_path, _SLOW, "timeout: 1s, batch: off") as system:
        yield system


@pytest.fixture
def express(tmp_path: Path) -> Iterator[LiveSystem]:
    """One worker whose model holds the event loop for 10 ms, on the quick way and on no other; it has 60 ms."""
    with hooked(tmp_path, _HELD_UP, "timeout: 60ms") as system:
        yield system


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Flood:
    """Callers that ask again at once, whatever they are told."""

    def __init__(self, system: LiveSystem, callers: int) -> None:
        self._system = system
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answered: Counter[int] = Counter()
        self.later: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]

    def __enter__(self) -> "Flood":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _call(self) -> None:
        caller = self._system.caller()
        while not self._stop.is_set():
            answer = caller("POST", "/v1/deployments/ring/predict", {"features": FEATURES})
            with self._lock:
                self.answered[answer.status] += 1
                if answer.status == 503:
                    self.later[answer.headers["retry-after"]] += 1
        caller.close()


def flooded(system: LiveSystem, callers: int, times: int) -> Flood:
    """What a flood was told, once it has been turned away so many times as often as answered; memory stayed flat."""
    pid = system.pid("w0")
    with Flood(system, callers) as flood:
        wait_for(lambda: flood.answered.total() > 1000, seconds=60, what="the flood")
        before = resident(pid)
        wait_for(
            lambda: flood.answered.total() > 4000 and flood.answered[503] > times * flood.answered[200],
            seconds=60,
            what=f"{times} turned away for each that is answered",
        )
        after = resident(pid)
        assert flood.answered[200] > 0
    assert flood.later.total() == flood.answered[503]
    assert after - before < 16 * MIB
    return flood


def test_ten_times_too_much_is_turned_away_counted_and_memory_stays_flat(slow: LiveSystem) -> None:
    flood = flooded(slow, 48, 9)
    assert set(flood.answered) <= {200, 503, 504}  # 504: taken, and late after all, on a machine that is busy itself
    assert all(1 <= int(seconds) <= 60 for seconds in flood.later)
    wait_for(lambda: selfcheck(slow)["balanced"], what="balanced books")
    caller = slow.caller()
    metrics = caller("GET", "/metrics").body
    caller.close()
    counted = [line for line in metrics.splitlines() if line.startswith("seatrial_shed_total")]
    assert sum(int(line.split()[-1]) for line in counted) >= flood.answered[503] * 0.9  # the others timed out


def test_many_times_too_much_on_the_event_loop_is_turned_away_before_it_is_read(express: LiveSystem) -> None:
    """Eighty callers, of whom the six or seven that come first in a turn of the loop can be answered in time."""
    flood = flooded(express, 80, 4)
    assert set(flood.answered) <= {200, 503}
    caller = express.caller()
    assert caller("POST", "/v1/deployments/ring/predict", {"features": FEATURES}).status == 200
    counts = parsed(caller("GET", "/metrics").body)
    caller.close()
    assert counts['seatrial_shed_total{reason="loop"}'] >= flood.answered[503] * 0.9  # the others were late themselves
    wait_for(lambda: selfcheck(express)["balanced"], what="balanced books")


def parsed(metrics: str) -> dict[str, int]:
    lines = [line.rpartition(" ") for line in metrics.splitlines() if line.startswith("seatrial_shed_total")]
    return {series: int(value) for series, _, value in lines}


def test_without_its_state_store_it_serves_and_comes_back(tmp_path: Path) -> None:
    system = LiveSystem(tmp_path)
    make_models(system, 1)
    put(system, 1)
    with system:
        with Load(system, "ring", FEATURES) as load:
            load.answered_more(50)
            store = list(system.home.glob("state.db*"))
            assert store
            for path in store:
                path.rename(path.with_name(f"away.{path.name}"))
            (system.home / "state.db").mkdir()
            for child in ("control", "w0"):
                first = system.kill(child)
                wait_for(lambda c=child, p=first: system.running.children.get(c, p) != p, what=f"another {child}")
            load.answered_more(100)
            assert set(load.answered) == {200}, load.sentences
            (system.home / "state.db").rmdir()
            for path in store:
                path.with_name(f"away.{path.name}").rename(path)
            load.answered_more(50)
        assert set(load.answered) == {200}, load.sentences
        wait_for(lambda: system.command("status", "ring").returncode == 0, seconds=60, what="an answer of the state")
        wait_for(lambda: selfcheck(system)["balanced"], what="balanced books")
