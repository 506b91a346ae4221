"""Alerts of releases, from the audit.

What deserves an alert is read from the audit behind a mark, so an action taken while control was down, or just before
it was killed, is told as well, and nothing twice: an alert's key is the audit entry's.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from seatrial.control.decisions import DECIDED, observed_of
from seatrial.control.site import Site
from seatrial.releases.records import Alert, AuditEntry
from seatrial.watch.alerts import event_alert

MARK = "alerts of the audit"

Rank = Literal["info", "warning", "critical"]


class _Event(NamedTuple):
    event: str
    severity: Rank


OF_ACTION: Mapping[str, _Event] = {
    "promote": _Event("promotion", "info"),
    "rollback": _Event("rollback", "critical"),
    "fall-back": _Event("rollback", "critical"),
    "propose": _Event("verdict", "info"),
    "reconsider": _Event("verdict", "warning"),
    "conclude": _Event("verdict", "warning"),
    "alias-moved": _Event("alias.moved", "warning"),
    "follow": _Event("alias.moved", "info"),
    "withdrawn": _Event("failure", "warning"),
    "fail": _Event("failure", "critical"),
}
"""What an action in the audit is told as."""

OF_ROW: Mapping[str, _Event] = {
    "withheld": _Event("verdict", "warning"),
    "no difference": _Event("verdict", "info"),
    "ship: nothing": _Event("verdict", "info"),
    "shadow: it fails": _Event("guardrail", "warning"),
    "canary: withheld": _Event("verdict", "warning"),
    "canary: no data": _Event("failure", "warning"),
    "not judged": _Event("failure", "warning"),
}
"""What a decision is told as, once a release: these rows wait for something that a person may want to know."""


def tell(site: Site, deployment: str) -> None:
    """Keep an alert of everything in the audit that deserves one and is not told yet."""
    mark = site.state.marks.get(deployment, MARK) or 0
    entries = site.state.audit.after(deployment, mark)
    for entry in entries:
        for alert in alerts_of_entry(entry):
            site.state.alerts.add(alert)
    if entries:
        site.state.marks.put(deployment, MARK, entries[-1].id)


def alerts_of_entry(entry: AuditEntry) -> list[Alert]:
    """The alerts that one audit entry deserves."""
    if entry.action == DECIDED:
        return _of_decision(entry)
    found = OF_ACTION.get(entry.action)
    return [_alert(entry, found, f"{found.event}/{entry.id}", entry.sentence)] if found is not None else []


def _of_decision(entry: AuditEntry) -> list[Alert]:
    alerts = []
    found = OF_ROW.get(entry.why)
    if found is not None:
        alerts.append(_alert(entry, found, f"{found.event}/{entry.release}/{entry.why}", entry.sentence))
    worse = observed_of(entry).worse_guardrails
    if worse and entry.why == "shown worse":
        sentence = f"Shown worse than the margin: {', '.join(worse)}."
        alerts.append(_alert(entry, _Event("guardrail", "critical"), f"guardrail/{entry.release}", sentence))
    return alerts


def _alert(entry: AuditEntry, found: _Event, key: str, sentence: str) -> Alert:
    by = f" (by {entry.actor}: {entry.why})" if entry.action in ("promote", "rollback") else ""
    return event_alert(entry.deployment, found.event, key, f"{sentence}{by}", entry.at, severity=found.severity)
