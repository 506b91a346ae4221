"""Checks of entries for some people: listed units go to one variant, a cold start counts a declared outcome."""

from typing import Any

from seatrial.spec.declared import declared_outcome
from seatrial.spec.problems import Findings

Values = dict[str, Any]
MOST_UNITS = 1000
"""In the file itself: every worker reads it, and people do too."""


def check_people(entry: Values, path: str, values: Values, found: Findings) -> None:
    """Notes what contradicts itself in one routing entry."""
    _listed(entry, path, found)
    cold = entry.get("cold_start")
    if isinstance(cold, dict):
        declared_outcome(cold.get("outcome"), values, f"{path}.cold_start.outcome", found)


def _listed(entry: Values, path: str, found: Findings) -> None:
    keys = [key for key in ("units", "units_from") if key in entry]
    for key in keys:
        if "to" not in entry and any(other in entry for other in ("split", "bandit", "cold_start")):
            message = f"`{key}` names who goes to one variant, so it needs `to`; write `to`, or a rule with `when`"
            found.add(f"{path}.{key}", key, message)
    if len(keys) > 1:
        message = "`units` and `units_from` both say whom it takes; write one, or two entries"
        found.add(f"{path}.units_from", "units_from", message)
    units = entry.get("units")
    if isinstance(units, list) and len(units) > MOST_UNITS:
        message = f"{len(units)} units stand in the file, at most {MOST_UNITS} may; put them in a file: `units_from`"
        found.add(f"{path}.units", len(units), message)
