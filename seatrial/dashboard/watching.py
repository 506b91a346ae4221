"""The watch on a page: a heatmap of feature × window, and performance on labels as they mature."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from seatrial.control.monitoring import DATA
from seatrial.dashboard.formats import moment, span, tone
from seatrial.dashboard.house import House
from seatrial.drift import worst
from seatrial.drift.decide import FeatureDrift
from seatrial.releases.records import WindowRecord
from seatrial.reports import charts
from seatrial.reports.points import DriftCell
from seatrial.spec.deployment import Deployment, Monitors
from seatrial.spec.read import load_deployment
from seatrial.watch.clock import maturity
from seatrial.watch.window import Window

SHOWN_WINDOWS = 48
SHOWN_FEATURES = 40
SHOWN_PERFORMANCE = 8
_ROW_HEIGHT = 13
_PREDICTION = "prediction: "
_IN_PICTURE = frozenset({"data", "prediction"})
_STATISTIC = "mean shift in sd"


def watch(house: House, name: str, _range: str) -> dict[str, Any]:
    """What the monitors of the variant in command say."""
    snapshot = house.snapshot(name)
    assert snapshot is not None
    spec = _spec(house, name)
    windows = [decode_window(record) for record in house.state.windows.of(name)]
    command = [w for w in windows if w.variant == snapshot.default]
    features = [feature.name for feature in snapshot.slot(snapshot.default).signature.features]
    seen = [w for w in command if w.monitor in _IN_PICTURE]
    picture, length = drift_picture(seen, features, house.state.marks.get(name, DATA) or 0)
    cells, hidden = quietest_left_out(picture, SHOWN_FEATURES)
    performance = [w for w in command if w.monitor == "performance"][-SHOWN_PERFORMANCE:]
    newest = _newest(command)
    word = _word(newest, spec, measured_before=bool(cells))
    return {
        "badge": word,
        "tone": tone(word),
        "sentences": [w.sentence for w in newest if w.sentence and w.monitor != "performance"],
        "drawing": charts.drift_heatmap(cells, length=length, row_height=_ROW_HEIGHT) if cells else None,
        "height": 80 + _ROW_HEIGHT * len({c.feature for c in cells}),
        "hidden": hidden,
        "performance": [
            {"window": moment(w.start), "version": w.version, "tone": tone(w.severity), "sentence": w.sentence}
            for w in reversed(performance)
        ],
        "waiting": "" if performance or spec is None else _first_performance(spec),
    }


def _spec(house: House, name: str) -> Deployment | None:
    """The file as it was last applied; None where only a publication is there."""
    state = house.state.deployments.find(name)
    return load_deployment(state.text) if state is not None and state.text else None


def _word(newest: Sequence[Window], spec: Deployment | None, *, measured_before: bool) -> str:
    """What the newest windows come to: a severity, ``no drift`` where it was looked for, or why nothing is known."""
    severity = worst(severity for w in newest for severity in (w.drift.severity, w.quality.severity))
    if severity != "none":
        return severity
    if any(w.state == "measured" and w.monitor in _IN_PICTURE for w in newest):
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
    return (
        f"No data yet: {monitor.metric} is read in windows of {span(round(monitor.window * 1e6))}, "
        f"each {ripe} after its end, when its labels have matured."
    )


def decode_window(record: WindowRecord) -> Window:
    """The window that a record of the state holds."""
    return msgspec.json.decode(record.window, type=Window)


def drift_picture(
    windows: Sequence[Window], features: Sequence[str], read_until: int
) -> tuple[tuple[DriftCell, ...], int | None]:
    """A cell per column and window of the latest time, without a gap: where nothing was measured it says ``no-data``.

    Args:
        windows: Of data and predictions, in order of time.
        features: In the order of rows; the prediction's columns stand below them.
        read_until: The monitor has read up to here, microseconds; what it found no rows in is no window.

    Returns:
        The cells row by row, and the length of a window; no cells while nothing was measured.
    """
    if not windows:
        return (), None
    newest = windows[-1]
    length = newest.end - newest.start
    pause = min(max(read_until - newest.end, 0) // length, SHOWN_WINDOWS // 2)
    end = newest.end + pause * length
    starts = range(end - SHOWN_WINDOWS * length, end, length)
    shown = [w for w in windows if w.start in starts and w.end - w.start == length]
    cells = {(cell.feature, cell.window): cell for cell in drift_cells(shown)}
    rows = sorted({feature for feature, _ in cells}, key=lambda row: _place(row, features))
    first = min((start for _, start in cells), default=end)
    gap = ("no-data", 0.0, _STATISTIC, "Not measured in this window.")
    filled = (cells.get((row, at), DriftCell(at, row, *gap)) for row in rows for at in starts if at >= first)
    return tuple(filled), length


def drift_cells(windows: Iterable[Window]) -> tuple[DriftCell, ...]:
    """One cell per column and window."""
    return tuple(_cell(window, column) for window in windows for column in window.features)


def _place(row: str, features: Sequence[str]) -> tuple[bool, int, str]:
    """Features in their own order, then others, then the prediction."""
    return row.startswith(_PREDICTION), features.index(row) if row in features else len(features), row


def quietest_left_out(cells: Sequence[DriftCell], most: int) -> tuple[tuple[DriftCell, ...], int]:
    """The cells of the ``most`` features that moved most, and how many features were left out."""
    loudest: dict[str, float] = {}
    for cell in cells:
        loudness = abs(cell.shift) + {"moderate": 100.0, "major": 1000.0}.get(cell.severity, 0.0)
        loudest[cell.feature] = max(loudest.get(cell.feature, 0.0), loudness)
    kept = set(sorted(loudest, key=lambda name: -loudest[name])[:most])
    return tuple(cell for cell in cells if cell.feature in kept), len(loudest) - len(kept)


def _cell(window: Window, column: FeatureDrift) -> DriftCell:
    severity = "no-data" if column.state == "no-data" else worst((column.severity, column.quality))
    shift = window.shifts.get(column.feature) or 0.0
    row = f"{_PREDICTION}{column.feature}" if window.monitor == "prediction" else column.feature
    return DriftCell(window.start, row, severity, shift, _STATISTIC, column.sentence)


def _newest(windows: Sequence[Window]) -> list[Window]:
    """The newest window of each monitor."""
    newest = {w.monitor: w for w in windows}
    return list(newest.values())
