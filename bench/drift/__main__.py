"""Compares tables of numbers, half of the columns moved, each library in a process of its own; prints a table.

`python -m bench.drift` runs 200 000 × 20 and 1 000 000 × 100; `--publish` puts the table into bench/README.md. Rivals
run in environments of their own, made on first use under `.cache/rivals`. Every process has one thread of linear
algebra; CPU is of all its threads, memory is the peak above the loaded tables.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.results import PAGE, machine, machine_line, publish

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SIZES = ((200_000, 20), (1_000_000, 100))
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1"}
MINUTES = 60


class Contestant(NamedTuple):
    """A library, its script, and its requirements (none: our environment)."""

    name: str
    script: str
    pins: str = ""


CONTESTANTS = (
    Contestant("Seatrial, profiles and decision", "ours.py"),
    Contestant("scipy, ks_2samp in a loop", "scipy_loop.py"),
    Contestant("Evidently, DataDriftPreset", "evidently_preset.py", "evidently"),
    Contestant("NannyML, univariate", "nannyml_univariate.py", "nannyml"),
)


def interpreter(contestant: Contestant) -> str:
    if not contestant.pins:
        return sys.executable
    folder = ROOT / ".cache" / "rivals" / contestant.pins
    pins = ROOT / "bench" / "rivals" / "requirements" / f"{contestant.pins}.txt"
    subprocess.run(
        [str(ROOT / "scripts" / "other-environment"), str(folder), str(pins)],
        env={**os.environ, "INSTALLER": sys.executable},
        check=True,
    )
    return str(folder / "bin" / "python")


def write(folder: Path, rows: int, columns: int) -> None:
    """Normal, lognormal and counted columns in turn; every second one moves by a quarter of a standard deviation."""
    rng = np.random.default_rng(rows + columns)
    for name, moves in (("reference", False), ("current", True)):
        table = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float64, (rows, columns))
        for i in range(columns):
            shift = 0.25 * (moves and i % 2)
            normal = rng.standard_normal(rows) + shift
            table[:, i] = (normal, np.exp(normal), np.floor(10 * np.exp(normal / 4)))[i % 3]
        table.flush()


def run(contestant: Contestant, folder: Path) -> dict[str, Any]:
    """What it took; ``error`` in its last words where it did not come to an end."""
    try:
        done = subprocess.run(
            [interpreter(contestant), str(HERE / contestant.script), str(folder)],
            env={**os.environ, **THREADS},
            capture_output=True,
            text=True,
            timeout=60 * MINUTES,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {MINUTES} minutes"}
    except subprocess.CalledProcessError as error:
        return {"error": f"cannot be installed ({error})"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def table_of(results: Sequence[dict[str, Any]]) -> str:
    """As Markdown; *times* is CPU against ours at the same size."""
    lines = [
        f"Measured on {machine_line(machine())}.",
        "",
        "| rows × columns | library | CPU, s | times | peak memory above the data, MB | columns said to have drifted |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        size = f"{result['rows']:,} × {result['columns']}".replace(",", " ")
        ours = next(r["cpu_s"] for r in results if r["rows"] == result["rows"] and r["name"] == CONTESTANTS[0].name)
        if "error" in result:
            lines.append(f"| {size} | {result['name']} | {result['error']} | | | |")
        else:
            figures = f"{result['cpu_s']:.2f} | {result['cpu_s'] / ours:.1f} | {result['memory_mb']:.0f}"
            lines.append(f"| {size} | {result['name']} | {figures} | {result['drifted']} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", action="append", metavar="ROWSxCOLUMNS", help="instead of the two; say it again")
    parser.add_argument("--publish", action="store_true")
    given = parser.parse_args()
    sizes = [(int(rows), int(columns)) for rows, _, columns in (size.partition("x") for size in given.size or ())]
    results = []
    for rows, columns in sizes or SIZES:
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), rows, columns)
            for contestant in CONTESTANTS:
                found = {"rows": rows, "columns": columns, "name": contestant.name, **run(contestant, Path(name))}
                print(json.dumps(found), flush=True)
                results.append(found)
    if given.publish:
        publish("drift", results, table_of(results), page=PAGE)
    else:
        print(f"\n{table_of(results)}\n")


if __name__ == "__main__":
    main()
