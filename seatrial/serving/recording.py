"""What a worker writes down: rows and outcomes into the ledger, counts into its counter file."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from seatrial.ledger.counters import DROPPED, LOGGED, SERVED, CounterFile, series
from seatrial.ledger.log import PredictionLog, RowBuffer
from seatrial.ledger.outcomes import OutcomeLog
from seatrial.ledger.redaction import Redactor
from seatrial.ledger.rows import RowSchema
from seatrial.ledger.underway import Underway

DEFAULT_BYTES = 64 << 20


class Recorder:
    """One worker's ledger and counters.

    Args:
        home: Home directory of the machine.
        worker: This worker's name.
        clock: Microseconds since 1970 UTC.
        byte_limit: Most memory that rows waiting for the disk may take.
    """

    def __init__(
        self,
        home: Path,
        worker: str,
        *,
        clock: Callable[[], int],
        byte_limit: int = DEFAULT_BYTES,
        acknowledge: str = "disk",
    ) -> None:
        self.home = home
        self.directory = home / "counters"
        self.counters = CounterFile.create(self.directory / f"{worker}.counters")
        self.underway = Underway(home, worker)
        self._redactor: Redactor | None = None
        self._shared = threading.Lock()
        self.rows = PredictionLog(
            home,
            worker,
            clock=clock,
            byte_limit=byte_limit,
            on_logged=self._logged,
            on_dropped=self._dropped,
        )
        self.outcomes = OutcomeLog(home, worker, clock=clock, acknowledge=acknowledge)

    def buffer(self, schema: RowSchema, redacted: Sequence[str] = ()) -> RowBuffer:
        """Where rows of a schema go; the features named in ``redacted`` are written as a keyed hash."""
        named = [f"feature.{name}" for name in redacted]
        if named and self._redactor is None:
            self._redactor = Redactor(self.home)
        return self.rows.buffer(schema, dict.fromkeys(named, self._redactor.redact) if self._redactor else None)

    def slot(self, name: str, **labels: str) -> int:
        """The slot of a counter that only the event loop adds to."""
        return self.counters.slot(series(name, **labels))

    def served_slot(self, deployment: str, role: str) -> int:
        """The slot in which rows of a role are counted as served."""
        return self.slot(SERVED, deployment=deployment, role=role)

    def add_shared(self, slot: int, n: int = 1) -> None:
        """Add to a slot that several threads add to."""
        with self._shared:
            self.counters.add(slot, n)

    def close(self) -> None:
        """Write what waits; later rows are dropped and counted, later outcomes refused."""
        self.rows.close()
        self.outcomes.close()

    def _logged(self, deployment: str, rows: int) -> None:
        self.counters.add(self.slot(LOGGED, deployment=deployment), rows)

    def _dropped(self, deployment: str, reason: str, variant: str, rows: int) -> None:
        self.counters.add(self.slot(DROPPED, deployment=deployment, reason=reason, variant=variant), rows)
