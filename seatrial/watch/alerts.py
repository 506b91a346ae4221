"""Which windows deserve an alert: one when a condition begins, one when it becomes worse, one when it ends.

A condition is one monitor of one version in one variant, or the quality of its columns. It begins when enough of the
last windows alarm (``2 of 3``: ``spec.alerting``), with the severity that so many of them reach. What is open is read
from the alerts that were kept, so nothing else is; the key of an alert is its condition and moment, so a window seen
twice is told once.

Drift from the training data has a second severity: what of it is *unusual*, unlike the same hours of earlier days
(``watch.usual``). Where that rises the condition becomes worse, though it was open; where it is gone, because days went
by, the condition *settles*: it stands, and is not told again. It ends when a window is like training and like its own
hours, or when a whole day was like training: a night of a world that has moved may look like training by chance.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from seatrial.drift import FeatureDrift, Severity, worst
from seatrial.drift.severity import SEVERITIES
from seatrial.releases.records import Alert
from seatrial.spec.alerting import Sustained
from seatrial.spec.deployment import AfterSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.events import EVENTS
from seatrial.watch.window import Performance, Signal, Usual, Window

Edge = Literal["begins", "worsens", "settles", "ends", "left"]
Rank = Literal["info", "warning", "critical"]

_RANKS: dict[str, Rank] = {"none": "info", "moderate": "warning", "major": "critical"}
_EVENTS = {"quality": "quality", "outcomes": "outcomes.stalled", "breaker": "breaker"}
"""Conditions that are told as one event, however bad; the others by their severity."""
_ONE_SIGNAL = frozenset({"concept", "fairness", "calibration", "multivariate", "shadow_gap", "skew"})
"""Monitors of which a window is one signal."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """The details of an alert of a monitor, as JSON in ``Alert.details``.

    Attributes:
        condition: ``data/champion``, ``quality/champion``, ...
        edge: What happened to it; ``left``: what it was about is not there any more (``watch.leaving``).
        severity: It has now; ``none`` when it ended or left.
        variant, version: Whose it is; the version is "" where nobody knew it.
        start, end: The window, microseconds since 1970 UTC.
        features: Columns that make it up, the most serious first.
        strong: Of these, the ones that moved strongly (and are unusual).
        little: Of these, the ones that the model hardly uses.
        cost: What it costs, in words, where it was measured; "" else.
        unusual: What of the severity is unlike the same hours of earlier days; None: all of it.
        days: Earlier days that it was compared with.
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

    @property
    def kind(self) -> str:
        """What it is a condition of: ``data``, ``quality of predictions``, ..."""
        return self.condition.rpartition("/")[0]

    @property
    def is_over(self) -> bool:
        """It ended, or left."""
        return self.severity == "none"

    @property
    def stands(self) -> bool:
        """It is open, and nothing about it is unusual."""
        return self.severity != "none" and self.unusual == "none"


class _Held(NamedTuple):
    """How bad a condition is, and how much of it is unusual."""

    severity: Severity = "none"
    unusual: Severity = "none"


def alerts_of(
    windows: Sequence[Window],
    told: Iterable[Alert],
    now: int,
    *,
    after: AfterSpec | None = None,
    before: Sequence[Window] = (),
    calm_day: Callable[[Window], bool] = lambda _: False,
) -> tuple[Alert, ...]:
    """Alerts that windows deserve, in order of time.

    Args:
        windows: New ones, in order of time.
        told: Alerts of the deployment so far, the oldest first.
        now: When they are made.
        after: How many of the last windows must alarm; None: as by default.
        before: Earlier windows, in order of time, as far back as ``after`` looks.
        calm_day: Whether the windows of the last day, up to one, showed nothing.
    """
    standing = {(name, condition.version): condition for name, condition in standing_conditions(told).items()}
    open_now = {mine: _held(condition) for mine, condition in standing.items()}
    broken = {mine: condition.features for mine, condition in standing.items()}
    past = _Past(after or AfterSpec(), before)
    found: list[Alert] = []
    for window in windows:
        past.add(window)
        for kind, signal in _signals(window):
            condition = f"{kind}/{window.variant}"
            # One that was kept without a version is of whoever comes; another version's does not count.
            mine = (condition, "") if (condition, "") in open_now else (condition, window.version)
            was = open_now.get(mine, _Held())
            step = _edge(was, signal, window, past.sustained(kind, window), calm_day)
            if step is None or (step[0] == "ends" and not _could_tell(window, broken.get(mine, ()))):
                continue
            edge, now_held = step
            open_now[mine] = now_held
            broken[mine] = _features(window, quality=True)
            found.append(_alert(window, kind, condition, edge, now_held, was, now))
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


def after_of(after: AfterSpec, kind: str) -> Sustained:
    """How many windows of a condition's kind must alarm; one where the file says nothing of that kind."""
    found = getattr(after, kind.split()[0], None)
    return found if isinstance(found, Sustained) else Sustained(1, 1)


def windows_back(after: AfterSpec) -> int:
    """How many windows before the present one are looked at."""
    return max(after_of(after, kind).of for kind in AfterSpec.model_fields) - 1


def sustained(alarms: Sequence[Severity], windows: int) -> Severity:
    """The severity that at least so many alarms reach."""
    reached = sorted(map(SEVERITIES.index, alarms), reverse=True)
    return SEVERITIES[reached[windows - 1]] if len(reached) >= windows else "none"


