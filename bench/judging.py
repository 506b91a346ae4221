"""Judging files: a plain one beside tea-tasting, and exposures with outcomes; seconds, processor time, peak memory.

    python -m bench.judging --rows 1000000 --metrics 20 --pairs 5

Each run is a process of its own, cold (imports count in the processor time of the whole process alone); turns
alternate, and ratios are within pairs. tea-tasting runs in an environment of its own (``bench/rivals/requirements``).
Both compute the same of the plain file: Welch's t for every metric, and the sample ratio by chi-squared. Ours also
refuses doubled units, which reads the units once more.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from bench.contestant import ROOT

PART = 500_000
DAY = 86_400_000_000
START = 1_772_000_000_000_000


class Turn(NamedTuple):
    """One run: seconds and processor seconds of the analysis, of the whole process, its peak memory, what it found."""

    seconds: float
    processor: float
    whole: float
    megabytes: float
    effect: float


def write_units(file: Path, rows: int, metrics: int, variants: int = 2) -> None:
    """A row a unit: its variant, one of so many in equal shares, and so many totals."""
    rng = np.random.default_rng(1)
    writer: ParquetWriter | None = None
    for first in range(0, rows, PART):
        n = min(PART, rows - first)
        columns: dict[str, object] = {
            "unit": np.arange(first, first + n),
            "variant": _names(variants)[rng.integers(0, variants, n)],
            **{f"m{i}": rng.lognormal(1, 1, n) for i in range(metrics)},
        }
        table = pa.table(columns)
        writer = writer or ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _names(variants: int) -> np.ndarray:
    return np.array(["control", "new", *(f"new-{i}" for i in range(2, variants))])


def write_log(folder: Path, rows: int, metrics: int) -> None:
    """Exposures, a unit each, and outcomes of so many names, one for every fifth unit each."""
    rng = np.random.default_rng(2)
    files: dict[str, ParquetWriter] = {}
    for first in range(0, rows, PART):
        n = min(PART, rows - first)
        unit = np.arange(first, first + n)
        at = START + (unit * (14 * DAY // max(rows, 1))).astype(np.int64)
        exposed = {"unit": unit, "variant": np.where(rng.random(n) < 0.5, "new", "control"), "at": _times(at)}
        tables = {"exposures": pa.table(exposed)}
        who = rng.integers(0, n, size=n * metrics // 5)
        outcome = np.array([f"o{i}" for i in range(metrics)])[rng.integers(0, metrics, len(who))]
        happened = _times(at[who] + rng.integers(0, 5 * DAY, len(who)))
        value = rng.lognormal(1, 1, len(who))
        # The ledger's own name of it beside, so that both judges are asked the same.
        told = {"unit": unit[who], "outcome": outcome, "at": happened, "value": value, "value_number": value}
        tables["outcomes"] = pa.table(told)
        for name, table in tables.items():
            if name not in files:
                files[name] = ParquetWriter(folder / f"{name}.parquet", table.schema)
            files[name].write_table(table)
    for writer in files.values():
        writer.close()


def _times(microseconds: np.ndarray) -> pa.Array:
    return pa.array(microseconds, pa.timestamp("us", tz="UTC"))


def ours(files: list[str], metrics: int) -> None:
    """One run of ours, in this process; prints it."""
    from seatrial.analysis.judging import judge

    few = pa.table({"unit": range(6), "variant": ["control", "new"] * 3, "m0": [1.0, 2.0, 3.0, 5.0, 4.0, 6.0]})
    judge(few, metrics={"m0": "mean:m0"})  # what imports late
    begun, used = time.perf_counter(), time.process_time()
    if len(files) == 1:
        found = judge(files[0], metrics={f"m{i}": f"mean:m{i}" for i in range(metrics)})
    else:
        found = judge(files[0], files[1], metrics={f"m{i}": f"mean:o{i},within=3d" for i in range(metrics)})
    effect = found.comparisons[0].metric("m0").verdict.effect
    print(json.dumps({**spent(begun, used), "effect": effect}))


def spent(begun: float, used: float) -> dict[str, float]:
    """Seconds, and processor seconds of all threads, since."""
    return {"seconds": time.perf_counter() - begun, "processor": time.process_time() - used}


def release(folder: str, metrics: int) -> None:
    """One judgement of a release by the platform's own judge from such files, in this process; prints it."""
    from seatrial.experiments.judge import judge
    from seatrial.experiments.source import TableSource
    from seatrial.releases.run import Phase, ReleaseRun
    from seatrial.routing.snapshot import Arm
    from seatrial.spec.read import load_deployment

    lines = [f"  o{i}: {{}}" for i in range(metrics)]
    asked = [f"  m{i}: {{kind: mean, outcome: o{i}, within: 3d, grace: 0s}}" for i in range(metrics)]
    spec = load_deployment(
        "deployment: bench\nvariants:\n"
        "  control: {model: 'models:/bench@champion'}\n  new: {model: 'models:/bench/2'}\n"
        "default: control\nrouting: [{name: all, split: {control: 100%}}]\n"
        "outcomes:\n" + "\n".join(lines) + "\nmetrics:\n" + "\n".join(asked) + "\n"
        "release: {of: new, into: all, stages: [test: {}], primary: {metric: m0, minimum_effect: {relative: 2%}}}\n"
    )
    phase = Phase(number=1, arms=(Arm("control", 0.5), Arm("new", 0.5)), started_at=START, revision=1)
    run = ReleaseRun(
        id="",
        deployment="bench",
        entry="all",
        champion="control",
        challenger="new",
        champion_version="",
        challenger_version="",
        salt="",
        stage="test",
        stage_started_at=START,
        started_at=START,
        phases=(phase,),
    )
    source = TableSource(Path(folder) / "exposures.parquet", Path(folder) / "outcomes.parquet")
    begun, used = time.perf_counter(), time.process_time()
    found = judge(spec, run, source, START + 30 * DAY)
    print(json.dumps({**spent(begun, used), "effect": found.metric("m0").verdict.effect}))


