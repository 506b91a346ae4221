"""Which windows deserve a person's eye: one alert when a condition begins, one when it becomes worse, one when it ends.

A condition is one monitor of one variant, or the quality of its columns. What is open is read from the alerts that were
told, so nothing else is kept; the key of an alert is its condition and moment, so a window seen twice is told once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from seatrial.drift import Severity
from seatrial.releases.records import Alert
from seatrial.spec.errors import BadInput
from seatrial.spec.events import EVENTS
from seatrial.watch.window import Signal, Window

Edge = Literal["begins", "worsens", "ends"]
Rank = Literal["info", "warning", "critical"]

_RANKS: dict[str, Rank] = {"none": "info", "moderate": "warning", "major": "critical"}
_EVENTS = {"quality": "quality", "outcomes": "outcomes.stalled"}
"""Conditions that are told as one event, however bad; the others by their severity."""

_ORDER: tuple[Severity, ...] = ("none", "moderate", "major")


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """The details of an alert of a monitor, as JSON in ``Alert.details``.

    Attributes:
        condition: ``data/champion``, ``quality/champion``, ...
        edge: What happened to it.
        severity: It has now; ``none`` when it ended.
        start, end: The window, microseconds since 1970 UTC.
        features: Columns that make it up, the most serious first.
    """

    condition: str
    edge: Edge
    severity: Severity
    variant: str
    start: int
    end: int
    features: tuple[str, ...] = ()


def alerts_of(windows: Sequence[Window], told: Iterable[Alert], now: int) -> tuple[Alert, ...]:
    """Alerts that windows deserve, in order of time.

    Args:
        windows: New ones, in order of time.
        told: Alerts of the deployment so far, the oldest first.
        now: When they are made.
    """
    open_now = dict(open_conditions(told))
    found: list[Alert] = []
    for window in windows:
        for kind, signal in _signals(window):
            condition = f"{kind}/{window.variant}"
            was = open_now.get(condition, "none")
            step = _edge(was, signal, window)
            if step is None:
                continue
            edge, severity = step
            open_now[condition] = severity
            found.append(_alert(window, kind, condition, edge, severity, was, now))
    return tuple(found)


def open_conditions(told: Iterable[Alert]) -> Mapping[str, Severity]:
    """Conditions that began and have not ended, with their severity, from the alerts told (the oldest first)."""
    state: dict[str, Severity] = {}
    for alert in told:
        try:
            details = msgspec.json.decode(alert.details, type=Condition)
        except msgspec.MsgspecError:
            continue  # an alert of another kind: a promotion has no condition
        state[details.condition] = details.severity
    return {condition: severity for condition, severity in state.items() if severity != "none"}


def event_alert(
    deployment: str, event: str, key: str, sentence: str, now: int, *, severity: Rank = "warning", details: str = "{}"
) -> Alert:
    """An alert of something that happened once (a rollback, a promotion, ...).

    Raises:
        BadInput: There is no such event.
    """
    if event not in EVENTS:
        raise BadInput(f"there is no event {event!r} to alert of; the events are {', '.join(EVENTS)}")
    return Alert(
        deployment=deployment, at=now, event=event, key=key, severity=severity, sentence=sentence, details=details
    )


def _signals(window: Window) -> tuple[tuple[str, Signal], ...]:
    measured = window.state == "measured"
    if window.monitor == "estimate":
        return ()  # it is shown, and never acts alone
    if window.monitor in ("concept", "fairness", "calibration"):
        return ((window.monitor, window.drift),) if measured else ()
    if window.monitor == "performance":
        # Stalled outcomes are known without data; that they flow again is known only with it.
        outcomes = (("outcomes", window.outcomes),) if measured or not window.outcomes.calm else ()
        return (*outcomes, ("performance", window.drift)) if measured else outcomes
    quality = "quality" if window.monitor == "data" else "quality of predictions"
    return ((quality, window.quality), (window.monitor, window.drift)) if measured else ()


def _edge(was: Severity, signal: Signal, window: Window) -> tuple[Edge, Severity] | None:
    if _ORDER.index(signal.alarm) > _ORDER.index(was):
        return ("begins" if was == "none" else "worsens"), signal.alarm
    if was != "none" and signal.calm and not _is_silenced(signal, window):
        return "ends", "none"
    return None


def _is_silenced(signal: Signal, window: Window) -> bool:
    """A broken column says nothing about drift, not even that it is over."""
    return signal is window.drift and window.quality.severity != "none"


def _alert(window: Window, kind: str, condition: str, edge: Edge, severity: Severity, was: Severity, now: int) -> Alert:
    about = kind.split()[0]
    event = _EVENTS.get(about) or f"{about}.{was if edge == 'ends' else severity}"
    ended = f"Over: {kind} of {window.variant} is as it should be again."
    details = Condition(
        condition=condition,
        edge=edge,
        severity=severity,
        variant=window.variant,
        start=window.start,
        end=window.end,
        features=_features(window, quality=about == "quality"),
    )
    return event_alert(
        window.deployment,
        event,
        f"{condition}/{edge}/{window.start}",
        ended if edge == "ends" else window.sentence,
        now,
        severity=_RANKS[severity],
        details=msgspec.json.encode(details).decode(),
    )


def _features(window: Window, *, quality: bool) -> tuple[str, ...]:
    found = [d for d in window.features if (d.quality if quality else d.severity) != "none"]
    found.sort(key=lambda d: (d.quality if quality else d.severity) != "major")
    return tuple(drift.feature for drift in found)