def _held(condition: Condition) -> _Held:
    return _Held(condition.severity, condition.severity if condition.unusual is None else condition.unusual)


class _Past:
    """The alarms of each condition by window, as far back as anything looks."""

    def __init__(self, after: AfterSpec, windows: Sequence[Window]) -> None:
        self._after = after
        self._alarms: dict[tuple[str, str, str], dict[int, _Held]] = {}
        for window in windows:
            self.add(window)

    def add(self, window: Window) -> None:
        for kind, signal in _signals(window):
            held = _Held(signal.alarm, _unusual(signal, window))
            self._alarms.setdefault((kind, window.variant, window.version), {})[window.start] = held

    def sustained(self, kind: str, window: Window) -> _Held:
        """What the windows of the same version up to this one come to; none is counted that lies further back."""
        asked = after_of(self._after, kind)
        alarms = self._alarms.get((kind, window.variant, window.version), {})
        if window.counted:  # of unequal length: the last ones, however long ago they were
            newest = sorted(start for start in alarms if start <= window.start)[-asked.of :]
            looked = [alarms[start] for start in newest]
        else:
            first = window.start - (asked.of - 1) * window.step
            looked = [held for start, held in alarms.items() if first <= start <= window.start]
        return _Held(
            sustained([held.severity for held in looked], asked.windows),
            sustained([held.unusual for held in looked], asked.windows),
        )


def _signals(window: Window) -> tuple[tuple[str, Signal], ...]:
    measured = window.state == "measured"
    if window.monitor == "estimate":
        return ()  # it is shown, and never acts alone
    if window.monitor in _ONE_SIGNAL:
        return ((window.monitor, window.drift),) if measured else ()
    if window.monitor == "performance":
        # Stalled outcomes are known without data; that they flow again is known only with it.
        outcomes = (("outcomes", window.outcomes),) if measured or not window.outcomes.calm else ()
        labels = (("quality of labels", window.quality),) if window.checked else ()
        known = (*outcomes, *labels)
        return (*known, ("performance", window.drift)) if measured else known
    quality = "quality" if window.monitor == "data" else "quality of predictions"
    if not measured:
        return ((quality, window.quality),) if window.checked else ()
    return (quality, window.quality), (window.monitor, window.drift)


def _unusual(signal: Signal, window: Window) -> Severity:
    """What of an alarm is unusual: all of it, where its own hours have nothing to say."""
    return signal.alarm if window.usual is None or signal is not window.drift else window.usual.alarm


def _edge(
    was: _Held, signal: Signal, window: Window, held: _Held, calm_day: Callable[[Window], bool]
) -> tuple[Edge, _Held] | None:
    worse = _Held(worst((was.severity, held.severity)), worst((was.unusual, held.unusual)))
    if signal.alarm != "none" and worse != was and worse.severity != "none":
        return ("begins" if was.severity == "none" else "worsens"), worse
    usual = window.usual if signal is window.drift else None
    if was.severity != "none" and _is_over(signal, window, usual, calm_day):
        return "ends", _Held()
    if was.unusual != "none" and usual is not None and usual.calm and not usual.moved:
        return "settles", _Held(was.severity)
    return None


def _is_over(signal: Signal, window: Window, usual: Usual | None, calm_day: Callable[[Window], bool]) -> bool:
    if not signal.calm or _is_silenced(signal, window):
        return False
    return usual is None or not usual.days or usual.calm or calm_day(window)


def _could_tell(window: Window, broken: tuple[str, ...]) -> bool:
    """Whether a window can say that something is over: with too few rows only the rules of its columns can."""
    return window.state == "measured" or set(broken) <= set(window.checked)


def _is_silenced(signal: Signal, window: Window) -> bool:
    """A broken column says nothing about drift, not even that it is over."""
    return signal is window.drift and window.quality.severity != "none"


def _alert(window: Window, kind: str, condition: str, edge: Edge, held: _Held, was: _Held, now: int) -> Alert:
    about = kind.split()[0]
    drift = window.usual if about == window.monitor else None
    severity = was.severity if edge == "ends" else held.severity if held.unusual == "none" else held.unusual
    details = Condition(
        condition=condition,
        edge=edge,
        severity=held.severity,
        variant=window.variant,
        version=window.version,
        start=window.start,
        end=window.end,
        features=_features(window, quality=about == "quality"),
        strong=_strong(window),
        little=window.weights.little if window.weights is not None and about == "data" else (),
        cost=cost_of(window.performance) if about == "performance" and window.performance is not None else "",
        unusual=held.unusual if drift is not None or held.unusual != held.severity else None,
        days=drift.days if drift is not None else 0,
    )
    return event_alert(
        window.deployment,
        event_of(kind, severity),
        f"{condition}/{edge}/{window.start}",
        _sentence(window, kind, edge, held),
        now,
        severity=_RANKS["none" if edge in ("ends", "settles") else severity],
        details=msgspec.json.encode(details).decode(),
    )


def _sentence(window: Window, kind: str, edge: Edge, held: _Held) -> str:
    if edge == "ends":
        return f"Over: {kind} of {window.variant} is as it should be again."
    if edge == "settles":
        return (
            f"It stands: {kind} of {window.variant} has {held.severity} drift from the training data, and is as at "
            "these hours before."
        )
    return window.sentence


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
