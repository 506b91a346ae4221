"""KServe's own clients, REST and gRPC: every call they have.

KServe pins packages that clash with ours, so it lives in an environment of its own, ``.venv-clients`` (``make
clients``), and its calls run there. Only where ``WITHOUT_KSERVE`` says so is the test skipped: on a machine that cannot
install it.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.edges import edge, grpc_edge
from tests.gateways import Bench, Scripted, bench, quick, slot, snapshot

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
CALLS = Path(__file__).parent / "others" / "kserve_calls.py"
WORDS = Signature(
    task="raw",
    features=(Feature(name="text", kind="text"),),
    inputs=(Tensor(name="BYTES", datatype="BYTES", shape=(-1,), features=("text",)),),
    outputs=(Tensor(name="BYTES_OUT", datatype="BYTES", shape=(-1,)),),
    answer=Answer(prediction="BYTES_OUT"),
)


class Words(Scripted):
    def run(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        return {"BYTES_OUT": inputs["BYTES"]}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot())
        words = snapshot(deployment="words", slots=(slot("champion", 1, WORDS, model="words"),), task="raw")
        found.serve(words, champion=quick(Words()))
        yield found


@pytest.mark.skipif(bool(os.environ.get("WITHOUT_KSERVE")), reason="WITHOUT_KSERVE is set")
def test_every_call(here: Bench) -> None:
    assert PYTHON.exists(), (
        "no .venv-clients: run `make clients`, or set WITHOUT_KSERVE=1 where there is no package index"
    )
    with edge(here) as served, grpc_edge(here) as address:
        run = subprocess.run(
            [PYTHON, CALLS, f"http://127.0.0.1:{served.port}", address], capture_output=True, text=True, timeout=150
        )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    churn = {"label": ["0", "0"], "probabilities": [["0.75", "0.25"]] * 2}
    rest, grpc = found["rest"], found["grpc"]
    for told in (rest, grpc):
        assert (told["live"], told["ready"], told["model"]) == (True, True, True)
        assert "no deployment is called 'nobody'" in told["error"]
    assert rest["nobody"] is False
    assert "no deployment is called 'nobody'" in grpc["nobody"]
    forms = [rest[name] for name in ("json", "binary in", "binary out", "both")]
    for answer in [*forms, grpc["raw"], grpc["contents"]]:
        assert answer == {"id": "mine", "outputs": churn}
    assert rest["one output"]["outputs"] == {"label": ["0", "0"]}
    assert rest["texts"] == [[f"text {n}"] for n in range(50)]
    assert grpc["text"]["outputs"] == {"BYTES_OUT": ["héllo"]}
