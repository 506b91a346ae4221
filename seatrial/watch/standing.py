"""Which windows still say something of now: of a monitor that the file has, of the version in the slot, and recent."""

from collections.abc import Iterable

from seatrial.spec.deployment import Deployment
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.window import Window

WINDOWS_OLD = 2
"""A window counts until so many of its length have passed since the newest that could have been read ended."""

LEAST_BY_ROWS = 86_400_000_000
"""Microseconds that a window by rows is taken to be long at least: a thousand rows of a busy minute outlast a night."""


def standing(windows: Iterable[Window], deployment: Deployment, version: str, now: int) -> list[Window]:
    """The newest window of each monitor, of those that count.

    Args:
        windows: Of one variant, in order of time.
        deployment: The file as it was last applied.
        version: ``name:version`` in the variant's slot; "" where it has none.
        now: Microseconds since 1970 UTC.
    """
    marks = watermark(deployment, now)
    of_slot = {window.monitor: window for window in windows if not version or window.version in ("", version)}
    return [window for window in of_slot.values() if _is_recent(window, marks)]


def _is_recent(window: Window, marks: Watermark) -> bool:
    """A monitor that the file does not have reads nowhere, so that its mark is 0."""
    mark: int = getattr(marks, "data" if window.monitor == "prediction" else window.monitor)
    length = window.end - window.start
    if window.counted:
        length = max(length, LEAST_BY_ROWS)
    return mark > 0 and mark - window.end <= WINDOWS_OLD * length
