"""What was watched of a deployment's variant over a time, as one frozen value: for the page, the file and JSON."""

import msgspec

from seatrial.drift import FeatureDrift
from seatrial.reports.points import DriftCell, Moment, PerformancePoint
from seatrial.watch.tables import Part


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """One column in one window, opened.

    Attributes:
        id: Where it stands in a page, without ``#``.
        monitor: ``data`` or ``prediction``.
        start, end: Of the window, microseconds since 1970 UTC.
        drift: Its measures with their intervals.
        parts: The share of rows in each cell, before and after.
        quantiles: Of a column of numbers, exact, from the window's rows: the share of them below, and the value.
        gap: Why there are none, or "".
    """

    id: str
    monitor: str
    version: str
    start: int
    end: int
    drift: FeatureDrift
    parts: tuple[Part, ...] = ()
    quantiles: tuple[tuple[float, float], ...] = ()
    gap: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said beside the picture."""
        values = ", ".join(f"{100 * level:g} % {value:.4g}" for level, value in self.quantiles)
        said = f"Values of the window at or below which these shares of its rows lie: {values}." if values else ""
        return tuple(filter(None, (self.drift.sentence, said, self.gap)))


class WatchSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What monitors saw of one variant.

    Attributes:
        at: When this was put together, microseconds since 1970 UTC.
        version: ``name:version`` in the variant's slot, or "".
        severity: The worst of the newest windows that count (``watch.standing``), or ``no-data``.
        sentences: What those say.
        length: Time from one window of data to the next; None: there is none, or windows are by rows.
        cells: Column × window.
        hidden: Columns that moved less and were left out.
        metric: Of the performance monitor; "" without one.
        share: It is a share.
        performance: Realised and estimated, in order of time.
        moments: Alerts, and what became of releases, in order of time.
        span: The time that all of it is about.
        opened: The cells that moved, opened.
    """

    deployment: str
    variant: str
    version: str
    at: int
    severity: str
    sentences: tuple[str, ...]
    length: int | None
    cells: tuple[DriftCell, ...]
    hidden: int
    metric: str
    share: bool
    performance: tuple[PerformancePoint, ...]
    moments: tuple[Moment, ...]
    span: tuple[int, int]
    opened: tuple[Opened, ...] = ()
