"""What a person is told: what happened, what it costs, what was done already, what can be done, how to be left alone.

One message a deployment and receiver, however many alerts it holds; the most serious comes first, and a broken column
before any drift. The commands are ones that the command line takes; a test holds them to it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from seatrial.releases.records import Alert, NoticeKind
from seatrial.watch.alerts import condition_of

COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "promotion": ("seatrial status {name}", "seatrial judge {name}", 'seatrial rollback {name} --reason "..."'),
    "rollback": ("seatrial status {name}", "seatrial history {name}", "seatrial judge {name}"),
    "quarantine": ("seatrial status {name}", "seatrial history {name}", 'seatrial rollback {name} --reason "..."'),
    "breaker": ("seatrial status {name}", 'seatrial rollback {name} --reason "..."', "seatrial history {name}"),
    "guardrail": (
        "seatrial judge {name}",
        'seatrial pause {name} --reason "..."',
        'seatrial rollback {name} --reason "..."',
    ),
    "verdict": (
        "seatrial judge {name}",
        'seatrial promote {name} --reason "..."',
        'seatrial rollback {name} --reason "..."',
    ),
    "performance": (
        "seatrial drift {name}",
        "seatrial status {name}",
        'seatrial rollback {name} --reason "..."',
    ),
    "data": ("seatrial drift {name}", "seatrial drift {name} --html drift.html", "seatrial history {name}"),
    "quality": ("seatrial drift {name}", "seatrial drift {name} --html drift.html", "seatrial history {name}"),
    "": ("seatrial status {name}", "seatrial history {name}", "seatrial alerts list {name}"),
}
"""What can be done, by event or group of events; "" for every other."""

_DONE: Mapping[str, str] = {
    "promotion": "It has taken command; the version before is kept loaded for the rollback window.",
    "rollback": "It is taken out already; requests are answered by the version in command.",
    "quarantine": "Workers do not ask it any more.",
    "breaker": "Workers leave it alone and try it again every few seconds; the fallback answers meanwhile.",
    "guardrail": "The release is stopped by the loop, which takes the challenger out.",
    "data": "Nothing: drift alone never rolls back, because the older model sees the same data.",
    "prediction": "Nothing: drift alone never rolls back, because the older model sees the same data.",
    "quality": "Drift of the broken columns is not told while they are broken.",
    "quality of labels": "Nothing: nobody here can send them.",
}
_COSTS: Mapping[str, str] = {
    "rollback": "Nothing any more: nobody is answered by it.",
    "breaker": "Requests of the default variant get the fallback's answer, or none.",
    "quarantine": "Requests that it would have answered are answered by others.",
    "data": "Not known: no loss of performance is estimated.",
    "prediction": "Not known: no loss of performance is estimated.",
    "quality": "Not known: the model answers without the column.",
    "quality of labels": "Nothing yet: performance is measured on the few answers that have a label.",
}
_ESTIMATED = "A loss of performance is estimated with it; see `seatrial drift`."
_LEADING = ("rollback", "quality")
"""Among alerts of one severity: what was done before why, a broken column before drift."""
_ORDER = ("critical", "warning", "info")


class Told(NamedTuple):
    """A message, ready to be sent.

    Attributes:
        title: One line.
        text: All of it, as plain lines.
        commands: The three that were named, for programs.
    """

    title: str
    text: str
    commands: tuple[str, ...]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook receives: the leading alert in its own fields, and all of them in ``alerts``.

    Attributes:
        id: The same however often it is sent, so that a repeat is recognised.
        kind: ``alert``, ``recovery``, ``digest`` or ``test``.
        at: RFC 3339.
        key: Of the leading alert; "" in a digest.
        text: All of it for people.
    """

    id: str
    kind: NoticeKind
    deployment: str
    event: str
    severity: str
    sentence: str
    at: str
    key: str
    details: msgspec.Raw
    title: str
    text: str
    commands: tuple[str, ...] = ()
    alerts: tuple[dict[str, str], ...] = ()


