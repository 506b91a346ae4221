"""An environment of its own for a rival, under ``.cache/rivals``; made again when its requirements change."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from bench.contestant import ROOT, Unfit
from bench.field import Rival

_PINS = Path(__file__).with_name("rivals") / "requirements"
_MINUTES = 20


def python_of(rival: Rival) -> str:
    """The interpreter that runs a rival, its packages installed. Raises Unfit, in the installer's last words."""
    if not rival.pins:
        return sys.executable
    folder = ROOT / ".cache" / "rivals" / rival.pins
    made = subprocess.run(
        [str(ROOT / "scripts" / "other-environment"), str(folder), str(_PINS / f"{rival.pins}.txt")],
        env={**os.environ, "INSTALLER": sys.executable, "PYTHON": rival.python or sys.executable},
        capture_output=True,
        text=True,
        timeout=_MINUTES * 60,
        check=False,
    )
    if made.returncode:
        lines = [line.strip() for line in made.stderr.splitlines() if line.strip() and not line.startswith("hint:")]
        raise Unfit(_error_line(lines))
    return str(folder / "bin" / "python")


def _error_line(lines: list[str]) -> str:
    """The error of an installation: the line that names an exception if there is one, else the last."""
    named = [line for line in lines if "Error: " in line]
    return (named or lines or ["the installation failed and said nothing"])[-1]


def version_of(rival: Rival, python: str) -> str:
    """The version of the rival's package in its environment; of nginx what it says itself; "" where there is none."""
    if rival.module == "nginx":
        said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
        return said.strip().rpartition("/")[2]
    if not rival.package:
        return ""
    if not rival.pins:
        return metadata.version(rival.package)
    code = f"import importlib.metadata as m; print(m.version({rival.package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
