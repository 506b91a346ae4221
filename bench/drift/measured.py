"""What a contestant's own process needed; standard library and numpy only, for every environment imports it."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def table(name: str) -> Any:
    """``reference`` or ``current``, [rows, columns] float64, from the folder given on the command line."""
    return np.load(Path(sys.argv[1]) / f"{name}.npy")


def frame(name: str) -> Any:
    """The same as a DataFrame."""
    import pandas as pd

    values = table(name)
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])


def measure(work: Callable[[], dict[str, Any]], beside: Callable[[], dict[str, Any]] = dict) -> None:
    """Run once, and print what it took as one line of JSON: CPU of all threads, wall, memory above what was there.

    What is measured ``beside`` comes after it, and is not in its figures.
    """
    before = _resident()
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    above = _peak() - before
    print(json.dumps({"cpu_s": cpu, "wall_s": wall, "memory_mb": max(0.0, above), **found, **beside()}), flush=True)


def _peak() -> float:
    """Most resident memory so far in MB, of this program alone: what ``getrusage`` says outlives exec, and so has the
    parent's in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _resident() -> float:
    """Resident memory in MB, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
