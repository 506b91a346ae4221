"""Which windows deserve an alert: one when a condition begins, one when it becomes worse, one when it ends.

A condition is one monitor of one version in one variant, or the quality of its columns. It begins when enough of the
last windows alarm (``2 of 3``: ``spec.alerting``), with the severity that so many of them reach. What is open is read
from the alerts that were kept, so nothing else is; the key of an alert is its condition and moment, so a window seen
twice is told once.

Drift from the training data has a second severity: what of it is *unusual*, unlike the same hours of earlier days
(``watch.usual``). Where that rises the condition becomes worse, though it was open; where it is gone, because days went
by, the condition *settles*: it stands, and is not told again. It ends when a window is like training and like its own
hours, or when a whole day was like training: a night of a world that has moved may look like training by chance.

What is over must have been visible (``watch.ending``). While a column is broken another one that breaks, or rows that
stop to arrive, make it worse: they are told though nothing else changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from seatrial.drift import FeatureDrift, Severity, worst
from seatrial.releases.records import Alert
from seatrial.spec.deployment import AfterSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.events import EVENTS
from seatrial.watch.ending import Earlier, Nothing, ShownBy, could_tell, shown_by
from seatrial.watch.past import Held, Past, Seen
from seatrial.watch.signals import of_columns, signals_of
from seatrial.watch.window import Performance, Signal, Usual, Window

Edge = Literal["begins", "worsens", "settles", "ends", "left", "lapses"]
Rank = Literal["info", "warning", "critical"]

_RANKS: dict[str, Rank] = {"none": "info", "moderate": "warning", "major": "critical"}
_EVENTS = {"quality": "quality", "outcomes": "outcomes.stalled", "breaker": "breaker"}
"""Conditions that are told as one event, however bad; the others by their severity."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """The details of an alert of a monitor, as JSON in ``Alert.details``.

    Attributes:
        condition: ``data/champion``, ``quality/champion``, ...
        edge: What happened to it; ``left``: what it was about is not there any more (``watch.leaving``); ``lapses``:
            whether it is over cannot be told any more (``watch.ending``).
        severity: It has now; ``none`` when it ended, left or lapsed.
        variant, version: Whose it is; the version is "" where nobody knew it.
        start, end: The window, microseconds since 1970 UTC.
        features: Columns that make it up, the most serious first.
        strong: Of these, the ones that moved strongly (and are unusual).
        little: Of these, the ones that the model hardly uses.
        cost: What it costs, in words, where it was measured; "" else.
        unusual: What of the severity is unlike the same hours of earlier days; None: all of it.
        days: Earlier days that it was compared with.
        shown_by: Columns that it was about since it began, each with the measures by which it showed.
    """

    condition: str
    edge: Edge
    severity: Severity
    variant: str
    start: int
    end: int
    features: tuple[str, ...] = ()
    strong: tuple[str, ...] = ()
    little: tuple[str, ...] = ()
    cost: str = ""
    unusual: Severity | None = None
    days: int = 0
    version: str = ""
    shown_by: dict[str, tuple[str, ...]] = {}

    @property
    def kind(self) -> str:
        """What it is a condition of: ``data``, ``quality of predictions``, ..."""
        return self.condition.rpartition("/")[0]

    @property
    def is_over(self) -> bool:
        """It ended, left or lapsed."""
        return self.severity == "none"

    @property
    def stands(self) -> bool:
        """It is open, and nothing about it is unusual."""
        return self.severity != "none" and self.unusual == "none"


def alerts_of(
    windows: Sequence[Window],
    told: Iterable[Alert],
    now: int,
    *,
    after: AfterSpec | None = None,
    before: Sequence[Window] = (),
    earlier: Earlier | None = None,
) -> tuple[Alert, ...]:
    """Alerts that windows deserve, in order of time.

    Args:
        windows: New ones, in order of time.
        told: Alerts of the deployment so far, the oldest first.
        now: When they are made.
        after: How many of the last windows must alarm; None: as by default.
        before: Earlier windows, in order of time, as far back as ``after`` looks.
        earlier: All that was read before, for what is over; None: nothing.
    """
    opened = {(name, condition.version): _opened(condition) for name, condition in standing_conditions(told).items()}
    past = Past(after or AfterSpec(), before)
    seen = Seen(earlier or Nothing())
    found: list[Alert] = []
    for window in windows:
        past.add(window)
        signals = dict(signals_of(window))
        for kind in dict.fromkeys((*signals, *of_columns(window))):
            condition = f"{kind}/{window.variant}"
            # One that was kept without a version is of whoever comes; another version's does not count.
            mine = (condition, "") if (condition, "") in opened else (condition, window.version)
            was = opened.get(mine, _Open())
            edge = _edge(was, kind, signals.get(kind), window, past, seen)
            if edge is not None:
                opened[mine] = edge.to
                found.append(_alert(window, kind, condition, edge, was.held, now))
        seen.add(window)
    return tuple(found)


def open_conditions(told: Iterable[Alert]) -> Mapping[str, Severity]:
    """Conditions that began and have not ended, with their severity, from the alerts told (the oldest first)."""
    return {name: condition.severity for name, condition in standing_conditions(told).items()}


def standing_conditions(told: Iterable[Alert]) -> Mapping[str, Condition]:
    """The newest of each condition that began and has not ended, from the alerts told (the oldest first)."""
    state: dict[str, Condition] = {}
    for alert in told:
        condition = condition_of(alert)
        if condition is not None:
            state[condition.condition] = condition
    return {name: condition for name, condition in state.items() if condition.severity != "none"}


def condition_of(alert: Alert) -> Condition | None:
    """What an alert of a monitor is about; None for one of another kind: a promotion has no condition."""
    return _condition(alert.details)


@lru_cache(maxsize=4096)  # every decision asks all alerts of the deployment, again and again
def _condition(details: str) -> Condition | None:
    try:
        return msgspec.json.decode(details, type=Condition)
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


def event_of(kind: str, severity: Severity) -> str:
    """What a condition of this kind is told as."""
    about = kind.split()[0]
    return _EVENTS.get(about) or f"{about}.{severity}"


class _Open(NamedTuple):
    """What is known of a condition: how bad it is, and of which columns it was since it began."""

    held: Held = Held()
    shown: ShownBy = MappingProxyType({})


class _Edge(NamedTuple):
    """What happens to a condition, what it is then, and which columns broke beside those that were broken."""

    name: Edge
    to: _Open
    more: tuple[str, ...] = ()


def _opened(condition: Condition) -> _Open:
    held = Held(condition.severity, condition.severity if condition.unusual is None else condition.unusual)
    return _Open(held, condition.shown_by or dict.fromkeys(condition.features, ()))


def _edge(was: _Open, kind: str, signal: Signal | None, window: Window, past: Past, seen: Seen) -> _Edge | None:
    """What a window does to a condition; ``signal``: what it says of it, None where it cannot."""
    if signal is not None and (found := _told_by(was, kind, signal, window, past, seen)) is not None:
        return found
    is_open = was.held.severity != "none" and kind in of_columns(window)
    if is_open and (signal is None or signal.calm) and seen.earlier.is_silent(window):
        return _Edge("lapses", _Open())
    return None


def _told_by(was: _Open, kind: str, signal: Signal, window: Window, past: Past, seen: Seen) -> _Edge | None:
    held, is_open = past.sustained(kind, window), was.held.severity != "none"
    worse = Held(worst((was.held.severity, held.severity)), worst((was.held.unusual, held.unusual)))
    more = _more(was.shown, past.broken(kind, window), window, seen) if is_open else ()
    if signal.alarm != "none" and (worse != was.held or more) and worse.severity != "none":
        return _Edge("worsens" if is_open else "begins", _Open(worse, _with(was.shown, kind, window)), more)
    usual = window.usual if signal is window.drift else None
    calm = is_open and _is_over(signal, window, usual, seen.earlier)
    if calm and could_tell(kind, window, was.shown, seen.before(window)):
        return _Edge("ends", _Open())
    if was.held.unusual != "none" and usual is not None and usual.calm and not usual.moved:
        return _Edge("settles", was._replace(held=Held(was.held.severity)))
    return None


def _with(shown: ShownBy, kind: str, window: Window) -> ShownBy:
    """What a condition was about, and what a window shows beside."""
    found = dict(shown)
    for column, measures in shown_by(window.features, kind).items():
        found[column] = tuple(dict.fromkeys((*found.get(column, ()), *measures)))
    return found


def _more(shown: ShownBy, broken: frozenset[str], window: Window, seen: Seen) -> tuple[str, ...]:
    """Columns that broke while others are broken: for the first time, or after a whole day without."""
    return tuple(sorted(name for name in broken if name not in shown or not seen.broke_lately(name, window)))


def _is_over(signal: Signal, window: Window, usual: Usual | None, earlier: Earlier) -> bool:
    if not signal.calm or _is_silenced(signal, window):
        return False
    return usual is None or not usual.days or usual.calm or earlier.is_calm_day(window)


def _is_silenced(signal: Signal, window: Window) -> bool:
    """A broken column says nothing about drift, not even that it is over."""
    return signal is window.drift and window.quality.severity != "none"


def _alert(window: Window, kind: str, condition: str, edge: _Edge, was: Held, now: int) -> Alert:
    about, held = kind.split()[0], edge.to.held
    drift = window.usual if about == window.monitor else None
    severity = was.severity if edge.name in _OVER else held.severity if held.unusual == "none" else held.unusual
    details = Condition(
        condition=condition,
        edge=edge.name,
        severity=held.severity,
        variant=window.variant,
        version=window.version,
        start=window.start,
        end=window.end,
        features=_features(window, quality=about == "quality"),
        strong=strong_in(window),
        little=window.weights.little if window.weights is not None and about == "data" else (),
        cost=cost_of(window.performance) if about == "performance" and window.performance is not None else "",
        unusual=held.unusual if drift is not None or held.unusual != held.severity else None,
        days=drift.days if drift is not None else 0,
        shown_by=dict(edge.to.shown),
    )
    return event_alert(
        window.deployment,
        event_of(kind, severity),
        f"{condition}/{edge.name}/{window.start}",
        _sentence(window, kind, edge),
        now,
        severity=_RANKS["none" if edge.name in (*_OVER, "settles") else severity],
        details=msgspec.json.encode(details).decode(),
    )


_OVER: tuple[Edge, ...] = ("ends", "lapses")


def _sentence(window: Window, kind: str, edge: _Edge) -> str:
    whose = f"{kind} of {window.variant}"
    match edge.name:
        case "ends":
            return f"Over: {whose} is as it should be again."
        case "lapses":
            return (
                f"Whether {whose} is as it should be cannot be told any more: a week of windows showed nothing, and "
                "none of them was clear enough to say that it is over."
            )
        case "settles":
            return (
                f"It stands: {whose} has {edge.to.held.severity} drift from the training data, and is as at these "
                "hours before."
            )
    return f"Broken as well: {', '.join(edge.more)}. {window.sentence}" if edge.more else window.sentence


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


def strong_in(window: Window) -> tuple[str, ...]:
    """Columns that moved strongly, and unlike the same hours before where these are known."""
    if window.usual is not None:
        return tuple(name for name, severity in window.usual.moved.items() if severity == "major")
    return tuple(drift.feature for drift in window.features if drift.severity == "major")


def _features(window: Window, *, quality: bool) -> tuple[str, ...]:
    found = [d for d in window.features if (d.quality if quality else d.severity) != "none"]
    unusual = window.usual.moved if window.usual is not None and not quality else {}
    shares = window.weights.shares if window.weights is not None else {}

    def seriousness(drift: FeatureDrift) -> tuple[bool, bool, float]:
        is_major = (drift.quality if quality else drift.severity) == "major"
        return drift.feature not in unusual, not is_major, -shares.get(drift.feature, 0.0)

    found.sort(key=seriousness)
    return tuple(drift.feature for drift in found)
