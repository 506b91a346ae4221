"""How often detectors of concept drift alarm when nothing changed, and how late they find what did.

`python -m tests.statistics.concept_streams` runs 200 seeds and fails where ADWIN misses a bar.
"""

import argparse
import sys
from typing import NamedTuple

import numpy as np

from seatrial.drift.concept import Adwin, Ddm, Detector, HddmA, HddmW, PageHinkley

STILL = 10_000
BEFORE, AFTER = 5_000, 5_000
DETECTORS: dict[str, Detector] = {
    "ADWIN": Adwin(),
    "Page-Hinkley": PageHinkley(),
    "DDM": Ddm(),
    "HDDM-A": HddmA(),
    "HDDM-W": HddmW(),
}
CHANGES = ((0.1, 0.3), (0.2, 0.4), (0.1, 0.15))


class Delays(NamedTuple):
    """Streams with a change in the middle.

    Attributes:
        median: Errors from the change to the first alarm after it; a stream without one counts as infinite.
        found: Share of streams with an alarm after the change.
        early: Share of streams with an alarm before it.
    """

    median: float
    found: float
    early: float


def false_alarms(detector: Detector, seeds: int, share: float = 0.1, first: int = 0) -> tuple[int, int]:
    """Streams of 10 000 mistakes of one share with any alarm, and with a rise (what an alert needs)."""
    changes = [_read(detector, [share] * STILL, seed) for seed in range(first, first + seeds)]
    return sum(bool(found) for found in changes), sum(any(rose for _, rose in found) for found in changes)


def delays(detector: Detector, change: tuple[float, float], seeds: int, first: int = 0) -> Delays:
    """The same with a rise after 5 000."""
    late, early = [], 0
    for seed in range(first, first + seeds):
        at = [at for at, _ in _read(detector, [change[0]] * BEFORE + [change[1]] * AFTER, seed)]
        early += any(place < BEFORE for place in at)
        late.append(min((place - BEFORE + 1 for place in at if place >= BEFORE), default=np.inf))
    return Delays(float(np.median(late)), float(np.mean(np.isfinite(late))), early / seeds)


def _read(detector: Detector, shares: list[float], seed: int) -> list[tuple[int, bool]]:
    stream = np.random.default_rng([2007, seed]).random(len(shares)) < np.array(shares)
    _, changes = detector.read(stream)
    return [(change.at, change.rose) for change in changes.drifts]


def main() -> int:
    """Prints the table; 1 when ADWIN alarms in more than 2 % of still streams, or is late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    seeds: int = parser.parse_args().seeds
    bad = False
    for name, detector in DETECTORS.items():
        alarmed, rose = false_alarms(detector, seeds)
        print(f"{name}: {alarmed} of {seeds} still streams alarmed ({100 * alarmed / seeds:g} %), {rose} with a rise")
        bad |= name == "ADWIN" and alarmed > 0.02 * seeds
        for change in CHANGES:
            found = delays(detector, change, seeds)
            print(
                f"  {change[0]:g} -> {change[1]:g}: median delay {found.median:g}, found in {100 * found.found:g} %, "
                f"alarmed before in {100 * found.early:g} %",
                flush=True,
            )
            bad |= name == "ADWIN" and change != CHANGES[-1] and not found.median <= 250
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
