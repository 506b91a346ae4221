"""Compares tables of numbers, half of the columns moved, each library in a process of its own; prints tables.

`python -m bench.drift` runs 200 000 × 20 and 1 000 000 × 100, and ours alone by rows and by columns; `--publish` puts
both tables into bench/README.md. Rivals run in environments of their own, made on first use under `.cache/rivals`.
Every process has one thread of linear algebra; CPU is of all its threads, memory is the peak above the loaded tables.
What takes less than twenty seconds is run three times, each in a process of its own, and the median is told.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.results import PAGE, machine, machine_line, publish, rows

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SIZES = ((200_000, 20), (1_000_000, 100))
CURVE = (
    *((rows, 20) for rows in (1_000, 10_000, 100_000, 1_000_000)),
    *((20_000, columns) for columns in (10, 100, 1_000)),
)
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1"}
MINUTES = 60
REPEATS, SHORT = 3, 20.0


class Contestant(NamedTuple):
    """A library, its script, its requirements (none: our environment), and ours' bar against it: times less CPU."""

    name: str
    script: str
    pins: str = ""
    bar: int | None = None


STORED = "Seatrial, from 24 stored profiles a column"
OURS = Contestant("Seatrial, profiles and decision", "ours.py")
CONTESTANTS = (
    OURS,
    Contestant("scipy, ks_2samp in a loop", "scipy_loop.py"),
    Contestant("Evidently, DataDriftPreset", "evidently_preset.py", "evidently", 50),
    Contestant("NannyML, univariate", "nannyml_univariate.py", "nannyml", 10),
)

Result = dict[str, Any]


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


def median(contestant: Contestant, folder: Path) -> Result:
    """What it took: the run in the middle, by CPU."""
    found = [run(contestant, folder)]
    while len(found) < REPEATS and found[0].get("cpu_s", SHORT) < SHORT:
        found.append(run(contestant, folder))
    middle = statistics.median_low(one.get("cpu_s", 0.0) for one in found)
    return {**next(one for one in found if one.get("cpu_s", 0.0) == middle), "runs": len(found)}


def run(contestant: Contestant, folder: Path) -> Result:
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
    found: Result = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def measured(sizes: Iterable[tuple[int, int]], contestants: Sequence[Contestant]) -> list[Result]:
    """Each contestant at each size."""
    results = []
    for rows_, columns in sizes:
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), rows_, columns)
            for contestant in contestants:
                found = {
                    "rows": rows_,
                    "columns": columns,
                    "name": contestant.name,
                    **median(contestant, Path(name)),
                }
                print(json.dumps(found), flush=True)
                results.append(found)
    return results


def table_of(results: Sequence[Result]) -> str:
    """As Markdown; *times* is CPU against ours at the same size: of all, of the window alone, and from stored profiles.

    The bar is of stored profiles: windows are counted as they pass, and a comparison reads no row again.
    """
    header = (
        "rows × columns",
        "library",
        "CPU, s (reference + window)",
        "times ours, from rows",
        "window alone, times ours",
        "times ours from stored profiles (bar)",
        "peak memory above the data, MB",
        "columns said to have drifted",
    )
    lines = []
    for result in results:
        if "error" in result:
            lines.append([_size(result), result["name"], result["error"], "", "", "", "", ""])
            continue
        ours = next(r for r in results if _size(r) == _size(result) and r["name"] == OURS.name)
        bar = next(contestant.bar for contestant in CONTESTANTS if contestant.name == result["name"])
        stored = result["cpu_s"] / ours["stored_cpu_s"]
        known = "reference_cpu_s" in result
        parts = f" ({result['reference_cpu_s']:.2f} + {_window(result):.2f})" if known else ""
        if "stored_cpu_s" in result:
            cells = [_size(result), STORED, f"{result['stored_cpu_s']:.3f}", "", "", "", "", str(result["drifted"])]
            lines.append(cells)
        lines.append(
            [
                _size(result),
                result["name"],
                f"{result['cpu_s']:.2f}{parts}",
                f"{result['cpu_s'] / ours['cpu_s']:.1f}",
                f"{_window(result) / _window(ours):.1f}" if known else "-",
                f"{stored:.0f}" + (f" (≥ {bar}: {'met' if stored >= bar else 'missed'})" if bar else ""),
                f"{result['memory_mb']:.0f}",
                str(result["drifted"]),
            ]
        )
    return f"Measured on {machine_line(machine())}.\n\n{rows(header, lines)}"


def curve_of(results: Sequence[Result]) -> str:
    """Ours, by rows and by columns."""
    header = ("rows × columns", "CPU, ms", "of which the window", "per column, ms", "peak memory above the data, MB")
    lines = [
        [
            _size(result),
            f"{1000 * result['cpu_s']:.0f}",
            f"{1000 * _window(result):.0f}",
            f"{1000 * result['cpu_s'] / result['columns']:.2f}",
            f"{result['memory_mb']:.0f}",
        ]
        for result in results
        if "error" not in result
    ]
    return rows(header, lines)


def _window(result: Result) -> float:
    return float(result["cpu_s"] - result["reference_cpu_s"])


def _size(result: Result) -> str:
    return f"{result['rows']:,} × {result['columns']:,}".replace(",", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", action="append", metavar="ROWSxCOLUMNS", help="instead of the two; say it again")
    parser.add_argument("--no-curve", action="store_true", help="without ours alone by rows and columns")
    parser.add_argument("--publish", action="store_true")
    given = parser.parse_args()
    sizes = [(int(rows), int(columns)) for rows, _, columns in (size.partition("x") for size in given.size or ())]
    results = measured(sizes or SIZES, CONTESTANTS)
    curve = [] if given.no_curve else measured(CURVE, CONTESTANTS[:1])
    page = PAGE if given.publish else None
    for name, found, table in (("drift", results, table_of(results)), ("drift-curve", curve, curve_of(curve))):
        if found and given.publish:
            publish(name, found, table, page=page)
        elif found:
            print(f"\n{table}\n")


if __name__ == "__main__":
    main()
