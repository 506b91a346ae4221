"""Declared actions: what the file wants done when something happens, each at most once an alert and once in ``every``.

How far alerts were looked at is marked before anything is done, so a process that is killed over it does nothing twice.
What was done, or why not, is in the audit.
"""

import hashlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from seatrial.control import perform
from seatrial.control.change import LOOP
from seatrial.control.perform import Saw, Who
from seatrial.control.site import Site
from seatrial.releases.records import Alert, AuditEntry, DeploymentState
from seatrial.spec.deployment import ActionSpec, Deployment
from seatrial.spec.errors import NotFound, SeatrialError
from seatrial.spec.events import covers
from seatrial.spec.units import show_duration
from seatrial.watch.alerts import condition_of
from seatrial.watch.telling import moment

MARK = "actions"
REACTED = "react"
_SECOND = 1_000_000
_SHOWN = 50
_OUTPUT = 300

log = logging.getLogger("seatrial.control")


class Reactions:
    """Does what files declare.

    Args:
        site: What it acts on.
        start: How a command is waited for; None: in a thread of its own.
    """

    def __init__(self, site: Site, start: Callable[[Callable[[], None]], None] | None = None) -> None:
        self._site = site
        self._start = start or _in_thread

    def see_to(self, spec: Deployment, state: DeploymentState) -> None:
        """React to alerts that were not looked at yet."""
        mark = self._site.state.marks.get(spec.deployment, MARK)
        alerts = self._site.state.alerts.after(spec.deployment, mark or 0)
        if not alerts:
            return
        self._site.state.marks.put(spec.deployment, MARK, alerts[-1].id)
        for alert in alerts:
            if alert.at >= state.applied_at and not _is_over(alert) and not _stands(alert):
                for action in spec.actions:
                    if covers(action.on, alert.event):
                        state = self._site.state.deployments.get(spec.deployment)
                        if _is_meant(spec, state, action, alert):
                            self._react(spec, action, alert, perform.seen(spec, state))

    def _react(self, spec: Deployment, action: ActionSpec, alert: Alert, saw: Saw) -> None:
        name, now = spec.deployment, self._site.clock()
        mark = f"{MARK}/{hashlib.sha256(action.told.encode()).hexdigest()[:16]}"
        last = self._site.state.marks.get(name, mark)
        if last is not None and now - last < action.every * _SECOND:
            return
        self._site.state.marks.put(name, mark, now)
        try:
            said = self._do(spec, action, alert, saw)
        except SeatrialError as error:
            said = f"could not {action.told}: {error}"
        self._note(alert, action, said)

    def _do(self, spec: Deployment, action: ActionSpec, alert: Alert, saw: Saw) -> str:
        who = Who(LOOP, f"declared for `{alert.event}`: {action.told}", saw)
        if action.run is not None:
            return self._run(action, alert)
        if action.fall_back is not None:
            return perform.fall_back(self._site, spec.deployment, who, action.fall_back).sentence
        if not saw.release:
            return "no release is under way, so there was none to stop"
        return perform.rollback(self._site, spec.deployment, who).sentence

    def _run(self, action: ActionSpec, alert: Alert) -> str:
        command = self._site.home / "actions" / str(action.run)
        if not os.access(command, os.X_OK) or not command.is_file():
            raise NotFound(f"there is no executable {command}; put one there")
        self._start(lambda: self._wait_for(command, action, alert))
        return f"started {action.run}, which has {show_duration(action.timeout)}"

    def _wait_for(self, command: Path, action: ActionSpec, alert: Alert) -> None:
        try:
            said = _run(command, action.timeout, alert, self._site.home)
        except OSError as error:
            said = f"{action.run} could not be started: {error.strerror}"
        try:
            self._note(alert, action, said)
        except SeatrialError as error:
            log.error("%s: %s (%s)", alert.deployment, said, error)

    def _note(self, alert: Alert, action: ActionSpec, said: str) -> None:
        self._site.state.audit.add(
            AuditEntry(
                deployment=alert.deployment,
                at=self._site.clock(),
                action=REACTED,
                actor=LOOP,
                why=f"declared for `{alert.event}`: {action.told}",
                sentence=f"{said[:1].upper()}{said[1:].rstrip('.')}.",
                observed=msgspec.json.encode({"alert": alert.key}).decode(),
            )
        )


def reactions_to(site: Site, deployment: str, alerts: Sequence[Alert]) -> tuple[str, ...]:
    """What was done about alerts because the file declares it, in words."""
    keys = {alert.key for alert in alerts}
    entries = site.state.audit.of(deployment, action=REACTED, limit=_SHOWN)
    return tuple(e.sentence.rstrip(".") for e in entries if msgspec.json.decode(e.observed).get("alert") in keys)


def _is_over(alert: Alert) -> bool:
    condition = condition_of(alert)
    return condition is not None and condition.is_over


def _stands(alert: Alert) -> bool:
    """Drift that its own hours had before: nothing has happened."""
    condition = condition_of(alert)
    return condition is not None and condition.stands


def _run(command: Path, timeout: float, alert: Alert, home: Path) -> str:
    """Run it to its end, the alert on its standard input as JSON; what came of it, in words."""
    told = {"deployment": alert.deployment, "event": alert.event, "key": alert.key, "sentence": alert.sentence}
    document = msgspec.json.encode({**told, "at": moment(alert.at), "severity": alert.severity})
    process = subprocess.Popen(
        [str(command)],
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(document, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"{command.name} was ended, because it took longer than {show_duration(timeout)}"
    last = " ".join(output.decode("utf-8", "replace").split())[-_OUTPUT:]
    ended = "succeeded" if process.returncode == 0 else f"failed with exit code {process.returncode}"
    return f"{command.name} {ended}" + (f" and said: {last}" if last else "")


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="action", daemon=True).start()


def _is_meant(spec: Deployment, state: DeploymentState, action: ActionSpec, alert: Alert) -> bool:
    """Whether an alert is of whom an action takes out: another variant's fall is no reason to.

    A version falls back for the version in command, a release is stopped for its challenger; what is of no variant
    (a source of outcomes that does not answer) is of both.
    """
    condition = condition_of(alert)
    if action.run is not None or condition is None:
        return True
    run = state.open_run
    variant = spec.default if action.fall_back is not None else run.challenger if run is not None else ""
    slot = state.slot(variant)
    of = condition.version or (slot.model_version if slot is not None else "")
    return condition.variant == variant and slot is not None and of == slot.model_version