def told_of(
    deployment: str, alerts: Sequence[Alert], *, done: Sequence[str] = (), estimated: bool = False, note: str = ""
) -> Told:
    """What a receiver is told of one or several alerts of a deployment.

    Args:
        deployment: Which.
        alerts: At least one.
        done: What declared actions do about it, in words.
        estimated: A loss of performance is estimated.
        note: A last line (the ceiling was reached, say); "" for none.
    """
    first, *others = in_order(alerts)
    also = f" (and {len(others)} more)" if others else ""
    lines = [first.sentence, *(f"Also: {alert.sentence}" for alert in others)]
    lines.append(f"What it costs: {_costs(first, estimated=estimated)}")
    already = " ".join([_done(first), *(f"Declared: {action}." for action in done)])
    lines.append(f"Done already: {already}")
    commands = commands_for(first.event, deployment)
    lines += ["What you can do:", *(f"  {command}" for command in commands)]
    lines.append(f"It is yours: {ack_command(deployment, first.id)}")
    lines.append(f"Not now: {mute_command(deployment, first.event)}")
    if note:
        lines.append(note)
    return Told(f"{deployment}: {first.event}{also}", "\n".join(lines), commands)


_ENDS = {"left": "not watched any more", "lapses": "cannot be told any more"}
"""What is no recovery, in words."""


def told_recovery(deployment: str, alerts: Sequence[Alert]) -> Told:
    """What those are told who were told that it began."""
    first, *others = in_order(alerts)
    also = f" (and {len(others)} more)" if others else ""
    edges = {condition.edge for alert in alerts if (condition := condition_of(alert)) is not None}
    last = f"Look for yourself: seatrial drift {deployment}" if "lapses" in edges else "Nothing is left to do."
    lines = [first.sentence, *(f"Also: {alert.sentence}" for alert in others), last]
    condition = condition_of(first)
    word = _ENDS.get(condition.edge, "over") if condition is not None else "over"
    return Told(f"{deployment}: {word}: {first.event}{also}", "\n".join(lines), ())


def message_of(notice: str, kind: NoticeKind, deployment: str, alerts: Sequence[Alert], told: Told, at: int) -> Message:
    """The message as webhooks get it."""
    ordered = in_order(alerts)
    first = ordered[0] if ordered else None
    return Message(
        id=notice,
        kind=kind,
        deployment=deployment,
        event=first.event if first else kind,
        severity=first.severity if first else "info",
        sentence=first.sentence if first else told.title,
        at=moment(first.at if first else at),
        key=first.key if first else "",
        details=msgspec.Raw((first.details if first else "{}").encode()),
        title=told.title,
        text=told.text,
        commands=told.commands,
        alerts=tuple({"event": a.event, "key": a.key, "severity": a.severity, "sentence": a.sentence} for a in ordered),
    )


def in_order(alerts: Sequence[Alert]) -> list[Alert]:
    """The most serious first; of the same severity a rollback before its reason, a broken column before drift."""
    return sorted(alerts, key=lambda alert: (_ORDER.index(alert.severity), alert.event not in _LEADING, alert.id))


def commands_for(event: str, deployment: str) -> tuple[str, ...]:
    """Three commands to choose from."""
    found = COMMANDS.get(event) or COMMANDS.get(event.split(".")[0]) or COMMANDS[""]
    return tuple(command.format(name=deployment) for command in found)


def ack_command(deployment: str, alert: int) -> str:
    return f'seatrial alerts ack {deployment} {alert} --reason "..."'


def mute_command(deployment: str, event: str) -> str:
    return f'seatrial alerts mute {deployment} {event} --for 1d --reason "..."'


def moment(at: int) -> str:
    """Microseconds since 1970 UTC as RFC 3339."""
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat().replace("+00:00", "Z")


def _costs(alert: Alert, *, estimated: bool) -> str:
    condition = condition_of(alert)
    if condition is not None and condition.cost:
        return condition.cost
    group = alert.event.split(".")[0]
    if estimated and group in ("data", "prediction"):
        return _ESTIMATED
    if condition is not None and condition.kind in _COSTS:
        return _COSTS[condition.kind]
    return _COSTS.get(group, "Not known.")


def _done(alert: Alert) -> str:
    condition = condition_of(alert)
    kind = condition.kind if condition is not None else ""
    return _DONE.get(kind) or _DONE.get(alert.event.split(".")[0], "Nothing.")
