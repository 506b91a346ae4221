"""Asks river, in an environment of its own, where the seeded streams change; writes ``river_changes.json``.

make river
"""

import json
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from error_streams import SEEDS, STREAMS
from river import drift
from river.drift import binary

ANSWERS = Path(__file__).with_name("river_changes.json")
DETECTORS: dict[str, Any] = {
    "adwin": lambda: drift.ADWIN(),
    "adwin delta=0.05 clock=8": lambda: drift.ADWIN(delta=0.05, clock=8),
    "page-hinkley threshold=10": lambda: drift.PageHinkley(threshold=10),
    "page-hinkley": lambda: drift.PageHinkley(),
    "page-hinkley rises only": lambda: drift.PageHinkley(threshold=20, mode="up"),
    "page-hinkley falls only": lambda: drift.PageHinkley(threshold=20, mode="down"),
    "ddm": lambda: binary.DDM(),
    "ddm levels 2.5 and 4": lambda: binary.DDM(warm_start=100, warning_threshold=2.5, drift_threshold=4.0),
    "hddm-a": lambda: binary.HDDMA(),
    "hddm-a both sides": lambda: binary.HDDMA(two_sided_test=True),
    "hddm-w": lambda: binary.HDDMW(),
    "hddm-w both sides": lambda: binary.HDDMW(two_sided_test=True, lambda_val=0.02),
}
MISTAKES_ONLY = ("ddm", "hddm")


def ranges(indices: list[int]) -> list[tuple[int, int]]:
    """Runs of neighbours as (first, last)."""
    runs = [list(run) for _, run in groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0])]
    return [(run[0][1], run[-1][1]) for run in runs]


def changes(detector: Any, stream: list[float]) -> dict[str, Any]:
    drifts, warnings = [], []
    for at, error in enumerate(stream):
        detector.update(error)
        if detector.drift_detected:
            drifts.append(at)
        elif getattr(detector, "warning_detected", False):
            warnings.append(at)
    return {"drifts": drifts, "warnings": ranges(warnings)}


def main() -> None:
    found = {
        f"{name} | {kind} | {seed}": changes(make(), draw(seed))
        for name, make in DETECTORS.items()
        for kind, draw in STREAMS.items()
        if not (kind == "losses" and name.startswith(MISTAKES_ONLY))
        for seed in SEEDS
    }
    lines = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in found.items()
    )
    ANSWERS.write_text(f'{{"river": {json.dumps(version("river"))}, "changes": {{\n{lines}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main()
