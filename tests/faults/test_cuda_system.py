"""A system that serves from a CUDA card: its answers, its batches, and a card that is full. Skipped without one."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from bench.batching import NAMES
from seatrial.control.apply import apply
from seatrial.models.register import register
from seatrial.releases.publication import PreparationFailed
from tests.cards import TOLERANCE, apart, full_card, model, no_cuda, rows
from tests.live import LiveSystem
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(no_cuda()), reason=no_cuda() or "CUDA is here"),
]

FILE = """
deployment: dense
variants:
  champion: {{model: models:/dense/{version}, device: {device}, timeout: 30s, batch: {batch}}}
"""
BATCHES = "{rows: 64, delay: 5ms}"


def put(system: LiveSystem, version: int, device: str, batch: str = BATCHES) -> None:
    apply(FILE.format(version=version, device=device, batch=batch), system.settings, actor="test")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[LiveSystem]:
    """Two versions of a dense model of 64 MiB; the first is served on the processor."""
    system = LiveSystem(tmp_path, workers=2)
    frame = pd.DataFrame(rows(200)["X"], columns=list(NAMES))
    for version, width in enumerate((2048, 2047), 1):
        path = tmp_path / f"dense-{version}.onnx"
        onnx.save_model(onnx.load_model_from_string(model(width)), path)
        register("dense", path, data=frame, task="regression", settings=system.settings)
    with system:
        put(system, 1, "cpu")
        yield system


ASKED = rows(48, seed=5)["X"]


def ask(system: LiveSystem, callers: int = 16) -> np.ndarray[Any, Any]:
    """Every row by a request of its own, many at once."""

    def one(row: np.ndarray[Any, Any]) -> float:
        caller = system.caller()
        try:
            features = dict(zip(NAMES, map(float, row), strict=True))
            answer = caller("POST", "/v1/deployments/dense/predict", {"unit": "u", "features": features})
        finally:
            caller.close()
        assert answer.status == 200, answer.body
        assert answer.body["variant"] == "champion"
        return float(answer.body["prediction"])

    with ThreadPoolExecutor(callers) as pool:
        return np.array(list(pool.map(one, ASKED)))


def on_the_card() -> int:
    """MiB of the card's memory that are taken."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0])


def batched(system: LiveSystem) -> bool:
    """Whether any batch had more than one row."""
    caller = system.caller()
    text = str(caller("GET", "/metrics").body)
    caller.close()
    sizes = [line for line in text.splitlines() if line.startswith("seatrial_batch_rows_")]
    count = sum(float(line.split()[-1]) for line in sizes if "_count" in line)
    return sum(float(line.split()[-1]) for line in sizes if "_sum" in line) > count > 0


def test_a_card_answers_as_the_processor_did_and_a_full_one_refuses_what_does_not_fit(system: LiveSystem) -> None:
    expected = ask(system)
    before = on_the_card()
    put(system, 1, "cuda")
    assert on_the_card() > before
    assert apart(ask(system), expected) <= TOLERANCE
    assert batched(system)
    with full_card():
        with pytest.raises(PreparationFailed) as caught:
            put(system, 2, "cuda")
        assert "dense:2 (champion) cannot be loaded" in str(caught.value)
        assert "does not load on `device: cuda`: its memory is full" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert apart(ask(system), expected) <= TOLERANCE
    put(system, 2, "cuda")
    assert apart(ask(system), expected) > TOLERANCE  # the other version's
    put(system, 1, "cuda", "off")
    assert apart(ask(system), expected) <= TOLERANCE


def test_a_killed_worker_comes_back_to_the_card(system: LiveSystem) -> None:
    expected = ask(system)
    put(system, 1, "cuda")
    killed = system.kill("w0")
    wait_for(lambda: system.running.children.get("w0", killed) != killed, seconds=60, what="another worker")
    wait_for(system._all_live, seconds=60, what="every process")
    assert apart(ask(system, callers=1), expected) <= TOLERANCE
