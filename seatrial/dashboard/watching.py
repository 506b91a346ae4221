"""The watch on a page: a heatmap of feature × window, and performance on labels as they mature."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from seatrial.dashboard.formats import moment, tone
from seatrial.dashboard.house import House
from seatrial.drift import worst
from seatrial.drift.decide import FeatureDrift
from seatrial.releases.records import WindowRecord
from seatrial.reports import charts
from seatrial.reports.points import DriftCell
from seatrial.watch.window import Window

SHOWN_WINDOWS = 48
SHOWN_FEATURES = 40
SHOWN_PERFORMANCE = 8
_ROW_HEIGHT = 13


def watch(house: House, name: str, _range: str) -> dict[str, Any]:
    """What the monitors of the variant in command say."""
    snapshot = house.snapshot(name)
    assert snapshot is not None
    windows = [decode_window(record) for record in house.state.windows.of(name)]
    command = [w for w in windows if w.variant == snapshot.default]
    seen = _latest([w for w in command if w.monitor != "performance"], SHOWN_WINDOWS)
    cells, hidden = quietest_left_out(drift_cells(seen), SHOWN_FEATURES)
    performance = [w for w in command if w.monitor == "performance"][-SHOWN_PERFORMANCE:]
    newest = _newest(command)
    severity = worst(severity for w in newest for severity in (w.drift.severity, w.quality.severity))
    return {
        "badge": severity if newest else "no window yet",
        "tone": tone(severity) or ("good" if newest else ""),
        "sentences": [w.sentence for w in newest if w.sentence],
        "drawing": charts.drift_heatmap(cells, row_height=_ROW_HEIGHT) if cells else None,
        "height": 80 + _ROW_HEIGHT * len({c.feature for c in cells}),
        "hidden": hidden,
        "performance": [
            {"window": moment(w.start), "version": w.version, "tone": tone(w.severity), "sentence": w.sentence}
            for w in reversed(performance)
        ],
    }


def decode_window(record: WindowRecord) -> Window:
    """The window that a record of the state holds."""
    return msgspec.json.decode(record.window, type=Window)


def drift_cells(windows: Iterable[Window]) -> tuple[DriftCell, ...]:
    """One cell per column and window."""
    return tuple(_cell(window, column) for window in windows for column in window.features)


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
    return DriftCell(window.start, column.feature, severity, shift, "mean shift in sd", column.sentence)


def _latest(windows: Sequence[Window], most: int) -> list[Window]:
    starts = set(sorted({w.start for w in windows})[-most:])
    return [w for w in windows if w.start in starts]


def _newest(windows: Sequence[Window]) -> list[Window]:
    """The newest window of each monitor."""
    newest = {w.monitor: w for w in windows}
    return list(newest.values())
