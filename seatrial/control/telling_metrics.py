"""Counts of alerts and messages, in a counter file beside the workers', for Prometheus."""

import threading
from pathlib import Path

from seatrial.ledger import layout
from seatrial.ledger.counters import SUFFIX, CounterFile, series
from seatrial.releases.records import Alert

ALERTS, NOTICES, WAITING = "alerts_total", "notices_total", "notices_waiting"


class TellingMetrics:
    """The control process's counters; the file is made when there is something to count.

    Args:
        home: Home directory of the machine.
    """

    def __init__(self, home: Path) -> None:
        self._path = layout.counters(home) / f"control{SUFFIX}"
        self._file: CounterFile | None = None
        self._writing = threading.Lock()

    def decided(self, alert: Alert, fate: str) -> None:
        """An alert has its fate."""
        self._add(series(ALERTS, deployment=alert.deployment, event=alert.event, fate=fate))

    def tried(self, deployment: str, kind: str, result: str) -> None:
        """A message was ``sent``, or the try ``failed``, or it was ``given-up``."""
        self._add(series(NOTICES, deployment=deployment, kind=kind, result=result))

    def waiting(self, messages: int) -> None:
        """How many messages wait to be taken."""
        if self._file is not None or messages:
            with self._writing:
                file = self._opened()
                file.put(file.slot(WAITING), messages)

    def _add(self, name: str) -> None:
        with self._writing:
            file = self._opened()
            file.add(file.slot(name))

    def _opened(self) -> CounterFile:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = CounterFile(self._path)
        return self._file
