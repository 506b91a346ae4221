"""A model's own process dies, hangs, prints, throws: callers get a failure, no endless wait, and it comes back."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from seatrial.models.manifest import read_manifest
from seatrial.models.python_runtime import PythonRuntime
from seatrial.models.register import register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import RuntimeFailure
from seatrial.routing.snapshot import BreakerPolicy, LogPolicy
from seatrial.serving.engine import Engine
from tests.faults.test_models_pickle import Machine
from tests.gateways import GOOD, bench, quick, slot, snapshot
from tests.waiting import wait_for

pytestmark = pytest.mark.processes
DATA = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
ROWS = {"x": np.array([1.0, 2.0])}

# 1 hangs, 2 throws, 3 prints, 4 dies, 6 loops, 7 leaks, 8 crashes, 9 forks; everything else is doubled
MISCHIEF = textwrap.dedent("""
    import ctypes, os, subprocess, time
    kept = []
    def mischief(rows):
        first = float(rows.to_numpy()[0, 0])
        if first == 1: time.sleep(3600)
        if first == 2: raise ValueError("no twos")
        if first == 3: print("chatter on standard output")
        if first == 4: os._exit(9)
        while first == 6: pass
        if first == 7: kept.append(b"x" * (8 << 20))
        if first == 8: ctypes.string_at(0)
        if first == 9: return rows.to_numpy()[:, 0] * 0.0 + subprocess.Popen(["sleep", "3600"]).pid
        return rows.to_numpy()[:, 0] * 2.0
""")


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    machine = Machine(tmp_path_factory.mktemp("home"))
    model = LinearRegression().fit(DATA, DATA["x"] * 2.0)
    register("m", model, data=DATA, runtime="python", settings=machine)
    return Registry(machine).materialise("m", 1, machine.home / "store")[1]


def mischief(place: Path) -> Path:
    """A program in the place of ``python_worker`` whose model misbehaves on command."""
    script = place / "mischief.py"
    script.write_text(
        MISCHIEF
        + "import sys, seatrial.models.python_files as files, seatrial.models.python_worker as worker\n"
        + "from seatrial.models.originals import Predicted\n"
        + "worker.open_original = lambda *a, **k: lambda rows: Predicted(mischief(rows), None)\n"
        + "sys.exit(worker.main(sys.argv[1:]))\n"
    )
    return script


@pytest.fixture
def mischievous(artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PythonRuntime]:
    """The same artefact behind a model that misbehaves on command."""
    script = mischief(tmp_path)
    whole = PythonRuntime._start

    def with_mischief(self: PythonRuntime) -> Any:
        self._command[1:3] = [str(script)] if self._command[1] == "-m" else self._command[1:3]
        return whole(self)

    monkeypatch.setattr(PythonRuntime, "_start", with_mischief)
    runtime = PythonRuntime(artefact, "none", timeout=30.0, growth=64 << 20)
    yield runtime
    runtime.close()


def answers(runtime: PythonRuntime, value: float) -> Any:
    try:
        return runtime.run({"x": np.array([value])})["prediction"][0]
    except RuntimeFailure:
        return None


def test_a_killed_process_fails_the_call_and_comes_back(artefact: Path) -> None:
    runtime = PythonRuntime(artefact, "none", timeout=20.0)
    try:
        assert np.allclose(runtime.run(ROWS)["prediction"], [2.0, 4.0])
        first = runtime.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: runtime.pid != first, what="the death to be noticed")
        wait_for(lambda: answers(runtime, 2.0) == pytest.approx(4.0), seconds=60, what="the model to be back")
        assert runtime.pid not in (None, first)
    finally:
        runtime.close()
    with pytest.raises(RuntimeFailure, match="was closed"):
        runtime.run(ROWS)


def test_closing_leaves_no_process(artefact: Path) -> None:
    runtime = PythonRuntime(artefact, "none", timeout=20.0)
    pid = runtime.pid
    assert pid is not None
    runtime.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


SERVER = """
import sys, threading
import numpy as np
from seatrial.models.python_runtime import ProcessRuntime
made = []
def start():
    command = [sys.executable, sys.argv[1], sys.argv[2], "--trust", "none"]
    made.append(ProcessRuntime(command, "The model", timeout=600.0))
thread = threading.Thread(target=start)  # a loader's thread ends when it has loaded
thread.start()
thread.join()
assert made[0].run({"x": np.array([5.0])})["prediction"][0] == 10.0
print(made[0].pid, flush=True)
made[0].run({"x": np.array([float(sys.argv[3])])})
"""


def processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def gone(pid: int) -> bool:
    """Whether the process has ended (whoever inherits orphans here need not bury them)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_looping_model_dies_with_the_server_that_was_killed(artefact: Path, tmp_path: Path) -> None:
    script = mischief(tmp_path)
    command = [sys.executable, "-c", SERVER, str(script), str(artefact), "6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}) as server:
        try:
            assert server.stdout is not None
            pid = int(server.stdout.readline())
            begun = processor_seconds(pid)
            wait_for(lambda: processor_seconds(pid) > begun + 0.2, what="the model to loop")
            server.kill()
            server.wait(30)
            wait_for(lambda: gone(pid), seconds=20, what="the end of the model")
        finally:
            server.kill()
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)


def test_what_the_model_forked_ends_with_it(mischievous: PythonRuntime) -> None:
    forked = int(answers(mischievous, 9.0))
    assert not gone(forked)
    mischievous.close()
    wait_for(lambda: gone(forked), seconds=20, what="the end of what it forked")


