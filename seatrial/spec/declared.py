"""What a part of the file names, as it is declared elsewhere in it."""

from typing import Any

from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.units import show


def declared_outcome(name: object, values: dict[str, Any], path: str, found: Findings) -> Any:
    """The outcome of that name as the file declares it; notes one that is not declared.

    None where it is not, or where name or outcomes are so wrong that they are noted already.
    """
    outcomes = values.get("outcomes", {})
    if not isinstance(name, str) or not isinstance(outcomes, dict):
        return None
    if name in outcomes:
        return outcomes[name]
    mend = did_you_mean(name, outcomes) if outcomes else f"add `outcomes: {{{name}: {{}}}}`"
    found.add(path, name, f"{show(name)} is not a declared outcome; {mend}")
    return None


def longest_within(outcome: object, values: dict[str, Any]) -> float | None:
    """The longest window of the declared metrics of an outcome, seconds; None where no metric has one."""
    metrics = values.get("metrics")
    found = [
        metric["within"]
        for metric in (metrics.values() if isinstance(metrics, dict) else ())
        if isinstance(metric, dict) and metric.get("outcome") == outcome and isinstance(metric.get("within"), float)
    ]
    return max(found, default=None)
