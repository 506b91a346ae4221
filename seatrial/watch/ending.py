"""Whether a window can say that a condition is over: it must have been able to see it.

What was shown of a column is over when the measures by which it showed are clearly below their thresholds
(``drift.over``), by all windows since it was last shown together: a window with few rows finds nothing whatever is
there, and many of them do not. Windows count as far back as 28 days, and at most 200 of them. What nobody could tell
for a week in which nothing showed (a column that is not logged any more, say) is not told any longer.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from seatrial.drift import FeatureDrift
from seatrial.drift.decide import DRIFT, QUALITY
from seatrial.drift.over import Evidence, Measures, is_over_in
from seatrial.watch.quality import ARRIVAL
from seatrial.watch.signals import of_columns, signals_of
from seatrial.watch.window import Window

MOST_WINDOWS = 200
"""So many windows are looked back at, at most."""

DAY = 86_400_000_000

ShownBy = Mapping[str, tuple[str, ...]]
"""Columns of a condition, each with the measures by which it showed; none of them: by whichever there are."""


class Earlier(Protocol):
    """Windows that were read before."""

    def windows(self, window: Window) -> Sequence[Window]:
        """Those of its monitor, variant and version before a window, in order of time: the last 200 of 28 days."""
        ...

    def is_calm_day(self, window: Window) -> bool:
        """Whether all of a day that ends with a window showed nothing; False where there was less than a day."""
        ...

    def is_silent(self, window: Window) -> bool:
        """Likewise of a week."""
        ...


class Nothing:
    """No window was read before."""

    def windows(self, _: Window) -> Sequence[Window]:
        return ()

    def is_calm_day(self, _: Window) -> bool:
        return False

    def is_silent(self, _: Window) -> bool:
        return False


def shown_by(features: Iterable[FeatureDrift], kind: str) -> dict[str, tuple[str, ...]]:
    """Columns that make up a condition of a kind, each with its measures that are over their thresholds."""
    is_quality = kind.startswith("quality")
    return {
        drift.feature: tuple(
            dict.fromkeys(f.measure for f in drift.findings if f.severity != "none" and f.measure in _measures_of(kind))
        )
        for drift in features
        if (drift.quality if is_quality else drift.severity) != "none"
    }


def _measures_of(kind: str) -> frozenset[str]:
    return QUALITY if kind.startswith("quality") else DRIFT


def could_tell(kind: str, window: Window, shown: ShownBy, past: Iterable[Window]) -> bool:
    """Whether a window in which nothing is significant can say that a condition is over.

    Args:
        kind: What it is a condition of.
        window: Which.
        shown: What is open.
        past: Windows before it, the newest first; read as far as they showed nothing.
    """
    if kind not in of_columns(window):
        return window.state == "measured" or set(shown) <= set(window.checked)
    if ARRIVAL in shown and ARRIVAL not in window.checked:
        return False
    if not set(shown) - {ARRIVAL}:
        return window.state == "measured" or bool(shown)
    found = [_evidence(one, kind) for one in _at_rest(kind, window, past)]
    return all(
        is_over_in(found, column, measures or _measured(found, column, kind))
        for column, measures in shown.items()
        if column != ARRIVAL
    )


def _at_rest(kind: str, window: Window, past: Iterable[Window]) -> list[Window]:
    """A window and those before it since a condition was last shown; of windows that slide, no row counts twice."""
    found = [window]
    for other in past:
        signal = dict(signals_of(other)).get(kind)
        if signal is not None and not signal.calm:
            break
        if other.end <= found[-1].start:
            found.append(other)
    return found


def _evidence(window: Window, kind: str) -> Evidence:
    """What a window measured; a broken column says nothing of drift."""
    is_drift = not kind.startswith("quality")
    columns = {
        drift.feature: Measures(drift.rows, drift.findings)
        for drift in window.features
        if drift.state == "measured" and not (is_drift and drift.quality != "none")
    }
    return Evidence(columns, window.counts)


def _measured(found: Sequence[Evidence], column: str, kind: str) -> tuple[str, ...]:
    """Measures of a column that is open and did not keep by which it showed; ``rule`` where there are none."""
    measures = (f.measure for one in found if column in one.columns for f in one.columns[column].findings)
    return tuple(dict.fromkeys(measure for measure in measures if measure in _measures_of(kind))) or ("rule",)
