"""Seatrial as a contestant: a home with the model registered, deployments applied, everything on."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.contestant import ROOT, SERVER_CORE, Contestant
from bench.field import OURS, Rival

WORKER = "seatrial.serving.worker"
SPLIT = """deployment: bench
variants:
  champion: {model: 'models:/bench/1'}
  challenger: {model: 'models:/bench/1'}
routing:
  - {name: everybody, split: {champion: 50%, challenger: 50%}}
"""


def environment(place: Path, *, port: int = OURS.port, workers: int = 1) -> dict[str, str]:
    """Settings of a system whose home is under ``place``."""
    return {
        "PYTHONPATH": str(ROOT),
        "SEATRIAL_HOME": str(place / "home"),
        "SEATRIAL_HTTP": f"127.0.0.1:{port}",
        "SEATRIAL_GRPC": "off",
        "SEATRIAL_CONTROL": f"127.0.0.1:{port + 2}",
        "SEATRIAL_WORKERS": str(workers),
    }


def register(place: Path) -> None:
    """Register the model of ``bench.model.make_model`` as ``models:/bench/1``."""
    say(place, "register", "bench", "model.onnx", "--data", "reference.parquet", "--target", "target")


def apply(place: Path, name: str, text: str) -> None:
    """Apply a deployment file."""
    (place / f"{name}.yaml").write_text(text)
    say(place, "apply", f"{name}.yaml")


def say(place: Path, *command: str) -> None:
    """One command of the command line, in ``place``."""
    subprocess.run(
        [sys.executable, "-m", "seatrial.cli", *command],
        cwd=place,
        env={**os.environ, **environment(place)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def start(
    place: Path, features: Mapping[str, float], *, rival: Rival = OURS, workers: int = 1, cores: str = str(SERVER_CORE)
) -> Contestant:
    """Start the system whose home is under ``place``."""
    return Contestant(
        rival,
        [sys.executable, "-m", "seatrial.processes"],
        place,
        features,
        environment=environment(place, port=rival.port, workers=workers),
        cores=cores,
        serving=WORKER,
    )
