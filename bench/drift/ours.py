"""Profiles of the reference and of the window, and the decision on all columns together."""

import time
from typing import Any

from measured import measure, table

from seatrial.drift import FeatureProfile, decide_window, profile_of_window
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


measure(work)
