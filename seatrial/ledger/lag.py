"""How far the tables are behind: for each of them, up to when all that was written is in it.

The compactor notes it in a counter file after each round, as a time. Whoever shows it subtracts that from now, so that
it grows by itself when the compactor stands still.
"""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from seatrial.ledger import layout
from seatrial.ledger.counters import SUFFIX, CounterFile, parse_series, series
from seatrial.ledger.spool import Segment

TABLED_UNTIL = "ledger_tabled_until_us"


class Lag:
    """The compactor's notes.

    Args:
        home: Home directory of the machine.
    """

    def __init__(self, home: Path) -> None:
        self._path = layout.counters(home) / f"compactor{SUFFIX}"
        self._file: CounterFile | None = None
        self._first: dict[Path, int] = {}
        self._seen: set[str] = set()

    def behind(self, deployment: str | None, waiting: Iterable[Segment], began: int) -> None:
        """Note one table at the end of its turn.

        Args:
            deployment: Whose rows; None: outcomes.
            waiting: Segments that it does not hold.
            began: When they were listed, microseconds since 1970 UTC.
        """
        firsts = [self._first_of(segment.path, deployment) for segment in waiting]
        self._note(_series(deployment), min([began, *(first for first in firsts if first is not None)]))

    def turn(self, deployment: str | None) -> None:
        """A table's turn begins: should it fail, what was noted of it last stands, and ages."""
        self._seen.add(_series(deployment))

    def rest(self, began: int) -> None:
        """At the end of a round: tables that nothing waits for are up to date."""
        if self._file is not None:
            for text in self._file.values():
                if parse_series(text)[0] == TABLED_UNTIL and text not in self._seen:
                    self._note(text, began)
        self._first = {path: first for path, first in self._first.items() if path.exists()}
        self._seen.clear()

    def _note(self, text: str, until: int) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = CounterFile(self._path)
        self._file.put(self._file.slot(text), until)
        self._seen.add(text)

    def _first_of(self, path: Path, deployment: str | None) -> int | None:
        """The time of a segment's first rows; None when it has none yet."""
        if path not in self._first:
            first = _first_time(path, "at" if deployment is not None else "received_at")
            if first is None:
                return None
            self._first[path] = first
        return self._first[path]


def _series(deployment: str | None) -> str:
    kind = "outcomes" if deployment is None else "rows"
    return series(TABLED_UNTIL, deployment=deployment or "", kind=kind)


def _first_time(path: Path, column: str) -> int | None:
    """The least time in the first batch, microseconds since 1970 UTC; None when there is no whole one."""
    try:
        with pa.memory_map(str(path)) as source:
            batch = ipc.open_stream(source).read_next_batch()
            least = pc.min(batch.column(column).cast(pa.int64())).as_py()
    except (StopIteration, pa.ArrowException, OSError, KeyError):
        return None
    return None if least is None else int(least)
