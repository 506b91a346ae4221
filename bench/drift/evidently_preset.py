"""Evidently's DataDriftPreset at its defaults."""

from typing import Any

from evidently import Report
from evidently.presets import DataDriftPreset
from measured import frame, measure

reference, current = frame("reference"), frame("current")


def work() -> dict[str, Any]:
    found = Report([DataDriftPreset()]).run(current, reference).dict()
    counts = [m["value"]["count"] for m in found["metrics"] if isinstance(m["value"], dict) and "count" in m["value"]]
    return {"drifted": int(counts[0])}


measure(work)
