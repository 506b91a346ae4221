"""Puts together what was watched of a deployment: windows, alerts, releases from the state, columns from the ledger."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import msgspec

from seatrial.control.monitoring import DATA
from seatrial.control.senses import profiles_of
from seatrial.drift import FeatureDrift, Profile, worst
from seatrial.experiments.source import Source
from seatrial.releases.records import Alert, AuditEntry, DeploymentState, WindowRecord
from seatrial.releases.state import State
from seatrial.reports.points import Moment, PerformancePoint
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import NotFound, SeatrialError
from seatrial.spec.read import load_deployment
from seatrial.watch.alerts import condition_of
from seatrial.watch.performance import SHARES
from seatrial.watch.pictures import (
    Shown,
    before_and_after,
    drift_picture,
    opening,
    quantiles,
    quietest_left_out,
)
from seatrial.watch.seen import Opened, WatchSeen
from seatrial.watch.standing import standing
from seatrial.watch.tables import Part
from seatrial.watch.window import Window

SHOWN_FEATURES = 40
MOST_OPENED = 16
PICTURED = ("data", "prediction")
STEPS = {
    "promote": "good",
    "rollback": "bad",
    "fall-back": "bad",
    "quarantine": "bad",
    "begin": "",
    "advance": "",
    "propose": "warn",
    "conclude": "warn",
    "follow": "",
    "apply": "",
}
"""Actions that a release is made of, with their tone."""
_TONES = {"critical": "bad", "warning": "warn", "info": "good"}
_HOUR, _DAY = 3_600_000_000, 86_400_000_000

Ledger = Callable[[], AbstractContextManager[Source]]


class _Estimate(msgspec.Struct, frozen=True):
    metric: str
    value: float
    lower: float
    upper: float
    n: int = 0
    baseline: float | None = None


class _EstimateWindow(msgspec.Struct, frozen=True):
    """What is drawn of a window of estimates."""

    start: int
    end: int
    version: str = ""
    estimated: _Estimate | None = None


def seen_of(
    state: State,
    deployment: str,
    now: int,
    *,
    variant: str | None = None,
    how: Callable[[Shown], str] | None = None,
    ledger: Ledger | None = None,
) -> WatchSeen:
    """What monitors saw of a variant.

    Args:
        state: Of the machine.
        deployment: Which.
        now: Microseconds since 1970 UTC.
        variant: Whose windows; None: of the variant in command.
        how: What a cell opens; None: the opened cells of the same value, where they are.
        ledger: Opens the rows, to show what moved before and after; None: nothing is opened.

    Raises:
        NotFound: No such deployment or variant.
    """
    held = state.deployments.get(deployment)
    spec = load_deployment(held.text)
    chosen = variant or spec.default
    records = [record for record in state.windows.of(deployment) if record.variant == chosen]
    if not records and held.pin(chosen) is None:
        known = ", ".join(pin.variant for pin in held.pins)
        raise NotFound(f"{deployment!r} has no variant {chosen!r}; it has {known}")
    windows = [msgspec.json.decode(record.window, type=Window) for record in records if record.monitor != "estimate"]
    picture, length = drift_picture(
        [window for window in windows if window.monitor in PICTURED],
        _features(held, chosen),
        state.marks.get(deployment, DATA) or 0,
    )
    cells, hidden = quietest_left_out(picture, SHOWN_FEATURES)
    metric, share = _metric(spec)
    points = (*_realised(windows), *_estimated(records, metric, spec))
    span = _span([*(cell.window for cell in cells), *(p.start for p in points)], length or _HOUR, now)
    opened = _open_loudest(spec, held, windows, ledger) if ledger is not None else ()
    places = {(one.monitor, one.drift.feature, one.start): f"#{one.id}" for one in opened}
    slot = held.slot(chosen)
    version = slot.model_version if slot is not None else ""
    newest = standing(windows, spec, version, now)
    return WatchSeen(
        deployment=deployment,
        variant=chosen,
        version=version,
        at=now,
        severity=_severity(newest),
        sentences=tuple(window.sentence for window in newest if window.sentence),
        length=length,
        cells=opening(cells, how or (lambda shown: places.get(shown, ""))),
        hidden=hidden,
        metric=metric,
        share=share,
        performance=tuple(sorted(points, key=lambda point: (point.start, point.line))),
        moments=moments_of(state.alerts.of(deployment), state.audit.of(deployment), span),
        span=span,
        opened=opened,
    )


def open_cell(state: State, deployment: str, variant: str, shown: Shown, ledger: Ledger) -> Opened:
    """One column in one window, with what it was before and after. Raises NotFound."""
    monitor, column, start = shown
    held = state.deployments.get(deployment)
    records = state.windows.of(deployment, monitor=monitor, since=start)
    mine = [record for record in records if record.start == start and record.variant == variant]
    windows = [msgspec.json.decode(record.window, type=Window) for record in mine]
    for window in reversed(windows):
        drift = next((drift for drift in window.features if drift.feature == column), None)
        if drift is not None:
            return _opened(load_deployment(held.text), held, window, drift, ledger, "cell")
    raise NotFound(f"{deployment!r} has no window of {monitor} at {start} with a column {column!r}")


def moments_of(alerts: Sequence[Alert], audit: Sequence[AuditEntry], span: tuple[int, int]) -> tuple[Moment, ...]:
    """Alerts, and what became of releases, within a time, in order."""
    found = [
        Moment(alert.at, "alerts", alert.event, _tone(alert), alert.sentence)
        for alert in alerts
        if span[0] <= alert.at <= span[1]
    ]
    found += [
        Moment(entry.at, "releases", entry.action, STEPS[entry.action], entry.sentence)
        for entry in audit
        if entry.action in STEPS and span[0] <= entry.at <= span[1]
    ]
    return tuple(sorted(found, key=lambda moment: moment.at))


def _tone(alert: Alert) -> str:
    condition = condition_of(alert)
    return "good" if condition is not None and condition.is_over else _TONES[alert.severity]


def _features(held: DeploymentState, variant: str) -> list[str]:
    slot = held.slot(variant)
    return [feature.name for feature in slot.signature.features] if slot is not None else []


def _metric(spec: Deployment) -> tuple[str, bool]:
    monitor = spec.monitors.performance
    if monitor is None:
        return "", False
    return monitor.metric, spec.metrics[monitor.metric].kind in SHARES


def _realised(windows: Sequence[Window]) -> list[PerformancePoint]:
    return [
        PerformancePoint(w.start, w.end, "realised", p.value, p.lower, p.upper, p.baseline, w.version, p.labels)
        for w in windows
        if (p := w.performance) is not None
    ]


def _estimated(records: Sequence[WindowRecord], metric: str, spec: Deployment) -> list[PerformancePoint]:
    """Estimates of the metric that is watched; where none is, of whatever is estimated."""
    kind = spec.metrics[metric].kind if metric else ""
    found = []
    for record in records:
        if record.monitor == "estimate":
            window = msgspec.json.decode(record.window, type=_EstimateWindow)
            e = window.estimated
            if e is not None and kind in ("", e.metric):
                where = (window.start, window.end)
                found.append(
                    PerformancePoint(*where, "estimated", e.value, e.lower, e.upper, e.baseline, window.version, e.n)
                )
    return found


def _span(starts: Sequence[int], step: int, now: int) -> tuple[int, int]:
    """From the first thing that is drawn to the end of the window under way; a day where nothing is."""
    end = -(-now // step) * step
    return min(starts, default=end - _DAY), end


def _severity(newest: Sequence[Window]) -> str:
    measured = [window for window in newest if window.state == "measured"]
    if not measured:
        return "no-data"
    return worst(severity for w in measured for severity in (w.drift.severity, w.quality.severity))


def _open_loudest(
    spec: Deployment, held: DeploymentState, windows: Sequence[Window], ledger: Ledger
) -> tuple[Opened, ...]:
    """The cells that moved, strong ones first, then the newest."""
    moved = [
        (window, drift)
        for window in windows
        if window.monitor in PICTURED
        for drift in window.features
        if worst((drift.severity, drift.quality)) != "none"
    ]
    moved.sort(key=lambda one: ("major" not in (one[1].severity, one[1].quality), -one[0].start))
    return tuple(
        _opened(spec, held, window, drift, ledger, f"cell-{number}")
        for number, (window, drift) in enumerate(moved[:MOST_OPENED])
    )


def _opened(
    spec: Deployment, held: DeploymentState, window: Window, drift: FeatureDrift, ledger: Ledger, place: str
) -> Opened:
    parts: tuple[Part, ...] = ()
    values: tuple[tuple[float, float], ...] = ()
    gap = ""
    try:
        profile = _profile(held, window)
        with ledger() as source:
            parts = before_and_after(spec, window, drift.feature, profile, source)
            values = quantiles(spec, window, drift.feature, profile, source)
    except SeatrialError as error:
        gap = f"{str(error)[:1].upper()}{str(error)[1:].rstrip('.')}."
    return Opened(
        id=place,
        monitor=window.monitor,
        version=window.version,
        start=window.start,
        end=window.end,
        drift=drift,
        parts=parts,
        quantiles=values,
        gap=gap,
    )


def _profile(held: DeploymentState, window: Window) -> Profile:
    pins = [pin.slot for pin in held.pins if pin.slot is not None]
    slots = [slot for slot in pins if slot.variant == window.variant and window.version in ("", slot.model_version)]
    found = profiles_of(slots).get(window.variant)
    if found is None:
        raise NotFound(f"{window.version or window.variant} is not loaded any more, or has no reference profile")
    return found
