"""Monitors on schedule: windows that have become complete are read once, kept, and told when they deserve it."""

from collections.abc import Sequence
from functools import partial

import msgspec

from seatrial.control.senses import Senses
from seatrial.control.site import Site
from seatrial.releases.records import DeploymentState, WindowRecord
from seatrial.spec.deployment import Deployment
from seatrial.watch.alerts import alerts_of, open_conditions, windows_back
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.panes import DAY
from seatrial.watch.window import Window


def mark_name(monitor: str) -> str:
    """What the state calls how far a monitor has read."""
    return f"windows of {monitor}"


DATA = mark_name("data")
MONITORS = Watermark.__struct_fields__


def read_windows(site: Site, senses: Senses, spec: Deployment, state: DeploymentState, now: int) -> tuple[Window, ...]:
    """Read what has become complete since the marks, keep it, and move the marks."""
    since = _since(site, spec, state)
    until = since.after(watermark(spec, now))
    if until == since:
        return ()
    told = site.state.alerts.of(spec.deployment)
    windows = senses.watch(spec, state, since, now, frozenset(open_conditions(told)))
    # Alerts first: their keys make a repeat harmless, and once the marks have moved nobody looks again.
    before, calm = _before(site, spec, windows), partial(_is_calm_day, site)
    for alert in alerts_of(windows, told, now, after=spec.alerting.after, before=before, calm_day=calm):
        site.state.alerts.add(alert)
    site.state.windows.add(
        [_record(window) for window in windows],
        deployment=spec.deployment,
        marks={mark_name(monitor): getattr(until, monitor) for monitor in MONITORS},
    )
    return windows


def _before(site: Site, spec: Deployment, windows: Sequence[Window]) -> tuple[Window, ...]:
    """The windows before the new ones that `after` looks back at; none are read where nothing does."""
    back = windows_back(spec.alerting.after)
    found: list[Window] = []
    for monitor in sorted({window.monitor for window in windows}) if back else ():
        first = next(window for window in windows if window.monitor == monitor)
        since = first.start - back * (first.end - first.start)
        records = site.state.windows.of(spec.deployment, monitor=monitor, since=since)
        found += [msgspec.json.decode(record.window, type=Window) for record in records if record.start < first.start]
    return tuple(sorted(found, key=lambda window: window.start))


def _is_calm_day(site: Site, window: Window) -> bool:
    """Whether the kept windows of the day before a window showed nothing; not where there is less than a day."""
    records = site.state.windows.of(window.deployment, monitor=window.monitor, since=window.end - DAY)
    mine = [r for r in records if r.variant == window.variant and r.start < window.start]
    return any(r.start < window.end - DAY // 2 for r in mine) and all(r.severity in ("none", "no-data") for r in mine)


def _since(site: Site, spec: Deployment, state: DeploymentState) -> Watermark:
    """The marks; before a monitor's first, what lies before the file was applied is not looked at."""
    first = watermark(spec, state.applied_at)
    kept = {monitor: site.state.marks.get(spec.deployment, mark_name(monitor)) for monitor in MONITORS}
    return Watermark(**{monitor: mark or getattr(first, monitor) for monitor, mark in kept.items()})


def _record(window: Window) -> WindowRecord:
    return WindowRecord(
        deployment=window.deployment,
        monitor=window.monitor,
        variant=window.variant,
        version=window.version or window.variant,
        start=window.start,
        end=window.end,
        severity=window.severity,
        window=msgspec.json.encode(window).decode(),
    )
