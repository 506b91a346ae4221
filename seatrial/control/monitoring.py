"""Monitors on schedule: windows that have become complete are read once, kept, and told when they deserve it."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from seatrial.control.senses import Senses
from seatrial.control.site import Site
from seatrial.releases.records import Alert, DeploymentState, WindowRecord
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import SeatrialError
from seatrial.watch.alerts import alerts_of, event_alert, open_conditions
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.ending import DAY, MOST_WINDOWS
from seatrial.watch.leaving import leaving
from seatrial.watch.past import windows_back
from seatrial.watch.window import Window

FAILURE = "failure.watch"
FIRST_PAUSE, LONGEST_PAUSE = 2_000_000, 300_000_000
"""Microseconds for which a deployment's monitors are left alone after a failure: doubling from the first."""
WEEK = 7 * DAY
_FAR_BACK = 28 * DAY
"""How long ago windows may lie that say whether something is over, or windows by rows that `after` looks back at."""
HOUR = 3_600_000_000
SLACK = 60_000_000
"""Microseconds by which a mark may lie ahead: clocks are set back by a little, and that heals by itself."""
PATIENCE = 60_000_000
"""Microseconds after which monitors that go on failing are told: people rely on them."""

log = logging.getLogger("seatrial.control")


class _Failing(NamedTuple):
    """Since when monitors fail, until when they are left alone, and how often they were tried."""

    since: int
    until: int
    times: int


def mark_name(monitor: str) -> str:
    """What the state calls how far a monitor has read."""
    return f"windows of {monitor}"


DATA = mark_name("data")
MONITORS = Watermark.__struct_fields__


class Monitoring:
    """Reads the monitors of one machine's deployments. One that fails holds up no other, and nothing else.

    What fails is tried again after growing pauses, from where it had read, and is told when it goes on.

    Args:
        site: What is kept, and where.
        senses: What is seen.
    """

    def __init__(self, site: Site, senses: Senses) -> None:
        self._site = site
        self._senses = senses
        self._failing: dict[str, _Failing] = {}
        self._watched: dict[str, tuple[Deployment, Mapping[str, str]]] = {}

    def look(self, spec: Deployment, state: DeploymentState, now: int) -> None:
        """End what is not watched any more, and read what has become complete, unless it failed a moment ago."""
        self._let_go(spec, state, now)
        before = self._failing.get(spec.deployment)
        if before is not None and now < before.until <= now + LONGEST_PAUSE:  # further away the clock was wrong
            return
        failures = read_windows(self._site, self._senses, spec, state, now)
        if not failures:
            self._failing.pop(spec.deployment, None)
            return
        since, times = (now, 0) if before is None else (before.since, before.times)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(times, 20))
        self._failing[spec.deployment] = _Failing(since, now + pause, times + 1)
        if now - since >= PATIENCE:
            for monitor, error in failures.items():
                self._site.state.alerts.add(_failure(spec.deployment, monitor, error, now))

    def _let_go(self, spec: Deployment, state: DeploymentState, now: int) -> None:
        """End what is of a version, variant or monitor that is gone; looked at when these change."""
        versions = {pin.variant: pin.slot.model_version for pin in state.pins if pin.slot is not None}
        if self._watched.get(spec.deployment) == (spec, versions):
            return
        for alert in leaving(spec, versions, self._site.state.alerts.of(spec.deployment), now):
            self._site.state.alerts.add(alert)
        self._watched[spec.deployment] = (spec, versions)


def read_windows(
    site: Site, senses: Senses, spec: Deployment, state: DeploymentState, now: int
) -> Mapping[str, Exception]:
    """Read what has become complete since the marks, keep it, and move the marks; what went wrong, by monitor.

    All monitors are read at once; when that fails each is read by itself, so that the ones that can be read are. The
    mark of one that failed stays where it was.
    """
    since = _since(site, spec, state, now)
    until = since.after(watermark(spec, now))
    if until == since:
        return {}
    try:
        _read(site, senses, spec, state, since, until, now)
    except Exception:  # noqa: BLE001 - whatever a monitor stumbles over, the others do not
        return _one_by_one(site, senses, spec, state, since, until, now)
    return {}


def _one_by_one(
    site: Site,
    senses: Senses,
    spec: Deployment,
    state: DeploymentState,
    since: Watermark,
    until: Watermark,
    now: int,
) -> Mapping[str, Exception]:
    failures: dict[str, Exception] = {}
    for monitor in MONITORS:
        if getattr(since, monitor) == getattr(until, monitor):
            continue
        alone = msgspec.structs.replace(until, **{monitor: getattr(since, monitor)})
        try:
            _read(site, senses, spec, state, alone, until, now)
        except Exception as error:
            log.error(_cannot(spec.deployment, monitor, error), exc_info=not isinstance(error, SeatrialError))
            failures[monitor] = error
    return failures


