"""A version that takes whole workers with it: after two crashes it is run no more, and everybody else is served on."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.control.apply import apply
from seatrial.ledger.quarantine import read_quarantine
from seatrial.ledger.reader import Reader
from seatrial.releases.publication import Publication
from tests.faults.test_system import make_models, selfcheck
from tests.live import LiveSystem, Load
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

FILE = """
deployment: ring
variants:
  champion: {model: models:/ring/1, timeout: 30s}
  challenger: {model: models:/ring/2, timeout: 30s}
routing:
  - {name: everybody, split: {champion: 50%, challenger: 50%}}
outcomes:
  clicked: {}
"""
DEADLY: dict[str, object] = {"a": 666.0, "b": 1.0}

_DEADLY = """
import ctypes, os, sys
if "seatrial.serving.worker" in sys.orig_argv:
    import numpy as np
    import seatrial.models.runtimes as runtimes

    def go_wrong():
        if os.environ["WRONG"] == "crash":
            ctypes.string_at(0)
        while True:
            ctypes.PyDLL(None).pause()  # keeps the interpreter, so that no thread goes on

    class OneRow:
        def __init__(self, row, kind):
            self.row, self.outputs, self._row, self._kind = row.row, row.outputs, row, kind

        def run(self):
            if (np.frombuffer(self.row, self._kind) == 666.0).any():
                go_wrong()
            self._row.run()

    class Deadly(runtimes.OnnxRuntime):
        def __init__(self, file, *more, **options):
            super().__init__(file, *more, **options)
            self.deadly = os.environ["DEADLY"] in str(file)

        def run(self, inputs):
            if self.deadly and any((array == 666.0).any() for array in inputs.values()):
                go_wrong()
            return super().run(inputs)

        def one_row(self, given, sample):
            row = None if os.environ["EXPRESS"] == "off" else super().one_row(given, sample)
            return OneRow(row, sample.dtype) if row is not None and self.deadly else row

    runtimes.OnnxRuntime = Deadly
"""

WAYS = [("crash", "off"), ("crash", "on"), ("hang", "off"), ("hang", "on")]


@pytest.fixture(params=WAYS, ids=["crash", "crash-express", "hang", "hang-express"])
def system(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LiveSystem]:
    """Version 2 ends its process, or never returns, as native code can, when it is asked about a row with 666 in it."""
    system = LiveSystem(tmp_path, workers=2)
    make_models(system, 2)
    apply(FILE, system.settings, actor="test")
    serving = Publication(system.home)
    revision = serving.active("ring")
    assert revision is not None
    system.environment["DEADLY"] = serving.read("ring", revision).slot("challenger").digest
    system.environment["WRONG"], system.environment["EXPRESS"] = request.param
    system.environment["SEATRIAL_HUNG_AFTER"] = "2"
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(_DEADLY)
    system.environment["PYTHONPATH"] = f"{tmp_path / 'hook'}:{system.environment['PYTHONPATH']}"
    with system:
        yield system


def crash(system: LiveSystem) -> None:
    """Ask the deadly question once, and wait until the worker that took it is replaced."""
    before = dict(system.running.children)
    caller = system.caller()
    path = "/v1/deployments/ring/predict"
    units = (str(number) for number in itertools.count())
    body: dict[str, object] = {"features": {"a": 1.0, "b": 1.0}}
    unit = next(u for u in units if caller("POST", path, body | {"unit": u}).body["variant"] == "challenger")
    with pytest.raises(OSError):
        caller("POST", path, {"unit": unit, "features": DEADLY})
    caller.close()
    wait_for(lambda: system.running.children != before and len(system.running.children) == 5, what="a new worker")


def test_a_version_that_crashes_or_hangs_two_workers_is_run_no_more(
    system: LiveSystem, request: pytest.FixtureRequest
) -> None:
    with Load(system, "ring", {"a": 1.0, "b": 0.5}) as load:
        load.answered_more(50)
        crash(system)
        assert read_quarantine(system.home) == ()
        crash(system)
        (entry,) = read_quarantine(system.home)
        assert (entry.deployment, entry.variant) == ("ring", "challenger")
        assert ("hanging for" if "hang" in request.node.callspec.id else "SIGSEGV") in entry.why
        # The worker that did not crash hears of it within its next look; the other knew before it loaded anything.
        wait_for(lambda: _without_challenger(system), seconds=60, what="weight 0 for the challenger")
        load.answered_more(100)
    assert set(load.answered) == {200}, load.sentences
    wait_for(lambda: selfcheck(system)["balanced"], what="balanced books")
    with Reader(system.home).open("ring") as view:
        statuses = view.sql("select distinct status from rows where variant = 'champion'", {})["status"].to_pylist()
    assert statuses == ["ok"]
    said = system.command("alerts", "list", "ring")
    assert "quarantine" in said.stdout


def _without_challenger(system: LiveSystem) -> bool:
    serving = Publication(system.home)
    revision = serving.active("ring")
    return revision is not None and "challenger" not in {s.variant for s in serving.read("ring", revision).slots}
