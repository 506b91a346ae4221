"""Cuts a variant's rows into windows: by time, one after another or sliding, or by so many rows.

by time    whole multiples of the length since 1970 UTC
sliding    of the length, one ending at every whole multiple of the step
by rows    from a row until so many have come; rows of the same microsecond stay together. They are counted for each
           version in its slot, from its first row in the ledger on; where the open window began is on the shelf
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.source import Source
from seatrial.spec.deployment import Windowed
from seatrial.watch import reading
from seatrial.watch.reading import Busy, Span
from seatrial.watch.shelf import Shelf, keyed

_MARKS_KEPT = 2
"""Before and after a reading: one that broke off is asked for again from the same mark."""


class Cut(NamedTuple):
    """How one monitor's windows are cut.

    Attributes:
        length: Of a window, microseconds; says nothing where ``rows`` is set.
        step: From the end of one window to that of the next.
        rows: Rows of a window; 0: windows are by time.
        which: SQL of the rows that are counted.
        about: Whose open windows are kept: the deployment and the monitor.
    """

    length: int
    step: int
    rows: int = 0
    which: str = ""
    about: tuple[str, ...] = ()

    @property
    def slides(self) -> bool:
        return not self.rows and self.step < self.length


EVERY_ROW = f"(({reading.FEATURE_ROWS}) OR ({reading.PREDICTION_ROWS}))"
"""What the data monitor counts: rows that a variant was assigned or answered."""


def cut_of(monitor: Windowed, which: str = "", about: tuple[str, ...] = ()) -> Cut:
    """As the file says it."""
    return Cut(_micros(monitor.window), _micros(monitor.step), monitor.rows or 0, which, about)


def windows_by_time(
    source: Source, cut: Cut, variants: Iterable[str], versions: Mapping[str, str], start: int, end: int
) -> Iterator[tuple[Busy, Span]]:
    """Windows that end within (start, end] and in which something happened, in order of time."""
    known = frozenset(variants)
    if not cut.slides:
        for rows in reading.busy(source, start, end, cut.length):
            if rows.variant in known:
                where = max(rows.start, start), rows.start + cut.length
                yield rows, Span(rows.variant, versions.get(rows.variant, ""), *where)
        return
    begin = max(0, start - cut.length + cut.step)
    for rows in _sliding(reading.busy(source, begin, end, cut.step), cut, start, end):
        if rows.variant in known:
            yield (
                rows,
                Span(rows.variant, versions.get(rows.variant, ""), rows.start, rows.start + cut.length, cut.step),
            )


def _sliding(pieces: Iterable[Busy], cut: Cut, start: int, end: int) -> list[Busy]:
    """Rows of each window, of those of its pieces."""
    known: dict[str, dict[int, Busy]] = defaultdict(dict)
    for piece in pieces:
        known[piece.variant][piece.start] = piece
    ends = {
        until
        for mine in known.values()
        for at in mine
        for until in range(at + cut.step, at + cut.length + 1, cut.step)
        if start < until <= end
    }
    found = []
    for until in sorted(ends):
        for variant, mine in known.items():
            parts = [mine[at] for at in range(until - cut.length, until, cut.step) if at in mine]
            if parts:
                counts = (sum(column) for column in zip(*(part[2:] for part in parts), strict=True))
                found.append(Busy(variant, until - cut.length, *counts))
    return sorted(found, key=lambda rows: (rows.start, rows.variant))


def windows_by_rows(
    source: Source, cut: Cut, variants: Iterable[str], versions: Mapping[str, str], start: int, end: int, shelf: Shelf
) -> Iterator[tuple[Busy, Span]]:
    """Windows that ended within (start, end], of each variant in order of time.

    Args:
        source: Rows.
        cut: How many rows, and which.
        variants: Which.
        versions: ``name:version`` in their slots.
        start, end: Rows until ``start`` were counted before, those until ``end`` are there for certain.
        shelf: Where open windows are kept; without what is there, rows are counted again from the first.
    """
    for variant in variants:
        version = versions.get(variant, "")
        place = keyed("rows", *cut.about, variant, version, cut.rows)
        kept = _marks(shelf.get(place))
        span = Span(variant, version, kept.get(start, 0), end)
        times, counts = _counted(source, cut, span)
        ended, open_since = ends_of(times, counts, cut.rows)
        for began, until in ended:
            if until > start:
                part = span._replace(start=began, end=until)
                yield _busy(source, part), part
        marks = [*((at, since) for at, since in kept.items() if at == start), (end, open_since or end)]
        shelf[place] = msgspec.json.encode(dict(marks[-_MARKS_KEPT:]))


def ends_of(times: NDArray[np.int64], counts: NDArray[np.int64], rows: int) -> tuple[list[tuple[int, int]], int | None]:
    """Windows [first row, after the last row) of at least ``rows`` rows each, and where the open one begins.

    Args:
        times: Distinct times of rows, increasing, shape [n].
        counts: Rows at each, shape [n].
        rows: After how many a window ends.
    """
    until = np.cumsum(counts)
    found: list[tuple[int, int]] = []
    first, before = 0, 0
    while first < len(times):
        last = int(np.searchsorted(until, before + rows))
        if last >= len(times):
            return found, int(times[first])
        found.append((int(times[first]), int(times[last]) + 1))
        first, before = last + 1, int(until[last])
    return found, None


def _counted(source: Source, cut: Cut, span: Span) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    query = (
        f'SELECT epoch_us("at") AS t, count(*) AS n FROM rows WHERE {reading.IN_SPAN} AND {cut.which} '
        "GROUP BY t ORDER BY t"
    )
    table = source.sql(query, span.asked)
    return table["t"].to_numpy().astype(np.int64), table["n"].to_numpy().astype(np.int64)


def _busy(source: Source, span: Span) -> Busy:
    picked = ", ".join(
        f"count(*) FILTER ({which})" for which in (reading.FEATURE_ROWS, reading.ANSWERED_ROWS, reading.PREDICTION_ROWS)
    )
    table = source.sql(f"SELECT {picked} FROM rows WHERE {reading.IN_SPAN}", span.asked)
    return Busy(span.variant, span.start, *(int(column[0].as_py()) for column in table.columns))


def _marks(content: bytes | None) -> dict[int, int]:
    return {} if content is None else msgspec.json.decode(content, type=dict[int, int])


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
