"""The windows of one monitor in a stretch of time, of every variant, however they are cut."""

from collections.abc import Iterator, Mapping

from seatrial.drift import Profile
from seatrial.experiments.source import Source
from seatrial.watch.cutting import Cut, windows_by_rows, windows_by_time
from seatrial.watch.quality import first_row
from seatrial.watch.reading import Busy, Span
from seatrial.watch.shelf import Shelf


def spans_of(
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    cut: Cut,
    versions: Mapping[str, str],
    shelf: Shelf,
    quiet: str | None = None,
) -> Iterator[tuple[Busy, Span]]:
    """Windows in which something happened; of the variant ``quiet`` also those in which nothing did."""
    if end <= start:
        return
    if cut.rows:
        yield from windows_by_rows(view, cut, profiles, versions, start, end, shelf)
        return
    found = windows_by_time(view, cut, profiles, versions, start, end)
    yield from (
        found
        if quiet not in profiles or quiet is None
        else _with_silence(found, quiet, versions, view, cut, start, end)
    )


def _with_silence(
    there: Iterator[tuple[Busy, Span]],
    variant: str,
    versions: Mapping[str, str],
    view: Source,
    cut: Cut,
    start: int,
    end: int,
) -> Iterator[tuple[Busy, Span]]:
    found = list(there)
    first = first_row(view)
    if first is not None:
        begin = max(start, first) // cut.step * cut.step + cut.step
        known = {span.end for rows, span in found if rows.variant == variant}
        step = cut.step if cut.slides else 0
        for until in range(begin, end + 1, cut.step):
            if until not in known:
                span = Span(variant, versions.get(variant, ""), until - cut.length, until, step)
                found.append((Busy(variant, span.start, 0, 0, 0), span))
    yield from sorted(found, key=lambda pair: (pair[0].start, pair[0].variant))
