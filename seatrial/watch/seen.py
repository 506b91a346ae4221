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
        gap: Why there are none, or "".
    """

    id: str
    monitor: str
    version: str
    start: int
    end: int
    drift: FeatureDrift
    parts: tuple[Part, ...] = ()
    gap: str = ""


class WatchSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What monitors saw of one variant.

    Attributes:
        at: When this was put together, microseconds since 1970 UTC.
        version: ``name:version`` in the variant's slot, or "".
        severity: The worst of the newest windows, or ``no-data``.
        sentences: What the newest window of each monitor says.
        length: Of a window of data; None: there is none.
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
