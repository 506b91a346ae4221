"""The runtime of a variant whose answers lie ready in a table: takes keys, gives the version's own output tensors.

The pointer is looked at once a second, and a new table is taken whole: every call reads one table, so the answers to
one call are never of two. A table that was replaced closes with the last call that reads it.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.models.score_table import POINTER, ScoreTable, current_table, key_bytes, open_table, table_file, unpacked
from seatrial.routing.snapshot import Slot
from seatrial.spec.errors import SeatrialError

KEYS = "key"
"""The one input tensor: a string a row, None where the request names none."""

LOOK_SECONDS = 1.0


class Miss(RuntimeFailure):
    """The table is in order and has no answer for a key; nobody's fault."""


class LookupRuntime:
    """Answers of one version from the current table of a directory.

    Args:
        slot: The variant; its ``lookup`` says where.
        clock: Seconds since 1970 UTC.
        monotonic: Seconds.
    """

    out_of_process = False
    alone = False

    def __init__(
        self,
        slot: Slot,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        assert slot.lookup is not None
        self._version = slot.model_version
        self._digest = slot.digest
        self._signature = slot.signature
        self._scores = Path(slot.lookup.scores)
        self._stale_after = slot.lookup.stale_after
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._table: ScoreTable | None = None
        self._trouble = ""
        self._look_at = float("-inf")

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Look keys up. Raises Miss when one has no answer, RuntimeFailure when the table cannot be served."""
        table = self._fit()
        keys = inputs[KEYS].tolist()
        if None in keys:
            raise Miss("the request names no key to look up")
        found = table.get(self._version, [key_bytes(key) for key in keys])
        if None in found:
            raise Miss(f"table {table.name} has no answer for key {keys[found.index(None)]!r}")
        return unpacked(found, self._signature)  # type: ignore[arg-type]  # None was ruled out

    def holds(self, key: str | None) -> bool:
        """Whether a lookup would find an answer now."""
        try:
            return key is not None and self._fit().get(self._version, [key_bytes(key)]) != [None]
        except RuntimeFailure:
            return False

    def close(self) -> None:
        self._table = None
        self._look_at = float("inf")
        self._trouble = "the lookup was closed"

    def _fit(self) -> ScoreTable:
        """The current table, when it may be served."""
        if self._monotonic() >= self._look_at:
            self._look()
        table = self._table
        if table is None:
            raise RuntimeFailure(self._trouble)
        if self._stale_after is not None:
            age = self._clock() - table.about.started_at / 1e6
            if age > self._stale_after:
                raise RuntimeFailure(
                    f"the scores in {self._scores} are {age / 3600:.1f} h old, over `stale_after`; run `seatrial batch`"
                )
        return table

    def _look(self) -> None:
        """See which table is current. One thread does; the others go on with what they have."""
        wait = self._look_at == float("-inf")
        if not self._lock.acquire(blocking=wait):
            return
        try:
            if self._monotonic() < self._look_at:
                return
            try:
                self._table = self._current()
            except (SeatrialError, OSError, UnicodeDecodeError) as error:
                self._trouble = str(error)
                if isinstance(error, RuntimeFailure):
                    self._table = None
                # else a table that cannot be read must not take the one away that is being served
            self._look_at = self._monotonic() + LOOK_SECONDS
        finally:
            self._lock.release()

    def _current(self) -> ScoreTable:
        name = current_table(self._scores)
        if name is None:
            raise RuntimeFailure(f"there are no scores in {self._scores} (no {POINTER}); run `seatrial batch`")
        served = self._table
        if served is not None and served.name == name:
            return served
        table = open_table(table_file(self._scores, name))
        held = table.about.versions.get(self._version)
        if held is None or held.digest != self._digest:
            there = ", ".join(table.about.versions) if held is None else f"another {self._version}"
            raise RuntimeFailure(
                f"the scores in {self._scores} are of {there}, not of {self._version}; run `seatrial batch`"
            )
        return table
