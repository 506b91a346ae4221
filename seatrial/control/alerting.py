"""Alerts of releases, from the audit; and sending whatever is not sent yet.

What deserves an alert is read from the audit behind a mark, so an action taken while control was down, or just before
it was killed, is told as well, and nothing twice: an alert's key is the audit entry's.
"""

import logging
from collections.abc import Mapping
from typing import Literal, NamedTuple

from seatrial.control.decisions import DECIDED, observed_of
from seatrial.control.site import Site
from seatrial.releases.records import Alert, AuditEntry
from seatrial.spec.deployment import AlertSpec, Deployment
from seatrial.spec.errors import BadInput
from seatrial.spec.secrets import resolve
from seatrial.watch.alerts import event_alert
from seatrial.watch.delivery import MOST_TRIES, Delivery, Post, deliver, line_of

MARK = "alerts of the audit"
_TRIES_A_STEP = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 5_000_000, 600_000_000
"""Microseconds between tries: doubling from the first to the longest."""

log = logging.getLogger("seatrial.control")

Rank = Literal["info", "warning", "critical"]


class _Event(NamedTuple):
    event: str
    severity: Rank


OF_ACTION: Mapping[str, _Event] = {
    "promote": _Event("promotion", "info"),
    "rollback": _Event("rollback", "critical"),
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


class Postman:
    """Sends alerts that are not sent yet: a few a step, with growing pauses for a receiver that is away."""

    def __init__(self, site: Site, post: Post | None = None) -> None:
        self._site = site
        self._post = post
        self._not_before: dict[int, int] = {}
        self._printed: set[int] = set()

    def send(self, specs: Mapping[str, Deployment], now: int) -> None:
        """Try what is due; a failure is noted and tried again later."""
        tries = 0
        for alert in self._site.state.alerts.unsent(MOST_TRIES):
            if alert.id not in self._printed:
                self._printed.add(alert.id)
                log.warning("%s", line_of(alert))
            if tries < _TRIES_A_STEP and now >= self._not_before.get(alert.id, 0):
                spec = specs.get(alert.deployment)
                tries += self._try(alert, spec.alerts if spec is not None else (), now)

    def _try(self, alert: Alert, receivers: tuple[AlertSpec, ...], now: int) -> int:
        missing = [r for r in receivers if not alert.error or r.to in alert.error]
        failures: list[str] = []
        tried = 0
        for receiver in missing:
            for delivery in self._deliver(alert, receiver):
                tried += 1
                if delivery.error:
                    failures.append(f"{receiver.to}: {delivery.error}")
        self._site.state.alerts.tried(alert.id, sent_at=None if failures else now, error="; ".join(failures))
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**alert.attempts)
        self._not_before[alert.id] = now + pause
        return tried

    def _deliver(self, alert: Alert, receiver: AlertSpec) -> tuple[Delivery, ...]:
        """One receiver; its secrets are put in here and never kept."""
        try:
            address = resolve(receiver.to, self._site.environ)
        except BadInput as error:
            return (Delivery(receiver.to, str(error)),)
        return deliver(alert, (AlertSpec(to=address, events=receiver.events),), self._post)
