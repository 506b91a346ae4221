"""Summaries of the day: one message a receiver for all deployments whose files name it, at the time they ask for."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from seatrial.control.fates import notice_id
from seatrial.control.observe import observe
from seatrial.control.site import Site
from seatrial.drift import Severity, worst
from seatrial.releases.records import DeploymentState, Notice
from seatrial.spec.alerting import ClockTime
from seatrial.spec.deployment import Deployment
from seatrial.watch.alerts import standing_conditions
from seatrial.watch.digest import Standing, last_due, told_digest
from seatrial.watch.telling import message_of

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EVERYBODY = ""
"""The deployment under which marks of summaries stand: they are about several."""
_UNTOLD = frozenset({"decide", "tell", "tell-failed", "alias", "fix"})
"""Actions that are no change that a person would look for."""
_LOOKED_BACK = 8


class _Reader(NamedTuple):
    """Who gets a summary, and when."""

    to: str
    at: ClockTime


class Digests:
    """Makes the summaries of one machine.

    Args:
        site: Whose state.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._made: dict[_Reader, int] = {}

    def look(self, specs: Mapping[str, Deployment], now: int) -> None:
        """Make the summaries that are due; a receiver that is new gets its first one the next time."""
        readers: dict[_Reader, list[str]] = defaultdict(list)
        for name, spec in specs.items():
            for receiver in spec.alerts:
                if receiver.digest_at is not None:
                    readers[_Reader(receiver.to, receiver.digest_at)].append(name)
        for reader, names in readers.items():
            due = last_due(reader.at, now)
            if self._made_until(reader, now) < due:
                self._make(reader, sorted(set(names)), specs, due, now)

    def _made_until(self, reader: _Reader, now: int) -> int:
        if reader not in self._made:
            mark = self._site.state.marks.get(_EVERYBODY, _mark(reader))
            if mark is None:
                self._site.state.marks.put(_EVERYBODY, _mark(reader), now)
            self._made[reader] = now if mark is None else mark
        return self._made[reader]

    def _make(self, reader: _Reader, names: Sequence[str], specs: Mapping[str, Deployment], due: int, now: int) -> None:
        # A summary that comes late covers all since the last, not a day of it.
        since = self._made[reader]
        standings = [standing_of(self._site, specs[name], now, since) for name in names]
        told, notice = told_digest(standings), notice_id(reader.to, str(reader.at), str(due))
        self._site.state.notices.add(
            Notice(
                id=notice,
                deployment=names[0] if len(names) == 1 else _EVERYBODY,
                to=reader.to,
                kind="digest",
                at=now,
                why="the summary of the day",
                message=msgspec.json.encode(message_of(notice, "digest", ", ".join(names), (), told, now)).decode(),
            )
        )
        # The message first: its id makes a repeat harmless, a mark without it would lose a day.
        self._site.state.marks.put(_EVERYBODY, _mark(reader), due)
        self._made[reader] = due


def standing_of(site: Site, spec: Deployment, now: int, since: int | None = None) -> Standing:
    """How a deployment stands, with what happened since a moment, and in the last 24 hours at least."""
    name = spec.deployment
    begin = now - _DAY if since is None else min(since, now - _DAY)
    state = site.state.deployments.get(name)
    command, run = state.slot(spec.default), state.open_run
    verdict = site.state.verdicts.last(name, run.id) if run is not None else None
    audit = [entry for entry in site.state.audit.of(name, limit=1000) if entry.at >= begin]
    return Standing(
        deployment=name,
        command=command.model_version if command is not None else "",
        challenger=run.challenger_version if run is not None else "",
        verdict=verdict.recommendation if verdict is not None else "",
        seconds_left=_seconds_left(spec, state, now),
        drift=_drift(site, spec, now),
        changes=tuple(entry.action for entry in audit if entry.action not in _UNTOLD),
        alerts=site.state.alerts.of(name, since=begin),
        stands=_stands(site, name),
    )


def _stands(site: Site, name: str) -> tuple[str, ...]:
    """Drift from the training data that is open and that earlier days had at the same hours."""
    opened = standing_conditions(site.state.alerts.of(name))
    return tuple(f"{condition.condition} {condition.severity}" for condition in opened.values() if condition.stands)


def _seconds_left(spec: Deployment, state: DeploymentState, now: int) -> float | None:
    seen = observe(spec, state, now)
    left = [seen.at_most - seen.stage_seconds] if seen.at_most is not None else []
    if seen.release_at_most is not None:
        left.append(seen.release_at_most - seen.release_seconds)
    return min(left, default=None)


def _drift(site: Site, spec: Deployment, now: int) -> Severity | None:
    """The worst severity of the newest window of each monitor of the variant in command."""
    lengths = [monitor.window for monitor in (spec.monitors.data, spec.monitors.performance) if monitor is not None]
    since = now - _DAY - _LOOKED_BACK * round(max(lengths, default=0.0) * _SECOND)
    newest: dict[str, str] = {}
    for record in site.state.windows.of(spec.deployment, since=since):
        if record.variant == spec.default and record.severity != "no-data":
            newest[record.monitor] = record.severity
    return worst(newest.values()) if newest else None  # type: ignore[arg-type]


def _mark(reader: _Reader) -> str:
    return f"digest/{hashlib.sha256(f'{reader.to} {reader.at}'.encode()).hexdigest()[:24]}"
