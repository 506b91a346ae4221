"""Profiles of the reference and of the window, and the decision on all columns together.

Beside it what is left where windows were counted as they passed: 24 profiles of a column are merged and decided on.
"""

import time
from typing import Any

import numpy as np
from measured import measure, table

from seatrial.drift import FeatureProfile, decide_window, profile_of_window
from seatrial.drift.feature import merged
from seatrial.spec.signature import Feature

reference, current = table("reference"), table("current")


def work() -> dict[str, Any]:
    start = time.process_time()
    made = [
        FeatureProfile.from_values(Feature(name=f"x{i}", kind="number"), reference[:, i])
        for i in range(reference.shape[1])
    ]
    learnt = time.process_time() - start
    found = decide_window([(one, profile_of_window(one, current[:, i])) for i, one in enumerate(made)])
    return {"reference_cpu_s": learnt, "drifted": sum(drift.severity != "none" for drift in found)}


def from_stored() -> float:
    """CPU seconds from 24 profiles a column to the decision; their counting is not in it."""
    made = [
        FeatureProfile.from_values(Feature(name=f"x{i}", kind="number"), reference[:, i])
        for i in range(reference.shape[1])
    ]
    parts = np.array_split(current, 24)
    stored = [[profile_of_window(one, part[:, i]) for part in parts] for i, one in enumerate(made)]
    start = time.process_time()
    decide_window([(one, merged(hours)) for one, hours in zip(made, stored, strict=True)])
    return time.process_time() - start


measure(work, lambda: {"stored_cpu_s": from_stored()})