def turn(command: list[str]) -> Turn:
    """Runs a process to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = subprocess.run(
        [sys.executable, "-c", _PEAK, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if peak.returncode:
        raise SystemExit(peak.stderr[-2000:])
    said, kilobytes = peak.stdout.strip().splitlines()[-2:]
    found = json.loads(said)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Turn(found["seconds"], found["processor"], whole, int(kilobytes) / 1024, found["effect"])


_PEAK = (
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True); sys.exit(done.returncode)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--ours", nargs="+", help="Internal: one run of ours on these files.")
    parser.add_argument("--release", help="Internal: one run of the release's judge on the files of a folder.")
    asked = parser.parse_args()
    if asked.ours:
        ours(asked.ours, asked.metrics)
        return
    if asked.release:
        release(asked.release, asked.metrics)
        return
    rival = rivals_python()
    with tempfile.TemporaryDirectory(prefix="bench-judging-") as name:
        compare(Path(name), asked.rows, asked.metrics, asked.pairs, rival)
        alone(Path(name), asked.rows, asked.metrics)


def rivals_python() -> str:
    """The interpreter of tea-tasting's environment, made when it is not there."""
    folder, pins = ROOT / ".cache" / "rivals" / "tea-tasting", ROOT / "bench" / "rivals" / "requirements"
    subprocess.run(
        [str(ROOT / "scripts" / "other-environment"), str(folder), str(pins / "tea-tasting.txt")],
        env={**os.environ, "INSTALLER": sys.executable},
        check=True,
    )
    return str(folder / "bin" / "python")


def compare(folder: Path, rows: int, metrics: int, pairs: int, python: str) -> None:
    """Prints turns on a plain file and their ratios."""
    file = folder / "units.parquet"
    write_units(file, rows, metrics)
    mine = [sys.executable, "-m", "bench.judging", "--metrics", str(metrics), "--ours", str(file)]
    theirs = [python, str(ROOT / "bench" / "rivals" / "tea_tasting.py"), str(file), str(metrics)]
    turns: list[tuple[Turn, Turn]] = []
    for pair in range(pairs):
        order = [mine, theirs] if pair % 2 == 0 else [theirs, mine]
        found = [turn(command) for command in order]
        a, b = found if pair % 2 == 0 else found[::-1]
        if abs(a.effect / b.effect - 1) > 1e-9:
            raise SystemExit(f"the effects differ: {a.effect!r} and {b.effect!r}")
        turns.append((a, b))
    print(f"plain file, {rows} units x {metrics} metrics, {pairs} pairs, medians (least to most)")
    for what in ("seconds", "processor", "whole", "megabytes"):
        a, b = ([getattr(turn, what) for turn in side] for side in zip(*turns, strict=True))
        ratios = sorted(x / y for x, y in zip(a, b, strict=True))
        middle = f"{statistics.median(a):.3g} against {statistics.median(b):.3g}"
        print(f"  {what}: {middle}, ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def alone(folder: Path, rows: int, metrics: int) -> None:
    """Prints one turn of ours on exposures and outcomes, by the judge of files and by that of releases, and again."""
    write_log(folder, rows, metrics)
    files = [str(folder / f"{name}.parquet") for name in ("exposures", "outcomes")]
    ways = {"the judge of files": ["--ours", *files], "the judge of releases": ["--release", str(folder)]}
    print(f"exposures and outcomes, {rows} units x {metrics} metrics, {rows * metrics // 5} outcomes")
    effects: list[float] = []
    for name, way in ways.items():
        found = turn([sys.executable, "-m", "bench.judging", "--metrics", str(metrics), *way])
        effects.append(found.effect)
        print(f"  {name}: {found.seconds:.3g} s, processor {found.processor:.3g} s, {found.megabytes:.0f} MB at most")
    if abs(effects[0] / effects[1] - 1) > 1e-9:
        raise SystemExit(f"the two judges differ: {effects}")


if __name__ == "__main__":
    main()
