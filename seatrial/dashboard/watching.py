"""The watch on a page: a heatmap of column × window whose cells open, performance over time, alerts beside releases."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from seatrial.control.watched import PICTURED, open_cell, seen_of
from seatrial.dashboard.formats import moment, span, tone
from seatrial.dashboard.house import House
from seatrial.drift import worst
from seatrial.releases.records import WindowRecord
from seatrial.reports import charts
from seatrial.reports.before_after import before_after
from seatrial.reports.watch_charts import moments_over_time, performance_over_time
from seatrial.spec.deployment import Deployment, Monitors
from seatrial.spec.read import load_deployment
from seatrial.watch.clock import maturity
from seatrial.watch.pictures import Shown
from seatrial.watch.seen import Opened, WatchSeen
from seatrial.watch.seen_report import numbers
from seatrial.watch.standing import standing
from seatrial.watch.window import Window

SHOWN_PERFORMANCE = 8
SHOWN_LOUDEST = 8
_ROW_HEIGHT = 14
_TOLD = (*PICTURED, "performance")
"""Monitors whose windows say something in words here."""


def watch(house: House, name: str, _range: str) -> dict[str, Any]:
    """What the monitors of the variant in command say."""
    spec = _spec(house, name)
    if spec is None:  # only a publication is there: nobody watches
        return _NOTHING
    seen = watched(house, name)
    records = [record for record in house.state.windows.of(name) if record.variant == seen.variant]
    windows = [decode_window(record) for record in records if record.monitor in _TOLD]
    performance = [w for w in windows if w.monitor == "performance"][-SHOWN_PERFORMANCE:]
    newest = standing(windows, spec, seen.version, house.clock())
    word = _word(newest, spec, measured_before=bool(seen.cells))
    return {
        "badge": word,
        "tone": tone(word),
        "sentences": [w.sentence for w in newest if w.sentence and w.monitor in PICTURED],
        "drawing": charts.drift_heatmap(seen.cells, length=seen.length, row_height=_ROW_HEIGHT) if seen.cells else None,
        "height": 60 + _ROW_HEIGHT * len({c.feature for c in seen.cells}),
        "hidden": seen.hidden,
        "loudest": _loudest(seen),
        "lines": _lines(seen),
        "moments": moments_over_time(seen.moments, span=seen.span) if _happened(seen) else None,
        "performance": [
            {"window": moment(w.start), "version": w.version, "tone": tone(w.severity), "sentence": w.sentence}
            for w in reversed(performance)
        ],
        "waiting": "" if performance else _first_performance(spec),
    }


_NOTHING: dict[str, Any] = {
    "badge": "no data yet",
    "tone": "",
    "sentences": [],
    "drawing": None,
    "height": 0,
    "hidden": 0,
    "loudest": [],
    "lines": None,
    "moments": None,
    "performance": [],
    "waiting": "",
}


def watched(house: House, name: str, variant: str | None = None) -> WatchSeen:
    """What monitors saw; cells open at this server."""
    snapshot = house.snapshot(name)
    chosen = variant or (snapshot.default if snapshot is not None else None)
    return seen_of(house.state, name, house.clock(), variant=chosen, how=lambda shown: _address(name, chosen, shown))


def cell(house: House, name: str, variant: str, shown: Shown) -> Opened:
    """One cell, opened. Raises NotFound."""
    return open_cell(house.state, name, variant, shown, lambda: house.reader.open(name))


def cell_values(opened: Opened) -> dict[str, Any]:
    """An opened cell, for its template."""
    severity = worst((opened.drift.severity, opened.drift.quality))
    return {
        "column": opened.drift.feature,
        "version": opened.version,
        "window": f"{moment(opened.start)} to {moment(opened.end)}",
        "badge": severity,
        "tone": tone(severity),
        "sentences": list(opened.sentences),
        "drawing": before_after(opened.parts, title="share of rows, before and after") if opened.parts else None,
        "height": 90 + 22 * len(opened.parts),
        "numbers": numbers(opened),
    }


def _address(name: str, variant: str | None, shown: Shown) -> str:
    monitor, column, start = shown
    query = urlencode({"monitor": monitor, "variant": variant or "", "column": column, "start": start})
    return f"/deployments/{name}/cell?{query}"


def _loudest(seen: WatchSeen) -> list[dict[str, str]]:
    """The newest cell of each column that moved, as buttons for whoever uses no mouse."""
    newest = {cell.feature: cell for cell in seen.cells if cell.severity in ("moderate", "major")}
    moved = list(newest.values())
    moved.sort(key=lambda cell: (-cell.window, cell.severity != "major", -abs(cell.shift)))
    return [
        {"opens": cell.opens, "tone": tone(cell.severity), "says": f"{cell.feature} {moment(cell.window)[5:16]}"}
        for cell in moved[:SHOWN_LOUDEST]
    ]


def _happened(seen: WatchSeen) -> bool:
    """Whether there is more to tell than that a file was applied."""
    watched = seen.cells or seen.performance or any(moment.lane == "alerts" for moment in seen.moments)
    return bool(watched and seen.moments)


def _lines(seen: WatchSeen) -> Any:
    if not seen.performance:
        return None
    metric = seen.metric or "estimate"
    return performance_over_time(seen.performance, seen.moments, metric=metric, span=seen.span, share=seen.share)


def _spec(house: House, name: str) -> Deployment | None:
    """The file as it was last applied; None where only a publication is there."""
    state = house.state.deployments.find(name)
    return load_deployment(state.text) if state is not None and state.text else None


def _word(newest: Sequence[Window], spec: Deployment | None, *, measured_before: bool) -> str:
    """What windows that count come to: a severity, ``no drift`` where it was looked for, or why nothing is known."""
    severity = worst(severity for w in newest for severity in (w.drift.severity, w.quality.severity))
    if severity != "none":
        return severity
    if any(w.state == "measured" and w.monitor in PICTURED for w in newest):
        return "no drift"
    if spec is not None and spec.monitors == Monitors(data=None):
        return "not watched"
    return "no data lately" if measured_before else "no data yet"


def _first_performance(spec: Deployment) -> str:
    """What is said of a performance monitor before its first window; "" where the file has none."""
    monitor = spec.monitors.performance
    if monitor is None:
        return ""
    ripe = span(maturity(spec.metrics[monitor.metric]))
    windows = span(round(monitor.window * 1e6)) if monitor.rows is None else f"{monitor.rows} rows"
    return (
        f"No data yet: {monitor.metric} is read in windows of {windows}, "
        f"each {ripe} after its end, when its labels have matured."
    )


def decode_window(record: WindowRecord) -> Window:
    """The window that a record of the state holds."""
    return msgspec.json.decode(record.window, type=Window)
