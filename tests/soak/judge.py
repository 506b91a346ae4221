"""What a soak has shown, from samples of its processes: pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

MIB = 1 << 20
WARM = 0.3
"""The part of the time at the start that says nothing: caches and pools fill."""

MOST_SLOPE = 2.0
"""MiB a minute; what a leak of any consequence exceeds."""
MOST_GROWTH = 24.0
"""MiB between the medians of the first and the last fifth. A slope over a short time is noise: both must be shown."""
JUDGED_SECONDS = 120.0
"""Memory is judged when it was watched for so long: libraries that are loaded on first use look like a leak."""
MOST_HANDLES = 16
"""File handles more at the end than after the start; models and segments that are open come and go."""


class Sample(NamedTuple):
    """One look at one process: seconds since the start, resident bytes, open file handles."""

    at: float
    resident: int
    handles: int


class Finding(NamedTuple):
    """One process over the whole time.

    Attributes:
        slope: MiB a minute, by least squares.
        growth: MiB between the medians of the first and the last fifth.
        handles: File handles more at the end.
        wrong: What is wrong, in words; "" when nothing is.
    """

    process: str
    slope: float
    growth: float
    handles: int
    last: float
    wrong: str


def judge(samples: Mapping[str, Sequence[Sample]]) -> list[Finding]:
    """One finding a process, of what was seen after it was warm."""
    return [_judge(process, seen) for process, seen in sorted(samples.items())]


def _judge(process: str, seen: Sequence[Sample]) -> Finding:
    start = seen[0].at + WARM * (seen[-1].at - seen[0].at)
    warm = [sample for sample in seen if sample.at >= start]
    at = np.array([sample.at for sample in warm]) / 60
    held = np.array([sample.resident for sample in warm]) / MIB
    handles = np.array([sample.handles for sample in warm])
    fifth = max(1, len(warm) // 5)
    slope = float(np.polyfit(at, held, 1)[0]) if len(warm) > 1 else 0.0
    growth = float(np.median(held[-fifth:]) - np.median(held[:fifth]))
    more = int(np.median(handles[-fifth:]) - np.median(handles[:fifth]))
    wrong = []
    if warm[-1].at - warm[0].at >= JUDGED_SECONDS and slope > MOST_SLOPE and growth > MOST_GROWTH:
        wrong.append(f"its memory grows by {slope:.1f} MiB a minute")
    if more > MOST_HANDLES:
        wrong.append(f"it has {more} file handles more than at the start")
    return Finding(process, slope, growth, more, float(held[-1]), " and ".join(wrong))
