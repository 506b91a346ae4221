"""Batches of one variant, counted: how many rows the model was asked for at once, and how long they waited.

Threads count them, so unlike the counters of the event loop these take a lock; once a batch, not once a request.
"""

import threading
from collections.abc import Mapping

from seatrial.ledger.counters import LATENCY_BOUNDS_US, Histogram
from seatrial.serving.recording import Recorder

ROWS = "batch_rows"
WAIT = "batch_wait_us"
ROW_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_counting = threading.Lock()


class BatchCounts:
    """The histograms of one variant; they are there once the model has run in a thread.

    Args:
        labels: Deployment and variant.
    """

    def __init__(self, recorder: Recorder, labels: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._labels = labels
        self._rows: Histogram | None = None
        self._wait: Histogram | None = None

    def ran(self, rows: int) -> None:
        """The model was asked for so many rows at once."""
        with _counting:
            if self._rows is None:
                self._rows = Histogram(self._recorder.counters, ROWS, self._labels, ROW_BOUNDS)
            self._rows.observe(rows)

    def waited(self, nanoseconds: int) -> None:
        """The oldest call of a batch waited so long for its start."""
        with _counting:
            if self._wait is None:
                self._wait = Histogram(self._recorder.counters, WAIT, self._labels, LATENCY_BOUNDS_US)
            self._wait.observe(nanoseconds // 1000)