def _read(
    site: Site,
    senses: Senses,
    spec: Deployment,
    state: DeploymentState,
    since: Watermark,
    until: Watermark,
    now: int,
) -> None:
    """Read the monitors whose marks lie before ``until``."""
    told = site.state.alerts.of(spec.deployment)
    windows = senses.watch(spec, state, since, now, frozenset(open_conditions(told)))
    # Alerts first: their keys make a repeat harmless, and once the marks have moved nobody looks again.
    before = before_of(site, spec, windows)
    for alert in alerts_of(windows, told, now, after=spec.alerting.after, before=before, earlier=Read(site)):
        site.state.alerts.add(alert)
    site.state.windows.add(
        [_record(window) for window in windows],
        deployment=spec.deployment,
        marks={
            mark_name(monitor): getattr(until, monitor)
            for monitor in MONITORS
            if getattr(since, monitor) < getattr(until, monitor)
        },
    )


def _failure(deployment: str, monitor: str, error: Exception, now: int) -> Alert:
    """An alert a day for each monitor and kind of trouble."""
    key = f"{FAILURE}/{monitor}/{type(error).__name__}/{now // DAY}"
    return event_alert(deployment, FAILURE, key, _cannot(deployment, monitor, error), now)


def _cannot(deployment: str, monitor: str, error: Exception) -> str:
    what = str(error) if isinstance(error, SeatrialError) else f"{type(error).__name__}: {error}"
    return f"The monitor `{monitor}` of {deployment} cannot be read, so that nobody is watched by it: {what}"


def before_of(site: Site, spec: Deployment, windows: Sequence[Window]) -> tuple[Window, ...]:
    """The windows before the new ones that `after` looks back at; none are read where nothing does.

    Windows by rows are of unequal length, and of one variant they may be shorter than of another: of each variant and
    version its own are looked back at.
    """
    back = windows_back(spec.alerting.after)
    firsts: dict[tuple[str, str, str], Window] = {}
    for window in windows if back else ():
        firsts.setdefault((window.monitor, window.variant, window.version), window)
    found: list[Window] = []
    for first in firsts.values():
        far = _FAR_BACK if first.counted else back * first.step + (first.end - first.start)
        found += _kept(site, first, since=first.end - far, most=back)
    return tuple(sorted(found, key=lambda window: window.start))


def _kept(site: Site, window: Window, *, since: int, most: int) -> list[Window]:
    """Windows of the same monitor, variant and version before one, in order of time."""
    records = site.state.windows.last(
        window.deployment,
        monitor=window.monitor,
        variant=window.variant,
        version=window.version or window.variant,
        since=since,
        before=window.start,
        most=most,
    )
    return [msgspec.json.decode(record.window, type=Window) for record in records]


class Read:
    """Windows that were read before, as ``watch.ending`` asks for them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: dict[tuple[str, str, str, int], list[Window]] = {}

    def windows(self, window: Window) -> Sequence[Window]:
        mine = (window.monitor, window.variant, window.version, window.start)
        if mine not in self._kept:
            self._kept[mine] = _kept(self._site, window, since=window.start - _FAR_BACK, most=MOST_WINDOWS)
        return self._kept[mine]

    def is_calm_day(self, window: Window) -> bool:
        """A window of a day or longer is one by itself."""
        return window.end - window.start >= DAY or self._is_at_rest(window, DAY, DAY // 2)

    def is_silent(self, window: Window) -> bool:
        return self._is_at_rest(window, WEEK, WEEK - DAY)

    def _is_at_rest(self, window: Window, length: int, least: int) -> bool:
        """Whether nothing showed in so long a time, and windows reach back so far of it."""
        oldest = self._site.state.windows.at_rest(
            window.deployment,
            monitor=window.monitor,
            variant=window.variant,
            since=window.end - length,
            before=window.start,
        )
        return oldest is not None and oldest < window.end - least


def _since(site: Site, spec: Deployment, state: DeploymentState, now: int) -> Watermark:
    """The marks; before a monitor's first, what lies before the file was applied is not looked at.

    A mark that lies ahead was made by a clock that was wrong: it is pulled back to what can be read now, which that
    reading had read, and told.
    """
    first, last = watermark(spec, min(state.applied_at, now)), watermark(spec, now)
    kept = {monitor: site.state.marks.get(spec.deployment, mark_name(monitor)) for monitor in MONITORS}
    ahead = {monitor: mark for monitor, mark in kept.items() if mark is not None and mark > now + SLACK}
    if ahead:
        site.state.alerts.add(_ahead(spec.deployment, ahead, now))
        for monitor in ahead:
            site.state.marks.put(spec.deployment, mark_name(monitor), getattr(last, monitor))
            kept[monitor] = getattr(last, monitor)
    return Watermark(**{monitor: mark or getattr(first, monitor) for monitor, mark in kept.items()})


def _ahead(deployment: str, ahead: Mapping[str, int], now: int) -> Alert:
    """An alert of marks that a wrong clock made, once an hour."""
    until = datetime.fromtimestamp(max(ahead.values()) / 1e6, UTC)
    several = len(ahead) > 1
    sentence = (
        f"The monitor{'s' * several} {', '.join(f'`{monitor}`' for monitor in ahead)} of {deployment} had read up to "
        f"{until:%Y-%m-%d %H:%M:%SZ}, which lies ahead: this machine's clock was wrong, or is. "
        f"{'They read' if several else 'It reads'} on from now; set the clock by a time service."
    )
    return event_alert(deployment, "failure", f"failure/marks ahead/{now // HOUR}", sentence, now)


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
