"""Which windows deserve a person's eye: one alert when a condition begins, one when it becomes worse, one when it ends.

A condition is one monitor of one variant, or the quality of its columns. It begins when enough of the last windows
alarm (``2 of 3``: ``spec.alerting``), with the severity that so many of them reach. What is open is read from the
alerts that were kept, so nothing else is; the key of an alert is its condition and moment, so a window seen twice is
told once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from seatrial.drift import Severity
from seatrial.releases.records import Alert
from seatrial.spec.alerting import Sustained
from seatrial.spec.deployment import AfterSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.events import EVENTS
from seatrial.watch.window import Performance, Signal, Window

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
        strong: Of these, the ones that moved strongly.
        cost: What it costs, in words, where it was measured; "" else.
    """

    condition: str
    edge: Edge
    severity: Severity
    variant: str
    start: int
    end: int
    features: tuple[str, ...] = ()
    strong: tuple[str, ...] = ()
    cost: str = ""


def alerts_of(
    windows: Sequence[Window],
    told: Iterable[Alert],
    now: int,
    *,
    after: AfterSpec | None = None,
    before: Sequence[Window] = (),
) -> tuple[Alert, ...]:
    """Alerts that windows deserve, in order of time.

    Args:
        windows: New ones, in order of time.
        told: Alerts of the deployment so far, the oldest first.
        now: When they are made.
        after: How many of the last windows must alarm; None: as by default.
        before: Earlier windows, in order of time, as far back as ``after`` looks.
    """
    open_now = dict(open_conditions(told))
    past = _Past(after or AfterSpec(), before)
    found: list[Alert] = []
    for window in windows:
        past.add(window)
        for kind, signal in _signals(window):
            condition = f"{kind}/{window.variant}"
            was = open_now.get(condition, "none")
            step = _edge(was, signal, window, past.sustained(kind, window))
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
        condition = condition_of(alert)
        if condition is not None:
            state[condition.condition] = condition.severity
    return {condition: severity for condition, severity in state.items() if severity != "none"}


def condition_of(alert: Alert) -> Condition | None:
    """What an alert of a monitor is about; None for one of another kind: a promotion has no condition."""
    try:
        return msgspec.json.decode(alert.details, type=Condition)
    except msgspec.MsgspecError:
        return None


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


def after_of(after: AfterSpec, kind: str) -> Sustained:
    """How many windows of a condition's kind must alarm; one where the file says nothing of that kind."""
    found = getattr(after, kind.split()[0], None)
    return found if isinstance(found, Sustained) else Sustained(1, 1)


def windows_back(after: AfterSpec) -> int:
    """How many windows before the present one are looked at."""
    return max(after_of(after, kind).of for kind in AfterSpec.model_fields) - 1


def sustained(alarms: Sequence[Severity], windows: int) -> Severity:
    """The severity that at least so many alarms reach."""
    reached = sorted(map(_ORDER.index, alarms), reverse=True)
    return _ORDER[reached[windows - 1]] if len(reached) >= windows else "none"


class _Past:
    """The alarms of each condition by window, as far back as anything looks."""

    def __init__(self, after: AfterSpec, windows: Sequence[Window]) -> None:
        self._after = after
        self._alarms: dict[tuple[str, str, str], dict[int, Severity]] = {}
        for window in windows:
            self.add(window)

    def add(self, window: Window) -> None:
        for kind, signal in _signals(window):
            self._alarms.setdefault((kind, window.variant, window.version), {})[window.start] = signal.alarm

    def sustained(self, kind: str, window: Window) -> Severity:
        """What the windows of the same version up to this one come to; none is counted that lies further back."""
        asked = after_of(self._after, kind)
        first = window.end - asked.of * (window.end - window.start)
        alarms = self._alarms.get((kind, window.variant, window.version), {})
        return sustained([a for start, a in alarms.items() if first <= start <= window.start], asked.windows)


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


def _edge(was: Severity, signal: Signal, window: Window, held: Severity) -> tuple[Edge, Severity] | None:
    if signal.alarm != "none" and _ORDER.index(held) > _ORDER.index(was):
        return ("begins" if was == "none" else "worsens"), held
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
        strong=_strong(window),
        cost=cost_of(window.performance) if about == "performance" and window.performance is not None else "",
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


def cost_of(performance: Performance) -> str:
    """What a fall costs, in words: how many more of a thousand go wrong, or by how much the value is worse."""
    if performance.worse_by is None:
        return ""
    worse = performance.worse_by
    if performance.kind in ("accuracy", "proportion"):
        what = "answers that are right" if performance.kind == "accuracy" else "successes"
        sign = (
            ("fewer" if worse > 0 else "more") if performance.want == "higher" else ("more" if worse > 0 else "fewer")
        )
        return f"About {abs(1000 * worse):.0f} {sign} {what} in every 1 000."
    return f"{performance.metric} is worse by {worse:.4g} than its baseline of {performance.baseline:.4g}."


def _strong(window: Window) -> tuple[str, ...]:
    return tuple(drift.feature for drift in window.features if drift.severity == "major")


def _features(window: Window, *, quality: bool) -> tuple[str, ...]:
    found = [d for d in window.features if (d.quality if quality else d.severity) != "none"]
    found.sort(key=lambda d: (d.quality if quality else d.severity) != "major")
    return tuple(drift.feature for drift in found)