def test_what_the_model_throws_is_a_failure_of_that_call_only(mischievous: PythonRuntime) -> None:
    with pytest.raises(RuntimeFailure, match="ValueError: no twos"):
        mischievous.run({"x": np.array([2.0])})
    assert answers(mischievous, 5.0) == 10.0


def test_a_model_that_prints_does_not_break_the_pipe(mischievous: PythonRuntime) -> None:
    assert answers(mischievous, 3.0) == 6.0
    assert answers(mischievous, 5.0) == 10.0


def test_a_model_that_exits_fails_its_call_and_comes_back(mischievous: PythonRuntime) -> None:
    with pytest.raises(RuntimeFailure, match=r"its process ended|died"):
        mischievous.run({"x": np.array([4.0])})
    wait_for(lambda: answers(mischievous, 5.0) == 10.0, seconds=60, what="the model to be back")


def test_a_model_that_crashes_in_native_code_takes_nobody_with_it(mischievous: PythonRuntime) -> None:
    with pytest.raises(RuntimeFailure, match=r"its process ended \(exit code -11\)|died"):
        mischievous.run({"x": np.array([8.0])})
    wait_for(lambda: answers(mischievous, 5.0) == 10.0, seconds=60, what="the model to be back")


def test_a_model_that_leaks_is_replaced_before_the_machine_pays(mischievous: PythonRuntime) -> None:
    first = mischievous.pid
    held = 0

    def replaced() -> bool:
        nonlocal held
        answers(mischievous, 7.0)
        pid = mischievous.pid
        if pid == first:
            held = max(held, int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        return pid not in (None, first)

    wait_for(replaced, seconds=60, what="another process")
    assert 64 << 20 < held < 4 << 30
    wait_for(lambda: answers(mischievous, 5.0) == 10.0, seconds=60, what="the model to be back")


@pytest.mark.parametrize("way", [1.0, 6.0], ids=["sleeps", "loops"])
def test_a_model_that_hangs_times_out_is_killed_and_comes_back(
    mischievous: PythonRuntime, monkeypatch: pytest.MonkeyPatch, way: float
) -> None:
    monkeypatch.setattr(mischievous, "_timeout", 1.0)
    monkeypatch.setattr(mischievous, "_patience", 2.0)
    first = mischievous.pid
    with pytest.raises(RuntimeFailure, match="did not answer within 1 s"):
        mischievous.run({"x": np.array([way])})
    wait_for(lambda: mischievous.pid not in (None, first), seconds=60, what="the hanging process to be replaced")
    wait_for(lambda: answers(mischievous, 5.0) == 10.0, seconds=60, what="the model to be back")


def test_a_model_that_does_not_load_says_why(artefact: Path, tmp_path: Path) -> None:
    for file in artefact.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.skops").write_bytes(b"broken")
    with pytest.raises(RuntimeFailure, match="does not load"):
        PythonRuntime(tmp_path, "none", timeout=5.0)


class Doubling:
    """The default: as the model, in this process."""

    out_of_process = alone = False

    def run(self, inputs: Any) -> dict[str, Any]:
        return {"prediction": inputs["x"] * 2.0}

    def close(self) -> None: ...


@pytest.mark.parametrize(("way", "requests"), [(8.0, 8), (4.0, 8), (7.0, 60), (6.0, 4)], ids=str)
def test_whatever_a_python_variant_does_everybody_is_answered(
    mischievous: PythonRuntime,
    artefact: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: float,
    requests: int,
) -> None:
    """It crashes, exits, leaks or loops behind a gateway: the default stands in, it comes back, the books balance."""
    monkeypatch.setattr(mischievous, "_timeout", 1.0)
    monkeypatch.setattr(mischievous, "_patience", 2.0)
    signature = read_manifest(str(artefact)).signature
    patient = BreakerPolicy(minimum_calls=10_000)
    slots = (
        slot("champion", 1, signature),
        slot("challenger", 2, signature, runtime="python", timeout=1.0, breaker=patient),
    )
    given = snapshot({"challenger": 1.0}, slots=slots, task="regression", log=LogPolicy(features=("x",)))
    first = mischievous.pid
    with bench(tmp_path / "home") as here:
        here.serve(given, champion=quick(Doubling()), challenger=Engine(mischievous))
        here.serve(snapshot(deployment="other"))

        def ask(deployment: str, features: dict[str, Any]) -> dict[str, Any]:
            return asyncio.run(here.gateway.predict(deployment, features))

        asked = 0
        for _ in range(requests):
            answer = ask("churn", {"x": way})
            assert answer["answered_by"] in ("assigned", "default")
            assert answer["prediction"] == 2 * way
            assert ask("other", GOOD)["answered_by"] == "assigned"
            asked += 1

        def back() -> bool:
            nonlocal asked
            asked += 1
            return bool(ask("churn", {"x": 5.0})["answered_by"] == "assigned")

        wait_for(back, seconds=60, what="the model to be back")
        assert mischievous.pid not in (None, first)
        rows = here.rows()
        assert len(rows) == asked
        failed = {row["status"] for row in rows if row["answered_by"] == "default"}
        assert failed
        assert failed <= {"error", "timeout", "shed"}
        assert {row["variant"] for row in rows} == {"challenger"}
        said = here.gateway.selfcheck()
        assert said["balanced"]
        assert said["served"] == said["logged"] == asked + requests
